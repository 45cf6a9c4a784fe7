"""What the workflows share: waiting for the next person, the end with its record, and a complaint.

No session ends but through `WritingDown`, whose record says what the person left with; nothing looks done
before it is on the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias, assert_never

from firmware.workflow import choices
from firmware.workflow.effects import Begin, Conclude, Effect, GoOnPaper, StoreComplaint
from firmware.workflow.events import Broken, ComplaintStored, Ended, Event, TimeOver
from firmware.workflow.screen import Acted, Choice, Ration, Screen, Text, Tone, say
from trust.service import Answer, Basis, Workflow

REST_S = 20.0
"""How long an answer stays on the screen; staff go on earlier with OK."""
CONCERN_S = 60.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How the session ends and what the last screen says; may_register: it offers registration."""

    conclude: Conclude
    title: Text
    lines: tuple[Text, ...] = ()
    rations: tuple[Ration, ...] = ()
    may_register: bool = False


# --- states -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WaitingForPerson:
    """Nobody is served."""

    workflow: Workflow


@dataclass(frozen=True, slots=True)
class WritingDown:
    """The answer is known and is being written down."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class NotWrittenDown:
    """The answer is known and could not be written down; nothing counts as done."""

    ending: Ending


@dataclass(frozen=True, slots=True)
class Answered:
    """The person has the answer, and it is written down. called: somebody pressed HELP since."""

    ending: Ending
    token: str = ""
    complained: bool = False
    called: bool = False


@dataclass(frozen=True, slots=True)
class ChoosingConcern:
    """Somebody complains; what about is asked, and nothing else."""

    after: WaitingForPerson | Answered


@dataclass(frozen=True, slots=True)
class WritingComplaint:
    """A complaint is being written down."""

    after: WaitingForPerson | Answered


Frame: TypeAlias = (
    WaitingForPerson | WritingDown | NotWrittenDown | Answered | ChoosingConcern | WritingComplaint
)
FrameStep: TypeAlias = tuple[Frame, tuple[Effect, ...]]


def conclude(ending: Ending) -> FrameStep:
    """Write the answer down."""
    return WritingDown(ending), (ending.conclude,)


def step_frame(state: Frame, event: Event, workflow: Workflow) -> FrameStep:
    """Return the next state and what to do, for a state that all workflows have."""
    match state:
        case WaitingForPerson():
            return (ChoosingConcern(state), ()) if chose(event, choices.COMPLAIN) else (state, ())
        case WritingDown(ending):
            match event:
                case Ended(concluded):
                    return Answered(ending, concluded.token), ()
                case Broken():
                    return NotWrittenDown(ending), ()
                case _:
                    return state, ()
        case NotWrittenDown(ending):
            if chose(event, choices.AGAIN):
                return conclude(ending)
            if chose(event, choices.ON_PAPER) or is_help(event):
                return WaitingForPerson(workflow), (GoOnPaper(_on_paper(ending.conclude)),)
            return state, ()
        case Answered():
            return _on_answered(state, event, workflow)
        case ChoosingConcern(after):
            return _on_concern(state, after, event)
        case WritingComplaint(after):
            if isinstance(event, ComplaintStored):
                return (replace(after, complained=True) if isinstance(after, Answered) else after), ()
            return (after, ()) if isinstance(event, Broken) or is_help(event) else (state, ())
        case _:
            assert_never(state)


def _on_paper(conclude: Conclude) -> Conclude:
    """Return what is written down later; an exception stays one, because it counts in the loss cap."""
    rests = conclude.basis is not None and conclude.basis is not Basis.EXCEPTION
    return replace(conclude, basis=Basis.PAPER) if rests else conclude


def _on_answered(state: Answered, event: Event, workflow: Workflow) -> FrameStep:
    if is_help(event):
        return replace(state, called=True), ()
    if chose(event, choices.COMPLAIN):
        return ChoosingConcern(state), ()
    if chose(event, choices.REGISTER):
        return WaitingForPerson(workflow), (Begin(Workflow.REGISTRATION),)
    if chose(event, choices.NEXT) or isinstance(event, TimeOver):
        return WaitingForPerson(workflow), ()
    return state, ()


def _on_concern(state: ChoosingConcern, after: WaitingForPerson | Answered, event: Event) -> FrameStep:
    for concern, choice in choices.CONCERNS.items():
        if chose(event, choice):
            return WritingComplaint(after), (StoreComplaint(concern),)
    if chose(event, choices.BACK) or isinstance(event, TimeOver) or is_help(event):
        return after, ()
    return state, ()


# --- screens ------------------------------------------------------------------------------------------

_LOOKS: Mapping[Answer, tuple[Tone, str]] = MappingProxyType(
    {
        Answer.REGISTERED: (Tone.GOOD, "tick"),
        Answer.VISIT: (Tone.GOOD, "token"),
        Answer.GIVEN: (Tone.GOOD, "tick"),
        Answer.NOT_GIVEN: (Tone.CALM, "clock"),
        Answer.ALREADY_COLLECTED: (Tone.PERSON, "desk"),
        Answer.DESK: (Tone.PERSON, "desk"),
        Answer.PERSON: (Tone.PERSON, "helper"),
    }
)


def frame_screen(state: Frame, waiting: Screen) -> Screen:
    """Return the screen of a state that all workflows have; waiting: that of the workflow at rest."""
    match state:
        case WaitingForPerson():
            return waiting
        case WritingDown():
            return busy_screen("writing-down")
        case NotWrittenDown():
            return Screen(
                "not-written-down",
                Tone.FAULT,
                "wrench",
                say("The appliance could not write this down. The person is served all the same."),
                lines=(say("Try again. If that does not help, go on, on paper."),),
                choices=(choices.AGAIN, choices.ON_PAPER),
            )
        case Answered():
            return _answered_screen(state)
        case ChoosingConcern():
            return Screen(
                "choosing-concern",
                Tone.CALM,
                "report",
                say("What is the complaint about?"),
                lines=(say("No name is written down with it."),),
                choices=(*choices.CONCERNS.values(), choices.BACK),
                own_answer=True,
                ends_in_s=CONCERN_S,
            )
        case WritingComplaint():
            return busy_screen("writing-complaint")
        case _:
            assert_never(state)


def _answered_screen(state: Answered) -> Screen:
    ending = state.ending
    answer = ending.conclude.answer
    tone, pictogram = (Tone.PERSON, "helper") if state.called else _LOOKS[answer]
    title = say("Your number: {token}", token=state.token) if answer is Answer.VISIT else ending.title
    lines = ending.lines
    if state.called:
        lines = (*lines, say("A colleague comes to you."))
    if state.complained:
        lines = (*lines, say("The complaint is written down."))
    offered: list[Choice] = [choices.NEXT]
    if ending.may_register:
        offered.append(choices.REGISTER)
    if not state.complained:
        offered.append(choices.COMPLAIN)
    return Screen(
        "answer-" + answer.name.lower().replace("_", "-"),
        tone,
        pictogram,
        title,
        lines=lines,
        choices=tuple(offered),
        rations=ending.rations,
        ends_in_s=REST_S,
        public=state.token if answer is Answer.VISIT else "",
    )


def busy_screen(name: str) -> Screen:
    """Return the screen while the appliance works; nothing can be chosen but HELP."""
    return Screen(name, Tone.WORKING, "hourglass", say("One moment, please."), busy=True)


# --- acts ---------------------------------------------------------------------------------------------


def is_help(event: Event) -> bool:
    """Tell whether somebody asked for a person."""
    return isinstance(event, Acted) and event.act == choices.HELP


def offered(screen: Screen, act: str) -> bool:
    """Tell whether the screen offers `act`; what was meant for another one means nothing."""
    return act == choices.HELP or act in acts(screen)


def acts(screen: Screen) -> tuple[str, ...]:
    """Return what can be sent from the screen besides HELP: choices, candidates, what is entered."""
    entry = (screen.entry.value,) if screen.entry is not None else ()
    return (*pickable(screen), *entry)


def pickable(screen: Screen) -> tuple[str, ...]:
    """Return what OK and AGAIN go through, in order.

    The choices come first, so that OK alone never confirms a candidate.
    """
    return (*(choice.act for choice in screen.choices), *(shown.act for shown in screen.candidates))


def first_highlighted(screen: Screen) -> int | None:
    """Return which of `pickable` OK takes before AGAIN was pressed, None for none."""
    return None if screen.own_answer or not pickable(screen) else 0


def chose(event: Event, choice: Choice) -> bool:
    """Tell whether this was chosen."""
    return isinstance(event, Acted) and event.act == choice.act
