"""The capture session as a pure state machine: `step(state, event) -> (state, effects)`.

One session is one person's check-in or registration. It does no I/O and reads no clock; the runner performs
its effects. Rules it keeps, from the workflows: at most `Plan.tries` presentations of one face or finger,
then the next in the plan, then a person; HELP leads to a person from every state; a 1:few hit is only ever a
suggestion until a person confirms it; nothing is shown as done before it is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import TypeAlias, assert_never

from firmware.records import Outcome
from inference.types import FingerPosition, Modality
from sensors.board.signals import Signal
from sensors.frames import RetryReason
from trust.service import ASKED_FOR_HELP


@unique
class Goal(Enum):
    """What the session is for."""

    VERIFY = "verify"
    IDENTIFY = "identify"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Presentation:
    """One thing that the person is asked to present; a face has no finger position."""

    modality: Modality
    position: FingerPosition = FingerPosition.UNKNOWN


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for, in order, and how many tries each presentation has."""

    goal: Goal
    presentations: tuple[Presentation, ...]
    tries: int = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session is. `index` points into the plan; `tries_here` counts misses of that presentation."""

    plan: Plan
    index: int = 0
    tries_here: int = 0
    tries_total: int = 0
    samples: int = 0
    last_reason: str = ""


# --- states: named by what is known -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """Nothing was asked yet."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class WaitingForSample:
    """The person was asked to present a face or a finger."""

    progress: Progress

    @property
    def presentation(self) -> Presentation:
        """What was asked for."""
        return self.progress.plan.presentations[self.progress.index]


@dataclass(frozen=True, slots=True)
class Comparing:
    """A usable sample is being compared."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class WaitingForConfirmation:
    """Staff were shown at most three candidates and look at the person."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Concluded:
    """The session is over. `outcome` is None when a person was registered."""

    outcome: Outcome | None
    reason: str
    tries: int
    confirmed: bool


State: TypeAlias = Ready | WaitingForSample | Comparing | WaitingForConfirmation | Concluded


# --- events -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The session begins."""


@dataclass(frozen=True, slots=True)
class SampleTaken:
    """A sample good enough to compare was taken."""


@dataclass(frozen=True, slots=True)
class SampleMissed:
    """A presentation gave no usable sample."""

    reason: RetryReason


@dataclass(frozen=True, slots=True)
class CheckNotPassed:
    """The active check of a face did not come to its end; reason: in words that accuse nobody."""

    reason: str


@dataclass(frozen=True, slots=True)
class PartUnavailable:
    """The device for this modality is not available."""

    modality: Modality


@unique
class Weight(Enum):
    """The policy's word on all evidence so far."""

    SUFFICIENT = "sufficient"
    SPEAKS_FOR = "speaks for it, not sufficient"
    SPEAKS_AGAINST = "speaks against it"


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison is done."""

    weight: Weight


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Staff confirmed a suggestion by sight."""


@dataclass(frozen=True, slots=True)
class NotConfirmed:
    """Staff said that no suggestion is this person."""


@dataclass(frozen=True, slots=True)
class HelpPressed:
    """Somebody asked for a person."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The appliance itself failed in a way that no device explains."""


Event: TypeAlias = (
    Started
    | SampleTaken
    | SampleMissed
    | CheckNotPassed
    | PartUnavailable
    | Compared
    | Confirmed
    | NotConfirmed
    | HelpPressed
    | Failed
)


