"""Registration as a pure state machine: notice, answer, age, number, then what the person can give.

A person who declines, and a child under five, are registered without templates and get the same service; a
child's caregiver is linked to it. Nobody is stopped by a resemblance: an adjudicator looks at it later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from firmware.session.machine import Show
from firmware.workflow import choices
from firmware.workflow.effects import Conclude, Effect, Greet, ReadNumber, Register, StopCapture
from firmware.workflow.events import (
    AnswerStored,
    Broken,
    CaptureStopped,
    CardNotUsable,
    Event,
    Guided,
    NumberRead,
    NumberTaken,
    Registered,
    RegistrationWaits,
)
from firmware.workflow.frame import (
    Answered,
    ChoosingConcern,
    Ending,
    NotWrittenDown,
    WaitingForPerson,
    WritingComplaint,
    WritingDown,
    busy_screen,
    chose,
    conclude,
    frame_screen,
    is_help,
    offered,
    step_frame,
)
from firmware.workflow.guidance import GUIDING, STARTING, capture_screen, not_taken
from firmware.workflow.notice import (
    AnsweringQuestion,
    Case,
    ShowingNotice,
    StoringAnswer,
    answered,
    notice_screen,
    step_notice,
    store_answer,
)
from firmware.workflow.screen import Acted, Entry, Screen, Text, Tone, say
from trust.consent import Consent
from trust.service import Answer, Workflow

NAME = Workflow.REGISTRATION.value


@dataclass(frozen=True, slots=True)
class AskingAge:
    """Whether the person is under five years old is not known."""

    case: Case


@dataclass(frozen=True, slots=True)
class AskingNumber:
    """The number of the person's new card is asked for; words: why it is asked once more."""

    case: Case
    words: Text | None = None


@dataclass(frozen=True, slots=True)
class ReadingNumber:
    """What was entered is being read."""

    case: Case


@dataclass(frozen=True, slots=True)
class AskingCaregiver:
    """The card of the child's caregiver is asked for."""

    case: Case
    words: Text | None = None


@dataclass(frozen=True, slots=True)
class ReadingCaregiver:
    """The caregiver's card is being read."""

    case: Case


@dataclass(frozen=True, slots=True)
class Registering:
    """The person is captured where they may be, and registered."""

    case: Case
    show: Show = STARTING


@dataclass(frozen=True, slots=True)
class WithoutRegistration:
    """Nobody can be registered now; the person is served all the same."""

    case: Case


@dataclass(frozen=True, slots=True)
class ColleagueHelps:
    """Somebody asked for a person, or the appliance is at fault: the way without finger and face."""

    case: Case
    own_fault: bool = False


State: TypeAlias = (
    WaitingForPerson
    | ShowingNotice
    | AnsweringQuestion
    | StoringAnswer
    | AskingAge
    | AskingNumber
    | ReadingNumber
    | AskingCaregiver
    | ReadingCaregiver
    | Registering
    | WithoutRegistration
    | ColleagueHelps
    | WritingDown
    | NotWrittenDown
    | Answered
    | ChoosingConcern
    | WritingComplaint
)
Step: TypeAlias = tuple[State, tuple[Effect, ...]]

FIRST = WaitingForPerson(Workflow.REGISTRATION)


def step(state: State, event: Event) -> Step:
    """Return the next state and what to do. An event that means nothing in a state leaves it as it is."""
    if isinstance(event, Acted) and not offered(screen(state), event.act):
        return state, ()
    match state:
        case WritingDown() | NotWrittenDown() | Answered() | ChoosingConcern() | WritingComplaint():
            return step_frame(state, event, Workflow.REGISTRATION)
        case WaitingForPerson():
            if chose(event, choices.REGISTER):
                return ShowingNotice(Case()), (Greet(),)
            if is_help(event):
                ending, effects = _person_takes_over(Case())
                return ending, (Greet(), *effects)
            return step_frame(state, event, Workflow.REGISTRATION)
        case ColleagueHelps(case):
            return _on_help(state, case, event)
        case WithoutRegistration(case):
            if chose(event, choices.AGAIN):
                return _register(case)
            return (
                _person_takes_over(case) if chose(event, choices.COLLEAGUE) or is_help(event) else (state, ())
            )
        case _:
            if is_help(event) or isinstance(event, Broken):
                stop = (StopCapture(),) if isinstance(state, Registering) else ()
                return ColleagueHelps(state.case, own_fault=isinstance(event, Broken)), stop
            return _go_on(state, event)


