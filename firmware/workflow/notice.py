"""The notice and its answer, which is stored before anything is captured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from firmware.workflow import choices
from firmware.workflow.effects import Effect, StoreAnswer, StoreQuestion
from firmware.workflow.events import Event
from firmware.workflow.frame import busy_screen, chose
from firmware.workflow.outcomes import CaregiverLink
from firmware.workflow.screen import Screen, Tone, say
from trust.consent import Consent

NOTICE_VERSION = "1"
"""Of the notice that is shown (`firmware.notices`); stored with each answer as `Notice.stated`."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of the person who is here.

    number: claimed, "" for none. consent: the stored answer. under_five, caregiver: as staff say at
    registration. link: for a registered child under five, who answers for it; the notice and the capture are
    then the caregiver's.
    """

    number: str = ""
    consent: Consent | None = None
    under_five: bool = False
    caregiver: str = ""
    link: CaregiverLink | None = None

    @property
    def declined(self) -> bool:
        """Whether the person does not want biometrics."""
        return self.consent is Consent.DECLINED


@dataclass(frozen=True, slots=True)
class ShowingNotice:
    """The notice is shown and played in the person's language."""

    case: Case


@dataclass(frozen=True, slots=True)
class AnsweringQuestion:
    """A member of staff answers what the person asks."""

    case: Case


@dataclass(frozen=True, slots=True)
class StoringAnswer:
    """The answer is being stored; nothing is captured before."""

    case: Case
    consent: Consent


Asking: TypeAlias = ShowingNotice | AnsweringQuestion
AskingStep: TypeAlias = tuple[ShowingNotice | AnsweringQuestion | StoringAnswer, tuple[Effect, ...]]


def store_answer(case: Case, consent: Consent) -> tuple[StoringAnswer, tuple[Effect, ...]]:
    """Store the answer."""
    return StoringAnswer(case, consent), (StoreAnswer(consent),)


def answered(state: StoringAnswer) -> Case:
    """Return the case with the answer that is now on the disk."""
    return replace(state.case, consent=state.consent)


def step_notice(state: Asking, event: Event) -> AskingStep:
    """Return the next state and what to do while the answer is not known."""
    if chose(event, choices.ACCEPT):
        return store_answer(state.case, Consent.ACCEPTED)
    if chose(event, choices.DECLINE):
        return store_answer(state.case, Consent.DECLINED)
    if chose(event, choices.QUESTION):
        return AnsweringQuestion(state.case), (StoreQuestion(),)
    if chose(event, choices.BACK):
        return ShowingNotice(state.case), ()
    return state, ()


def notice_screen(name: str, state: Asking | StoringAnswer) -> Screen:
    """Return the screen; name: of the workflow."""
    match state:
        case ShowingNotice():
            return Screen(
                f"{name}-notice",
                Tone.CALM,
                "notice",
                say("May we take your face and fingers?"),
                choices=(choices.ACCEPT, choices.DECLINE, choices.QUESTION),
                notice=NOTICE_VERSION,
                own_answer=True,
            )
        case AnsweringQuestion():
            return Screen(
                f"{name}-question",
                Tone.PERSON,
                "question",
                say("A colleague answers your question."),
                lines=(say("Then choose. You get the same service whatever you choose."),),
                choices=(choices.BACK, choices.ACCEPT, choices.DECLINE),
                own_answer=True,
            )
        case StoringAnswer():
            return busy_screen(f"{name}-storing-answer")