# --- effects ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Show:
    """Show a signal: what to present, and where another try is asked for, why and how many are left.

    wait_s: seconds until a claim that failed too often may be tried again.
    """

    signal: Signal
    presentation: Presentation | None = None
    reason: RetryReason | None = None
    tries_left: int | None = None
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Capture and assess one presentation."""

    presentation: Presentation


@dataclass(frozen=True, slots=True)
class Compare:
    """Compare what was taken so far."""


@dataclass(frozen=True, slots=True)
class Suggest:
    """Show the candidates to staff, and nothing to bystanders."""


@dataclass(frozen=True, slots=True)
class Record:
    """Write the conclusion down; what follows in the same list waits for the commit."""


Effect: TypeAlias = Show | Capture | Compare | Suggest | Record
Step: TypeAlias = tuple[State, tuple[Effect, ...]]

OWN_FAULT = "fault of the appliance"
NO_DEVICE = "no device available"
NOT_SUFFICIENT = "not sure enough"


def step(state: State, event: Event) -> Step:
    """Return the next state and what to do. An event that means nothing in a state leaves it as it is."""
    if isinstance(state, Concluded):
        return state, ()
    if isinstance(event, HelpPressed):
        return _conclude(state.progress, Outcome.UNAVAILABLE, ASKED_FOR_HELP)
    if isinstance(event, Failed):
        return _conclude(state.progress, Outcome.UNAVAILABLE, OWN_FAULT)
    match state:
        case Ready(progress):
            return _ask(progress) if isinstance(event, Started) else (state, ())
        case WaitingForSample(progress):
            return _on_sample(state, progress, event)
        case Comparing(progress):
            return _on_compared(state, progress, event)
        case WaitingForConfirmation(progress):
            return _on_confirmation(state, progress, event)
        case _:
            assert_never(state)


def _on_sample(state: WaitingForSample, progress: Progress, event: Event) -> Step:
    match event:
        case SampleTaken():
            taken = replace(progress, samples=progress.samples + 1, tries_total=progress.tries_total + 1)
            if taken.plan.goal is Goal.REGISTER:
                return _ask(_next(taken))
            return Comparing(taken), (Show(Signal.WORKING), Compare())
        case SampleMissed(reason):
            missed = replace(
                progress,
                tries_here=progress.tries_here + 1,
                tries_total=progress.tries_total + 1,
                last_reason=reason.value,
            )
            left = missed.plan.tries - missed.tries_here
            if left <= 0:
                return _ask(_next_instance(missed))
            again = WaitingForSample(missed)
            return again, (
                Show(Signal.TRY_AGAIN, again.presentation, reason, left),
                Capture(again.presentation),
            )
        case PartUnavailable(modality) if modality is state.presentation.modality:
            skipped = _next_modality(progress)
            following, effects = _ask(replace(skipped, last_reason=skipped.last_reason or NO_DEVICE))
            return following, (Show(Signal.DEVICE_FAULT), *effects)
        case CheckNotPassed(reason):
            # Whoever cannot turn or come closer is not asked again: the finger, or a person, at once.
            missed = replace(progress, tries_total=progress.tries_total + 1, last_reason=reason)
            return _ask(_next_modality(missed))
        case _:
            return state, ()


def _on_compared(state: Comparing, progress: Progress, event: Event) -> Step:
    if not isinstance(event, Compared):
        return state, ()
    if event.weight is Weight.SPEAKS_FOR:
        # What was shown fits; only another instance can make it enough.
        return _ask(_next(replace(progress, last_reason=NOT_SUFFICIENT)))
    if event.weight is Weight.SPEAKS_AGAINST:
        return _try_once_more(progress)
    if progress.plan.goal is Goal.IDENTIFY:
        return WaitingForConfirmation(progress), (Suggest(),)
    return _conclude(progress, Outcome.MATCH, "")


def _try_once_more(progress: Progress) -> Step:
    """After a comparison that spoke against it: the same finger again, but for a face the next in the plan.

    A second look at one face says little more than the first; a finger may have been another one, or half on
    the platen.
    """
    tried = replace(progress, tries_here=progress.tries_here + 1, last_reason=NOT_SUFFICIENT)
    again = WaitingForSample(tried)
    left = tried.plan.tries - tried.tries_here
    if again.presentation.modality is Modality.FACE or left <= 0:
        return _ask(_next(tried))
    return again, (
        Show(Signal.TRY_AGAIN, again.presentation, RetryReason.SAME_FINGER, left),
        Capture(again.presentation),
    )


def _on_confirmation(state: WaitingForConfirmation, progress: Progress, event: Event) -> Step:
    match event:
        case Confirmed():
            return _conclude(progress, Outcome.SUGGESTION, "", confirmed=True)
        case NotConfirmed():
            return _conclude(progress, Outcome.SUGGESTION, "not confirmed by staff")
        case _:
            return state, ()


def _ask(progress: Progress) -> Step:
    """Ask for the presentation that `progress` points at, or conclude when the plan is exhausted."""
    if _has_more(progress):
        waiting = WaitingForSample(progress)
        is_face = waiting.presentation.modality is Modality.FACE
        signal = Signal.LOOK_HERE if is_face else Signal.PLACE_FINGER
        return waiting, (Show(signal, waiting.presentation), Capture(waiting.presentation))
    if progress.plan.goal is Goal.REGISTER:
        return _conclude(progress, None, "" if progress.samples else progress.last_reason)
    if progress.samples:
        return _conclude(progress, Outcome.NO_MATCH, progress.last_reason)
    nothing_worked = progress.tries_total == 0
    return _conclude(
        progress, Outcome.UNAVAILABLE if nothing_worked else Outcome.RETRY, progress.last_reason or NO_DEVICE
    )


def _conclude(
    progress: Progress, outcome: Outcome | None, reason: str, *, confirmed: bool = False
) -> tuple[Concluded, tuple[Effect, ...]]:
    done = outcome in (None, Outcome.MATCH) or confirmed
    final = Concluded(outcome, reason, progress.tries_total, confirmed)
    return final, (Record(), Show(Signal.DONE if done else Signal.GO_TO_A_PERSON))


def _next(progress: Progress) -> Progress:
    return replace(progress, index=progress.index + 1, tries_here=0)


def _next_instance(progress: Progress) -> Progress:
    """Go to the next finger, or from face to finger: what could not be taken is not asked for once more."""
    given_up = progress.plan.presentations[progress.index]
    following = _next(progress)
    while _has_more(following) and following.plan.presentations[following.index] == given_up:
        following = _next(following)
    return following


def _next_modality(progress: Progress) -> Progress:
    modality = progress.plan.presentations[progress.index].modality
    while _has_more(progress) and progress.plan.presentations[progress.index].modality is modality:
        progress = _next(progress)
    return progress


def _has_more(progress: Progress) -> bool:
    return progress.index < len(progress.plan.presentations)
