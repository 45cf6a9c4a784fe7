"""The screens of the clinic's check-in."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from firmware.workflow import choices
from firmware.workflow.clinic_states import (
    AskingCard,
    FindingAppointment,
    LookingAtPaper,
    NotExpectedToday,
    Searching,
    State,
    Suggesting,
    TellingSearch,
    Verifying,
    Why,
)
from firmware.workflow.frame import (
    Answered,
    ChoosingConcern,
    NotWrittenDown,
    WaitingForPerson,
    WritingComplaint,
    WritingDown,
    busy_screen,
    frame_screen,
)
from firmware.workflow.guidance import capture_screen
from firmware.workflow.notice import AnsweringQuestion, ShowingNotice, StoringAnswer, notice_screen
from firmware.workflow.screen import Choice, Entry, Screen, Text, Tone, say
from trust.service import Workflow

NAME = Workflow.CLINIC.value


def screen(state: State) -> Screen:
    """Return what is shown in a state."""
    match state:
        case WritingDown() | NotWrittenDown() | Answered() | ChoosingConcern() | WritingComplaint():
            return frame_screen(state, _WAITING)
        case WaitingForPerson():
            return _WAITING
        case AskingCard(words):
            return Screen(
                f"{NAME}-card",
                Tone.AGAIN,
                "card",
                words,
                choices=(choices.NO_CARD,),
                entry=Entry.CARD,
            )
        case FindingAppointment():
            return busy_screen(f"{NAME}-finding")
        case NotExpectedToday():
            return Screen(
                f"{NAME}-not-expected",
                Tone.PERSON,
                "calendar",
                say("This number is not on today's list. The person is seen all the same."),
                choices=(choices.NEXT_STEP,),
                entry=Entry.CARD,
            )
        case ShowingNotice() | AnsweringQuestion() | StoringAnswer():
            return notice_screen(NAME, state)
        case Verifying(case, show):
            shown = capture_screen(f"{NAME}-verify", show, (choices.WITHOUT,))
            if case.link is not None:
                shown = replace(shown, lines=(*shown.lines, say("The caregiver shows finger or face.")))
            return shown
        case Searching(_, show):
            return capture_screen(f"{NAME}-search", show, (choices.WITHOUT,))
        case Suggesting(_, candidates):
            return Screen(
                f"{NAME}-suggestion",
                Tone.CALM,
                "people",
                say("Look at the person. Who is it?"),
                lines=(say("The appliance only suggests. You decide."),),
                choices=(choices.NOBODY,),
                candidates=candidates,
            )
        case TellingSearch():
            return busy_screen(f"{NAME}-telling")
        case LookingAtPaper():
            return _paper_screen(state)
        case _:
            assert_never(state)


def _paper_screen(state: LookingAtPaper) -> Screen:
    case, own_fault = state.case, state.why is Why.OWN_FAULT
    offers: list[Choice] = [choices.SEEN]
    if state.tries_left and not state.wait_s:
        offers.append(choices.AGAIN)
    offers.append(choices.COLLEAGUE)
    lines = [say("Look at the appointment paper and the person.")]
    if case.number:
        lines.append(say("Number: {number}", number=case.number))
    return Screen(
        f"{NAME}-paper",
        Tone.FAULT if own_fault else Tone.PERSON,
        "wrench" if own_fault else "helper",
        _why(state.why),
        lines=tuple(lines),
        choices=tuple(offers),
        tries_left=state.tries_left,
        wait_s=state.wait_s or None,
        ends_in_s=state.wait_s or None,
    )


def _why(why: Why) -> Text:
    match why:
        case Why.DECLINED:
            return say("Check in without finger and face.")
        case Why.HELP:
            return say("A colleague helps you.")
        case Why.NOT_SURE:
            return say("The appliance is not sure. A colleague looks.")
        case Why.NOTHING_TO_COMPARE:
            return say("There is nothing to compare with yet. A colleague looks.")
        case Why.LINK_EXPIRED:
            return say("The link to the caregiver has ended. A colleague looks, and renews it.")
        case Why.OWN_FAULT:
            return say("The appliance had a fault. A colleague looks.")
        case _:
            assert_never(why)


_WAITING = Screen(
    f"{NAME}-ready",
    Tone.CALM,
    "ready",
    say("Show the appointment card"),
    choices=(choices.NO_CARD, choices.REGISTER, choices.COMPLAIN),
    entry=Entry.CARD,
)
