"""What can happen in a workflow: somebody acted, time is over, or something asked for came back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from firmware.lists.terms import Household
from firmware.session.machine import Presentation, Show
from firmware.workflow.outcomes import CaregiverLink, Concluded, Networks, PinCheck, Standing
from firmware.workflow.screen import Acted, Shown, Text
from trust.consent import Consent
from trust.service import Basis, Reason


@dataclass(frozen=True, slots=True)
class TimeOver:
    """The time that the screen names (`Screen.ends_in_s`) is over."""


@dataclass(frozen=True, slots=True)
class Guided:
    """The capture session shows a signal: what to present, or why once more."""

    show: Show


@dataclass(frozen=True, slots=True)
class CardNotUsable:
    """What was scanned or typed is no card for this; words: what staff do now."""

    words: Text


@dataclass(frozen=True, slots=True)
class NumberRead:
    """A card or number was read that nothing was looked up for."""

    number: str


@dataclass(frozen=True, slots=True)
class NotOnList:
    """The number is not on the list that is loaded; link: as for an appointment."""

    number: str
    link: CaregiverLink | None = None


@dataclass(frozen=True, slots=True)
class NoListLoaded:
    """There is no list of this cycle here, so nobody can be looked up."""

    number: str


@dataclass(frozen=True, slots=True)
class AppointmentFound:
    """The number is on today's list; link: for a child under five, who answers for it."""

    number: str
    link: CaregiverLink | None = None


@dataclass(frozen=True, slots=True)
class HouseholdFound:
    """The household is on the list of the cycle.

    standing: whether it may be served here now; collected_at: local time where it says that it collected.
    exceptions_left: of the signed loss cap at this appliance. help_desk: where people are sent whose case the
    lane cannot settle.
    """

    household: Household
    standing: Standing
    exceptions_left: int
    networks: Networks
    help_desk: str = ""
    collected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnswerStored:
    """The answer to the notice is on the disk."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class Verified:
    """1:1 matched an entry of the claim."""


@dataclass(frozen=True, slots=True)
class NotVerified:
    """It was not sure enough, or nothing could be taken.

    tries_left: of the claim, before it has to wait; wait_s: until the next try is possible, 0 at once.
    """

    tries_left: int
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NothingToCompare:
    """Nobody behind the claim has templates."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """The search brought up candidates, at most three; staff look at the person."""

    candidates: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Identified:
    """Staff confirmed a candidate."""

    number: str


@dataclass(frozen=True, slots=True)
class NotIdentified:
    """The search suggested nobody, or none that staff confirmed."""


@dataclass(frozen=True, slots=True)
class CaptureStopped:
    """The capture ended because somebody asked for a person."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The person is registered; missing: what could not be taken and is not asked for again."""

    missing: tuple[Presentation, ...] = ()


@dataclass(frozen=True, slots=True)
class NumberTaken:
    """Somebody is registered under this number."""


@dataclass(frozen=True, slots=True)
class RegistrationWaits:
    """Nobody can be registered now: too little space, too long without a sync, too many that wait."""


@dataclass(frozen=True, slots=True)
class DecisionKept:
    """What was decided outlives a power cut from now on.

    owner_desk: of the household's owner where that did not answer when the card was shown, or does not now;
    worst_case: as in `Networks`.
    """

    owner_desk: str = ""
    worst_case: int = 0


@dataclass(frozen=True, slots=True)
class PinChecked:
    """A second person entered name and PIN; operator: who is signed in, empty where nobody is."""

    check: PinCheck
    operator: str


@dataclass(frozen=True, slots=True)
class ComplaintStored:
    """The complaint is on the disk."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The session's record is on the disk."""

    concluded: Concluded


@dataclass(frozen=True, slots=True)
class Broken:
    """The appliance itself could not do what was asked of it; nothing was written down."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """After a power cut: a hand-over was decided and nothing was given yet.

    left_s: until the claim is over, 0 where it is or is another's. household: None where the list is gone.
    owner_desk: of the household's owner where that did not answer then, or does not now; worst_case: as in
    `Networks`.
    """

    number: str
    household: Household | None
    basis: Basis
    reason: Reason | None
    supervisor: str
    declined: bool
    left_s: float
    owner_desk: str = ""
    worst_case: int = 0
    countersigned_by: str = ""


Event: TypeAlias = (
    Acted
    | TimeOver
    | Guided
    | CardNotUsable
    | NumberRead
    | NotOnList
    | NoListLoaded
    | AppointmentFound
    | HouseholdFound
    | AnswerStored
    | Verified
    | NotVerified
    | NothingToCompare
    | Suggested
    | Identified
    | NotIdentified
    | CaptureStopped
    | Registered
    | NumberTaken
    | RegistrationWaits
    | DecisionKept
    | PinChecked
    | ComplaintStored
    | Ended
    | Broken
    | Resumed
)
