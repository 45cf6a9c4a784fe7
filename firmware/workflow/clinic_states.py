"""What is known, state by state, while somebody checks in at the clinic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias

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
from firmware.workflow.notice import AnsweringQuestion, Case, ShowingNotice, StoringAnswer
from firmware.workflow.screen import Shown, Text

MAX_CANDIDATES = 3


@unique
class Why(Enum):
    """Why staff look at the paper and the person."""

    DECLINED = "declined"
    HELP = "asked for a person"
    NOT_SURE = "not sure enough"
    NOTHING_TO_COMPARE = "nothing to compare with"
    LINK_EXPIRED = "link to the caregiver expired"
    OWN_FAULT = "fault of the appliance"


@dataclass(frozen=True, slots=True)
class AskingCard:
    """The appointment card is asked for once more; words: why."""

    words: Text


@dataclass(frozen=True, slots=True)
class FindingAppointment:
    """The card is being read and looked up."""


@dataclass(frozen=True, slots=True)
class NotExpectedToday:
    """The number is not on today's list; the person is welcome all the same."""

    case: Case


@dataclass(frozen=True, slots=True)
class Verifying:
    """The person, or a child's caregiver, is compared with the entry of the claim (1:1)."""

    case: Case
    show: Show = STARTING


@dataclass(frozen=True, slots=True)
class Searching:
    """The person is looked for among those of today's list (1:few)."""

    case: Case
    show: Show = STARTING


@dataclass(frozen=True, slots=True)
class Suggesting:
    """Staff compare the person with at most three candidates."""

    case: Case
    candidates: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class TellingSearch:
    """Staff chose; the search is being told."""

    case: Case


@dataclass(frozen=True, slots=True)
class LookingAtPaper:
    """Staff look at the paper and the person: the path without biometrics.

    tries_left, wait_s: of the claim; None after a search, which is not repeated.
    """

    case: Case
    why: Why
    tries_left: int | None = None
    wait_s: float = 0.0


State: TypeAlias = (
    WaitingForPerson
    | AskingCard
    | FindingAppointment
    | NotExpectedToday
    | ShowingNotice
    | AnsweringQuestion
    | StoringAnswer
    | Verifying
    | Searching
    | Suggesting
    | TellingSearch
    | LookingAtPaper
    | WritingDown
    | NotWrittenDown
    | Answered
    | ChoosingConcern
    | WritingComplaint
)
Step: TypeAlias = tuple[State, tuple[Effect, ...]]
