"""Who may do what at the appliance."""

from __future__ import annotations

from enum import Enum, unique


@unique
class Role(Enum):
    """Who may do what at the appliance: a supervisor may do all that an operator may."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
