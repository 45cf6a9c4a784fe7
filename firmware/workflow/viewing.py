"""What whoever acts on a screen is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Accepted:
    """It was done, or is being done; the next screen says what came of it."""


@dataclass(frozen=True, slots=True)
class Stale:
    """It was meant for a screen that is over; nothing was done."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Another one serves the person who is here; nothing was done."""

    operator: str


@dataclass(frozen=True, slots=True)
class HeldBack:
    """It came before anybody could have chosen: nothing is highlighted, or the screen is too new."""


Reply: TypeAlias = Accepted | Stale | HeldBy | HeldBack
