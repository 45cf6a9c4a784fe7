"""The vocabulary of consent and purpose that both ends share."""

from __future__ import annotations

from enum import Enum, unique


@unique
class Consent(Enum):
    """A person's answer to the notice."""

    ACCEPTED = "accepted"
    DECLINED = "declined"


@unique
class Purpose(Enum):
    """What a gallery may be asked for; a gallery declares one, and a query for another is refused."""

    CLINIC_CHECK_IN = "clinic check-in"
    DISTRIBUTION = "distribution"
