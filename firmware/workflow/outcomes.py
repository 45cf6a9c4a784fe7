"""What comes back to the workflows from the rest of the appliance, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Granted:
    """The household is free, and claimed for this desk until the time asked for is over."""


@dataclass(frozen=True, slots=True)
class AlreadyGiven:
    """It collected. at_ns: when, as wall time since 1970 UTC, None where no clock was set; desk: where.

    ago_s: how long ago, where it was in this boot of this appliance, so that no clock is needed.
    """

    at_ns: int | None
    desk: str
    ago_s: float | None = None


@dataclass(frozen=True, slots=True)
class ClaimedElsewhere:
    """Another desk serves it now; left_s: until that claim is over if nothing is given."""

    left_s: float
    desk: str


@dataclass(frozen=True, slots=True)
class OwnerSilent:
    """The appliance that owns the household does not answer; desk: where it stands."""

    desk: str


Standing: TypeAlias = Granted | AlreadyGiven | ClaimedElsewhere | OwnerSilent


@dataclass(frozen=True, slots=True)
class Networks:
    """uplink: the aggregator is reached. site: the other appliances of the roster are, or there are none.

    worst_case: how many households could at most collect twice because owners did not answer.
    """

    uplink: bool = True
    site: bool = True
    worst_case: int = 0


@dataclass(frozen=True, slots=True)
class Concluded:
    """The record is on the disk. token: the visit token's number, for VISIT alone; random, of this day."""

    seq: int
    token: str = ""


@dataclass(frozen=True, slots=True)
class PinRight:
    """The PIN is that of this member of staff, and the role suffices."""

    name: str


@dataclass(frozen=True, slots=True)
class PinWrong:
    """Name and PIN do not go together; tries_left: before it has to wait."""

    tries_left: int


@dataclass(frozen=True, slots=True)
class PinWaits:
    """Too many wrong PINs in a row."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class RoleTooLow:
    """The PIN is that of this member of staff, whose role does not suffice; it is no wrong try."""


PinCheck: TypeAlias = PinRight | PinWrong | PinWaits | RoleTooLow


@dataclass(frozen=True, slots=True)
class CaregiverLink:
    """Who answers for a child under five; expired: the link ended."""

    caregiver: str
    until: date
    expired: bool
