"""What reading a card comes to; each outcome that cannot be used has words that accuse nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias, assert_never

from firmware.workflow.screen import Text, say


@dataclass(frozen=True, slots=True)
class HouseholdCard:
    """A household's card of this site, signed; cycle: the only one it is for, empty for any."""

    site: str
    number: str
    cycle: str
    last_day: date


@dataclass(frozen=True, slots=True)
class AppointmentCard:
    """An appointment at this site today, signed."""

    site: str
    number: str
    day: date


@dataclass(frozen=True, slots=True)
class VisitToken:
    """A token that was handed out here today; number: as it stands on the token."""

    number: str
    day: date


@dataclass(frozen=True, slots=True)
class TypedNumber:
    """A number that staff typed: nothing is signed, and its check character, where there was one, holds."""

    number: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """It cannot be read whole: dirt, a fold, a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Of another site, another organisation, or no card of this project; site: where it is known."""

    site: str = ""


@dataclass(frozen=True, slots=True)
class Forged:
    """It names a key that is trusted here, and that key did not sign it. Only the audit log says so."""


@dataclass(frozen=True, slots=True)
class OtherCycle:
    """A household's card of this site, for another cycle."""

    cycle: str


@dataclass(frozen=True, slots=True)
class OtherDay:
    """A card or token of this site, for another day; of a household's card, its last one."""

    day: date


@dataclass(frozen=True, slots=True)
class OtherUse:
    """A card of this site for something else: an appointment at the distribution, or the reverse."""


Usable: TypeAlias = HouseholdCard | AppointmentCard | VisitToken | TypedNumber
Unusable: TypeAlias = Damaged | Foreign | Forged | OtherCycle | OtherDay | OtherUse
Reading: TypeAlias = Usable | Unusable


def words(reading: Unusable) -> Text:
    """Return what the screen says: what staff do next, and nothing about the person."""
    match reading:
        case Damaged():
            return say("This card could not be read. Wipe it and try again, or type its number.")
        case Foreign():
            return say("This card is from another distribution. Send the person to the help desk.")
        case Forged():
            # The same next step as for a foreign card: who holds the card need not be who made it.
            return say("This card needs a look at the help desk. Send the person there.")
        case OtherCycle(cycle=cycle):
            return say("This card is for the cycle {cycle}. Send the person to the help desk.", cycle=cycle)
        case OtherDay(day=day):
            return say("This card is for {day}. Send the person to the help desk.", day=day.isoformat())
        case OtherUse():
            return say("This card is for another service here. Show the person the way.")
        case _:
            assert_never(reading)
