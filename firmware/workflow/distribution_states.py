"""What is known, state by state, while a household is served at the distribution point."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias

from firmware.lists.terms import Ration
from firmware.session.machine import Show
from firmware.workflow.effects import Effect
from firmware.workflow.frame import (
    Answered,
    ChoosingConcern,
    NotWrittenDown,
    WaitingForPerson,
    WritingComplaint,
    WritingDown,
)
from firmware.workflow.guidance import STARTING
from firmware.workflow.screen import Text
from trust.service import Basis, Reason

CLAIM_S = 300.0
"""How long a household stays claimed for a desk once it is decided to give; then it is free again."""
ASKED_S = 900.0
"""How long it is asked, after a power cut, whether a ration was given; nothing waits for staff for ever."""


@dataclass(frozen=True, slots=True)
class HouseholdCase:
    """What is known of the household that is served.

    exceptions_left: of the signed loss cap at this appliance. owner_desk: of the appliance that owns the
    household and does not answer, "" where it did; worst_case: how many could then collect twice at most.
    alternate: whoever is here is an alternate. not_sure: a comparison did not match, so a supervisor decides
    where nothing else does. declined: the person does not want biometrics.
    """

    number: str
    size: int = 0
    collectors: tuple[str, ...] = ()
    alternates: tuple[str, ...] = ()
    rations: tuple[Ration, ...] = ()
    exceptions_left: int = 0
    help_desk: str = ""
    owner_desk: str = ""
    worst_case: int = 0
    alternate: bool = False
    not_sure: bool = False
    declined: bool = False


@unique
class Why(Enum):
    """Why staff look at the card and the person."""

    DECLINED = "declined"
    HELP = "asked for a person"
    NOTHING_TO_COMPARE = "nothing to compare with"
    OWN_FAULT = "fault of the appliance"


@dataclass(frozen=True, slots=True)
class Exceptional:
    """An exception being asked for: its reason, the supervisor once the PIN was right, a second person."""

    reason: Reason
    supervisor: str = ""
    countersigned_by: str = ""


@dataclass(frozen=True, slots=True)
class AskingCard:
    """The card is asked for once more; words: why."""

    words: Text


@dataclass(frozen=True, slots=True)
class FindingHousehold:
    """The card is being read, the household looked up, and claimed for this desk."""


@dataclass(frozen=True, slots=True)
class NotHereNow:
    """The household cannot be served at this desk now; words: why, and where it can."""

    number: str
    words: Text
    lines: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Verifying:
    """A collector, or an alternate, is compared with those of the household (1:1)."""

    case: HouseholdCase
    show: Show = STARTING


@dataclass(frozen=True, slots=True)
class NotSure:
    """The comparison was not sure enough; tries_left and wait_s: of the claim."""

    case: HouseholdCase
    tries_left: int
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StoringDecline:
    """The person does not want biometrics; that answer is being stored."""

    case: HouseholdCase


@dataclass(frozen=True, slots=True)
class LookingAtCard:
    """Staff look at the card and the person: the path without biometrics."""

    case: HouseholdCase
    why: Why


@dataclass(frozen=True, slots=True)
class AskingReason:
    """The reason of an exception is asked for."""

    case: HouseholdCase


@dataclass(frozen=True, slots=True)
class AskingSupervisor:
    """A supervisor's name and PIN are asked for; words: why once more."""

    case: HouseholdCase
    exceptional: Exceptional
    words: Text | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckingSupervisor:
    """The supervisor's PIN is being checked."""

    case: HouseholdCase
    exceptional: Exceptional


@dataclass(frozen=True, slots=True)
class AskingSecondPerson:
    """The supervisor signed alone; name and PIN of somebody else are asked for."""

    case: HouseholdCase
    exceptional: Exceptional
    words: Text | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckingSecondPerson:
    """The second person's PIN is being checked."""

    case: HouseholdCase
    exceptional: Exceptional


@dataclass(frozen=True, slots=True)
class Deciding:
    """Two people signed; they decide, and the default is to give."""

    case: HouseholdCase
    exceptional: Exceptional


@dataclass(frozen=True, slots=True)
class KeepingDecision:
    """It is decided to give; that is being kept, so that it outlives a power cut."""

    case: HouseholdCase
    basis: Basis
    exceptional: Exceptional | None = None


@dataclass(frozen=True, slots=True)
class HandingOver:
    """The ration is being handed over; nothing is collected before GIVEN. resumed: after a power cut."""

    case: HouseholdCase
    basis: Basis
    exceptional: Exceptional | None = None
    left_s: float = CLAIM_S
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class AskingIfGiven:
    """The power failed after it was decided to give, and the claim is over: was it given before?"""

    case: HouseholdCase
    basis: Basis
    exceptional: Exceptional | None = None


WithCase: TypeAlias = (
    Verifying
    | NotSure
    | StoringDecline
    | LookingAtCard
    | AskingReason
    | AskingSupervisor
    | CheckingSupervisor
    | AskingSecondPerson
    | CheckingSecondPerson
    | Deciding
    | KeepingDecision
    | HandingOver
    | AskingIfGiven
)
State: TypeAlias = (
    WaitingForPerson
    | AskingCard
    | FindingHousehold
    | NotHereNow
    | WithCase
    | WritingDown
    | NotWrittenDown
    | Answered
    | ChoosingConcern
    | WritingComplaint
)
Step: TypeAlias = tuple[State, tuple[Effect, ...]]
