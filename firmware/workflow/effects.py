"""What a workflow asks the appliance to do; the station performs it and feeds back what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from firmware.workflow.terms import Role
from trust.consent import Consent
from trust.service import Answer, Basis, Concern, Reason, Workflow


@dataclass(frozen=True, slots=True)
class Greet:
    """A person steps up: the session begins, and its time is measured from here."""


@dataclass(frozen=True, slots=True)
class FindAppointment:
    """Read a card or number and find it on today's list.

    Comes back as AppointmentFound, NotOnList or CardNotUsable.
    """

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FindHousehold:
    """Read a card or number, find the household and claim it for this desk.

    Comes back as HouseholdFound, NotOnList or CardNotUsable.
    """

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadNumber:
    """Read a card or number; comes back as NumberRead or CardNotUsable."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """Store the answer with version and language of the notice, and the time; comes back as AnswerStored."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class StoreQuestion:
    """Store that the person asked before answering."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Compare 1:1 with the entries of these subjects.

    Comes back as Verified, NotVerified, NothingToCompare, CaptureStopped or Broken.
    """

    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Search today's list, and nobody else (1:few).

    Comes back as Suggested and then, after `TellSuggestion`, as Identified or NotIdentified; or as
    NotIdentified, CaptureStopped or Broken.
    """


@dataclass(frozen=True, slots=True)
class TellSuggestion:
    """Tell the search which candidate staff confirmed, None for none."""

    chosen: int | None


@dataclass(frozen=True, slots=True)
class StopCapture:
    """End the capture under way; a person takes over."""


@dataclass(frozen=True, slots=True)
class Register:
    """Register a person under a number; capture: False where no templates may be taken.

    caregiver: who answers for a child under five, linked with an expiry; empty for none.
    Comes back as Registered, NumberTaken, RegistrationWaits, CaptureStopped or Broken.
    """

    number: str
    consent: Consent
    capture: bool
    caregiver: str = ""


@dataclass(frozen=True, slots=True)
class KeepDecision:
    """Keep what was decided before the ration is shown.

    owner_desk: of the owner that did not answer when the card was shown, "" where it did. Comes back as
    DecisionKept, or as HouseholdFound where the household cannot be served here any more.
    """

    number: str
    basis: Basis
    reason: Reason | None = None
    supervisor: str = ""
    declined: bool = False
    owner_desk: str = ""
    countersigned_by: str = ""


@dataclass(frozen=True, slots=True)
class CheckPin:
    """Check name and PIN of a second person; comes back as PinChecked."""

    name_and_pin: str = field(repr=False)
    need: Role


@dataclass(frozen=True, slots=True)
class StoreComplaint:
    """Store that somebody complained; comes back as ComplaintStored."""

    concern: Concern


@dataclass(frozen=True, slots=True)
class Conclude:
    """End the session with its record, in one transaction; comes back as Ended or Broken.

    A claim whose ration was not given is released. owner_silent: served without the owner's word.
    countersigned_by: who signed an exception with the supervisor.
    """

    answer: Answer
    number: str = ""
    basis: Basis | None = None
    reason: Reason | None = None
    supervisor: str = ""
    declined: bool = False
    owner_silent: bool = False
    countersigned_by: str = ""


@dataclass(frozen=True, slots=True)
class GoOnPaper:
    """The end of the session could not be written down: it is, as soon as the store writes again."""

    conclude: Conclude


@dataclass(frozen=True, slots=True)
class Begin:
    """Go on with another workflow, for the same person: after the visit, the registration."""

    workflow: Workflow


Effect: TypeAlias = (
    Greet
    | Begin
    | FindAppointment
    | FindHousehold
    | ReadNumber
    | StoreAnswer
    | StoreQuestion
    | Verify
    | Search
    | TellSuggestion
    | StopCapture
    | Register
    | KeepDecision
    | CheckPin
    | StoreComplaint
    | Conclude
    | GoOnPaper
)
