"""Clinic check-in as a pure state machine: claim, notice and answer, 1:1 or 1:few, the visit token.

Whoever is not matched, declines, or asks for a person gets the token all the same: staff look at the paper
and the person. So no path here ends without care, and no outcome is adverse. A search goes over today's list
alone, over the gallery where none is loaded, and what it suggests is a suggestion until staff confirm it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from firmware.workflow import choices
from firmware.workflow.clinic_screens import screen
from firmware.workflow.clinic_states import (
    MAX_CANDIDATES,
    AskingCard,
    FindingAppointment,
    LookingAtPaper,
    NotExpectedToday,
    Searching,
    State,
    Step,
    Suggesting,
    TellingSearch,
    Verifying,
    Why,
)
from firmware.workflow.effects import (
    Begin,
    Conclude,
    FindAppointment,
    Greet,
    Search,
    StopCapture,
    TellSuggestion,
    Verify,
)
from firmware.workflow.events import (
    AnswerStored,
    AppointmentFound,
    Broken,
    CaptureStopped,
    CardNotUsable,
    Event,
    Guided,
    Identified,
    NothingToCompare,
    NotIdentified,
    NotOnList,
    NotVerified,
    Suggested,
    TimeOver,
    Verified,
)
from firmware.workflow.frame import (
    Answered,
    ChoosingConcern,
    Ending,
    NotWrittenDown,
    WaitingForPerson,
    WritingComplaint,
    WritingDown,
    chose,
    conclude,
    is_help,
    offered,
    step_frame,
)
from firmware.workflow.guidance import GUIDING
from firmware.workflow.notice import (
    AnsweringQuestion,
    Case,
    ShowingNotice,
    StoringAnswer,
    answered,
    step_notice,
    store_answer,
)
from firmware.workflow.screen import Acted, Entry, say
from trust.consent import Consent
from trust.service import Answer, Basis, Workflow

__all__ = ["FIRST", "State", "screen", "step"]

FIRST = WaitingForPerson(Workflow.CLINIC)


def step(state: State, event: Event) -> Step:
    """Return the next state and what to do. An event that means nothing in a state leaves it as it is."""
    if isinstance(event, Acted) and not offered(screen(state), event.act):
        return state, ()
    match state:
        case WritingDown() | NotWrittenDown() | Answered() | ChoosingConcern() | WritingComplaint():
            return step_frame(state, event, Workflow.CLINIC)
        case WaitingForPerson():
            return _on_waiting(state, event)
        case LookingAtPaper():
            return _on_paper(state, event)
        case AskingCard() | FindingAppointment():
            if is_help(event):
                return LookingAtPaper(Case(), Why.HELP), ()
            return _on_card(state, event)
        case _:
            if is_help(event):
                stop = (StopCapture(),) if isinstance(state, (Verifying, Searching, Suggesting)) else ()
                return LookingAtPaper(state.case, Why.HELP), stop
            if isinstance(event, Broken):
                return LookingAtPaper(state.case, Why.OWN_FAULT), ()
            return _go_on(state, event)


def _on_waiting(state: WaitingForPerson, event: Event) -> Step:
    if is_help(event):
        return LookingAtPaper(Case(), Why.HELP), (Greet(),)
    if chose(event, choices.NO_CARD):
        return ShowingNotice(Case()), (Greet(),)
    if chose(event, choices.REGISTER):
        return state, (Begin(Workflow.REGISTRATION),)
    if isinstance(event, Acted) and event.act == Entry.CARD.value:
        return FindingAppointment(), (Greet(), FindAppointment(event.value))
    return step_frame(state, event, Workflow.CLINIC)


def _on_card(state: AskingCard | FindingAppointment, event: Event) -> Step:
    match event:
        case Acted(act=choices.NO_CARD.act):
            return ShowingNotice(Case()), ()
        case Acted(value=value) if isinstance(state, AskingCard):
            return FindingAppointment(), (FindAppointment(value),)
        case AppointmentFound(number, link):
            return ShowingNotice(Case(number, link=link)), ()
        case NotOnList(number, link):
            return NotExpectedToday(Case(number, link=link)), ()
        case CardNotUsable(words):
            return AskingCard(words), ()
        case Broken():
            return LookingAtPaper(Case(), Why.OWN_FAULT), ()
        case _:
            return state, ()


def _go_on(
    state: NotExpectedToday
    | ShowingNotice
    | AnsweringQuestion
    | StoringAnswer
    | Verifying
    | Searching
    | Suggesting
    | TellingSearch,
    event: Event,
) -> Step:
    match state:
        case NotExpectedToday(case):
            if chose(event, choices.NEXT_STEP):
                return ShowingNotice(case), ()
            if isinstance(event, Acted) and event.act == Entry.CARD.value:
                return FindingAppointment(), (FindAppointment(event.value),)
            return state, ()
        case ShowingNotice() | AnsweringQuestion():
            return step_notice(state, event)
        case StoringAnswer():
            return _after_answer(answered(state)) if isinstance(event, AnswerStored) else (state, ())
        case Verifying():
            return _on_verifying(state, event)
        case Searching():
            return _on_searching(state, event)
        case Suggesting(case, candidates):
            for index, shown in enumerate(candidates):
                if isinstance(event, Acted) and event.act == shown.act:
                    return TellingSearch(case), (TellSuggestion(index),)
            if chose(event, choices.NOBODY):
                return TellingSearch(case), (TellSuggestion(None),)
            return _on_told(state, event)
        case TellingSearch():
            return _on_told(state, event)
        case _:
            assert_never(state)


def _after_answer(case: Case) -> Step:
    if case.consent is not Consent.ACCEPTED:
        return LookingAtPaper(case, Why.DECLINED), ()
    return _capture(case)


def _capture(case: Case) -> Step:
    if case.link is not None:
        if case.link.expired:
            return LookingAtPaper(case, Why.LINK_EXPIRED), ()
        return Verifying(case), (Verify((case.link.caregiver,)),)
    if case.number:
        return Verifying(case), (Verify((case.number,)),)
    return Searching(case), (Search(),)


def _on_verifying(state: Verifying, event: Event) -> Step:
    case = state.case
    if chose(event, choices.WITHOUT):
        return _declines(case)
    match event:
        case Guided(show) if show.signal in GUIDING:
            return replace(state, show=show), ()
        case Verified():
            return _visit(case, Basis.BIOMETRIC)
        case NotVerified(tries_left, wait_s):
            return LookingAtPaper(case, Why.NOT_SURE, tries_left, wait_s), ()
        case NothingToCompare():
            return LookingAtPaper(case, Why.NOTHING_TO_COMPARE), ()
        case CaptureStopped():
            return LookingAtPaper(case, Why.HELP), ()
        case _:
            return state, ()


def _on_searching(state: Searching, event: Event) -> Step:
    if chose(event, choices.WITHOUT):
        return _declines(state.case)
    match event:
        case Guided(show) if show.signal in GUIDING:
            return replace(state, show=show), ()
        case Suggested(candidates):
            return Suggesting(state.case, candidates[:MAX_CANDIDATES]), ()
        case _:
            return _on_told(state, event)


def _on_told(state: Searching | Suggesting | TellingSearch, event: Event) -> Step:
    case = state.case
    match event:
        case Identified(number):
            return _visit(replace(case, number=number), Basis.CONFIRMED)
        case NotIdentified():
            return LookingAtPaper(case, Why.NOT_SURE, tries_left=None), ()
        case NothingToCompare():
            return LookingAtPaper(case, Why.NOTHING_TO_COMPARE), ()
        case CaptureStopped():
            return LookingAtPaper(case, Why.HELP), ()
        case _:
            return state, ()


def _declines(case: Case) -> Step:
    """The person says no after all: that answer is stored too, and staff look at the paper."""
    following, effects = store_answer(case, Consent.DECLINED)
    return following, (StopCapture(), *effects)


def _on_paper(state: LookingAtPaper, event: Event) -> Step:
    case = state.case
    if chose(event, choices.SEEN):
        return _visit(case, Basis.CARD if case.number else Basis.PAPER, may_register=not case.declined)
    if chose(event, choices.AGAIN):
        return _capture(case)
    if isinstance(event, TimeOver) and state.wait_s:
        return replace(state, tries_left=1, wait_s=0.0), ()  # the wait is over
    if chose(event, choices.COLLEAGUE) or is_help(event):
        return conclude(
            Ending(
                Conclude(Answer.PERSON, case.number, declined=case.declined),
                say("A colleague takes over now."),
                may_register=not case.declined,
            )
        )
    return state, ()


def _visit(case: Case, basis: Basis, *, may_register: bool = False) -> Step:
    return conclude(
        Ending(
            Conclude(Answer.VISIT, case.number, basis, declined=case.declined),
            say("Visit token"),
            may_register=may_register,
        )
    )