def _go_on(
    state: ShowingNotice
    | AnsweringQuestion
    | StoringAnswer
    | AskingAge
    | AskingNumber
    | ReadingNumber
    | AskingCaregiver
    | ReadingCaregiver
    | Registering,
    event: Event,
) -> Step:
    match state:
        case ShowingNotice() | AnsweringQuestion():
            return step_notice(state, event)
        case StoringAnswer():
            return _after_answer(answered(state)) if isinstance(event, AnswerStored) else (state, ())
        case AskingAge(case):
            if chose(event, choices.UNDER_FIVE):
                return AskingNumber(replace(case, under_five=True)), ()
            return (AskingNumber(case), ()) if chose(event, choices.FIVE_OR_OLDER) else (state, ())
        case AskingNumber(case):
            if isinstance(event, Acted):
                return ReadingNumber(case), (ReadNumber(event.value),)
            return state, ()
        case ReadingNumber(case):
            match event:
                case NumberRead(number):
                    numbered = replace(case, number=number)
                    return (AskingCaregiver(numbered), ()) if case.under_five else _register(numbered)
                case CardNotUsable(words):
                    return AskingNumber(case, words), ()
                case _:
                    return state, ()
        case AskingCaregiver(case):
            if chose(event, choices.NO_CAREGIVER):
                return _register(case)
            if isinstance(event, Acted):
                return ReadingCaregiver(case), (ReadNumber(event.value),)
            return state, ()
        case ReadingCaregiver(case):
            match event:
                case NumberRead(number) if number == case.number:
                    return AskingCaregiver(case, say("This is the number of the child itself.")), ()
                case NumberRead(number):
                    return _register(replace(case, caregiver=number))
                case CardNotUsable(words):
                    return AskingCaregiver(case, words), ()
                case _:
                    return state, ()
        case Registering():
            return _on_registering(state, event)
        case _:
            assert_never(state)


def _after_answer(case: Case) -> Step:
    """Go on with what is not known yet; an answer may be given late, after HELP."""
    if not case.number:
        return AskingAge(case), ()
    return _register(case)


def _register(case: Case) -> Step:
    consent = case.consent or Consent.DECLINED
    capture = consent is Consent.ACCEPTED and not case.under_five
    return Registering(case), (Register(case.number, consent, capture, case.caregiver),)


def _on_registering(state: Registering, event: Event) -> Step:
    case = state.case
    match event:
        case Guided(show) if show.signal in GUIDING:
            return Registering(case, show), ()
        case Registered(missing):
            lines = (not_taken(missing),) if missing and case.consent is Consent.ACCEPTED else ()
            return conclude(
                Ending(
                    Conclude(Answer.REGISTERED, case.number, declined=case.declined),
                    say("Registered. Thank you."),
                    lines=() if case.under_five else lines,
                )
            )
        case NumberTaken():
            return AskingNumber(case, say("This number is in use. Check it, or take another card.")), ()
        case RegistrationWaits():
            return WithoutRegistration(case), ()
        case CaptureStopped():
            return ColleagueHelps(case), ()
        case _:
            return state, ()


def _on_help(state: ColleagueHelps, case: Case, event: Event) -> Step:
    if isinstance(event, Registered):
        # It was done before anybody could stop it.
        return _on_registering(Registering(case), event)
    if chose(event, choices.WITHOUT):
        return store_answer(case, Consent.DECLINED)
    if chose(event, choices.AGAIN):
        return ShowingNotice(replace(case, consent=None)), ()
    if chose(event, choices.COLLEAGUE) or is_help(event):
        return _person_takes_over(case)
    return state, ()


def _person_takes_over(case: Case) -> Step:
    return conclude(
        Ending(
            Conclude(Answer.PERSON, case.number, declined=case.declined),
            say("A colleague takes over now."),
        )
    )


def screen(state: State) -> Screen:
    """Return what is shown in a state."""
    match state:
        case WritingDown() | NotWrittenDown() | Answered() | ChoosingConcern() | WritingComplaint():
            return frame_screen(state, _WAITING)
        case WaitingForPerson():
            return _WAITING
        case ShowingNotice() | AnsweringQuestion() | StoringAnswer():
            return notice_screen(NAME, state)
        case AskingAge():
            return Screen(
                f"{NAME}-age",
                Tone.CALM,
                "child",
                say("How old is the person?"),
                lines=(say("Nothing is taken of children under 5 years."),),
                choices=(choices.FIVE_OR_OLDER, choices.UNDER_FIVE),
            )
        case AskingNumber(_, words):
            return Screen(
                f"{NAME}-number",
                Tone.CALM if words is None else Tone.AGAIN,
                "card",
                say("Show the new card, or type its number."),
                lines=() if words is None else (words,),
                entry=Entry.NUMBER,
            )
        case AskingCaregiver(_, words):
            return Screen(
                f"{NAME}-caregiver",
                Tone.CALM if words is None else Tone.AGAIN,
                "caregiver",
                say("Show the card of the caregiver."),
                lines=() if words is None else (words,),
                choices=(choices.NO_CAREGIVER,),
                entry=Entry.CARD,
            )
        case ReadingNumber() | ReadingCaregiver():
            return busy_screen(f"{NAME}-reading")
        case Registering(_, show):
            shown = capture_screen(f"{NAME}-capture", show, ())
            return replace(shown, busy=not shown.preview)
        case WithoutRegistration():
            return Screen(
                f"{NAME}-waits",
                Tone.PERSON,
                "helper",
                say("Registration has to wait here. The person is served all the same."),
                lines=(say("The appliance needs a connection first. Register the person later."),),
                choices=(choices.COLLEAGUE, choices.AGAIN),
            )
        case ColleagueHelps(_, own_fault):
            return Screen(
                f"{NAME}-help",
                Tone.FAULT if own_fault else Tone.PERSON,
                "wrench" if own_fault else "helper",
                say("The appliance had a fault. A colleague helps you.")
                if own_fault
                else say("A colleague helps you."),
                choices=(choices.WITHOUT, choices.COLLEAGUE, choices.AGAIN),
                own_answer=True,
            )
        case _:
            assert_never(state)


_WAITING = Screen(
    f"{NAME}-ready",
    Tone.CALM,
    "ready",
    say("Ready for the next person"),
    choices=(choices.REGISTER, choices.COMPLAIN),
)
