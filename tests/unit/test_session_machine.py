"""The capture session: what staff and people are promised, state by state."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.records import Outcome
from firmware.session.diagram import page
from firmware.session.machine import (
    Capture,
    CheckNotPassed,
    Compared,
    Comparing,
    Concluded,
    Confirmed,
    Effect,
    Event,
    Goal,
    HelpPressed,
    NotConfirmed,
    PartUnavailable,
    Plan,
    Presentation,
    Progress,
    Ready,
    Record,
    SampleMissed,
    SampleTaken,
    Show,
    Started,
    State,
    WaitingForConfirmation,
    WaitingForSample,
    Weight,
    step,
)
from inference.types import FingerPosition, Modality
from sensors.board.signals import Signal
from sensors.frames import RetryReason

FACE = Presentation(Modality.FACE)
RIGHT = Presentation(Modality.FINGER, FingerPosition.RIGHT_INDEX)
LEFT = Presentation(Modality.FINGER, FingerPosition.LEFT_INDEX)
DRY = SampleMissed(RetryReason.TOO_DRY)


def play(
    goal: Goal, *events: Event, asked: tuple[Presentation, ...] = (FACE, RIGHT, LEFT)
) -> tuple[State, list[Effect]]:
    state: State = Ready(Progress(Plan(goal, asked)))
    effects: list[Effect] = []
    for event in (Started(), *events):
        state, new = step(state, event)
        effects += new
    return state, effects


def captures(effects: list[Effect]) -> list[Presentation]:
    return [effect.presentation for effect in effects if isinstance(effect, Capture)]


def test_a_sufficient_comparison_ends_a_verification_without_asking_for_more() -> None:
    state, effects = play(Goal.VERIFY, SampleTaken(), Compared(Weight.SUFFICIENT))
    assert state == Concluded(Outcome.MATCH, "", 1, False)
    assert captures(effects) == [FACE]


@pytest.mark.parametrize("weight", [Weight.SPEAKS_FOR, Weight.SPEAKS_AGAINST])
def test_a_face_that_is_not_sufficient_is_followed_by_the_next_presentation(weight: Weight) -> None:
    _, effects = play(Goal.VERIFY, SampleTaken(), Compared(weight))
    assert captures(effects) == [FACE, RIGHT]


def test_a_finger_that_fits_but_is_not_sufficient_is_not_asked_for_again() -> None:
    _, effects = play(Goal.VERIFY, SampleTaken(), Compared(Weight.SPEAKS_FOR), asked=(RIGHT, LEFT))
    assert captures(effects) == [RIGHT, LEFT]


def test_a_finger_that_did_not_match_may_be_presented_again() -> None:
    taken = (SampleTaken(), Compared(Weight.SPEAKS_AGAINST))
    _, effects = play(Goal.VERIFY, *taken, *taken, *taken, asked=(RIGHT, LEFT))
    assert captures(effects) == [RIGHT, RIGHT, RIGHT, LEFT]


def test_a_missed_finger_has_three_tries_and_the_tries_left_are_shown() -> None:
    _, effects = play(Goal.VERIFY, DRY, DRY, DRY, asked=(RIGHT, LEFT))
    assert captures(effects) == [RIGHT, RIGHT, RIGHT, LEFT]
    assert [e.tries_left for e in effects if isinstance(e, Show) and e.signal is Signal.TRY_AGAIN] == [2, 1]


def test_a_person_without_a_usable_sample_is_led_to_a_person_with_the_reason() -> None:
    state, effects = play(Goal.VERIFY, *[DRY] * 3, asked=(RIGHT,))
    assert state == Concluded(Outcome.RETRY, "too dry", 3, False)
    assert effects[-1] == Show(Signal.GO_TO_A_PERSON)


def test_who_cannot_follow_the_active_check_goes_on_with_the_finger_at_once() -> None:
    not_passed = CheckNotPassed("face check not finished in time")
    _, effects = play(Goal.REGISTER, not_passed, asked=(FACE, FACE, RIGHT))
    assert captures(effects) == [FACE, RIGHT]
    assert Show(Signal.TRY_AGAIN) not in effects
    state, effects = play(Goal.VERIFY, not_passed, asked=(FACE,))
    assert state == Concluded(Outcome.RETRY, "face check not finished in time", 1, False)
    assert effects[-1] == Show(Signal.GO_TO_A_PERSON)


def test_a_missing_device_is_skipped_and_the_rest_is_served() -> None:
    state, effects = play(Goal.VERIFY, PartUnavailable(Modality.FACE))
    assert isinstance(state, WaitingForSample)
    assert captures(effects)[-1] == RIGHT
    assert Show(Signal.DEVICE_FAULT) in effects


def test_without_any_device_the_person_is_led_to_a_person() -> None:
    state, _ = play(Goal.VERIFY, PartUnavailable(Modality.FACE), PartUnavailable(Modality.FINGER))
    assert state == Concluded(Outcome.UNAVAILABLE, "no device available", 0, False)


def test_a_hit_among_few_waits_for_a_person_before_anything_is_done() -> None:
    state, effects = play(Goal.IDENTIFY, SampleTaken(), Compared(Weight.SUFFICIENT))
    assert isinstance(state, WaitingForConfirmation)
    assert not any(isinstance(effect, Record) for effect in effects)


@pytest.mark.parametrize(
    ("answer", "confirmed", "signal"),
    [(Confirmed(), True, Signal.DONE), (NotConfirmed(), False, Signal.GO_TO_A_PERSON)],
)
def test_only_a_confirmed_suggestion_is_done(answer: Event, confirmed: bool, signal: Signal) -> None:
    state, effects = play(Goal.IDENTIFY, SampleTaken(), Compared(Weight.SUFFICIENT), answer)
    assert isinstance(state, Concluded)
    assert (state.outcome, state.confirmed) == (Outcome.SUGGESTION, confirmed)
    assert effects[-1] == Show(signal)


def test_registration_takes_what_it_can_get_and_notes_the_rest_as_missing() -> None:
    state, effects = play(Goal.REGISTER, SampleTaken(), DRY, DRY, DRY, SampleTaken())
    assert state == Concluded(None, "", 5, False)
    assert captures(effects) == [FACE, RIGHT, RIGHT, RIGHT, LEFT]


def test_registration_asks_for_an_absent_finger_in_three_tries_whatever_the_number_of_impressions() -> None:
    twice = (RIGHT, RIGHT, LEFT, LEFT)
    _, effects = play(Goal.REGISTER, DRY, DRY, DRY, SampleTaken(), SampleTaken(), asked=twice)
    assert captures(effects) == [RIGHT, RIGHT, RIGHT, LEFT, LEFT]


EVENTS = st.sampled_from(
    [Started(), SampleTaken(), DRY, CheckNotPassed("face out of view"),
     PartUnavailable(Modality.FACE), PartUnavailable(Modality.FINGER),
     *map(Compared, Weight), Confirmed(), NotConfirmed()]
)  # fmt: skip


@given(st.sampled_from(Goal), st.lists(EVENTS, max_size=30))
def test_from_every_state_help_leads_to_a_person(goal: Goal, events: list[Event]) -> None:
    state, _ = play(goal, *events)
    after, effects = step(state, HelpPressed())
    assert isinstance(after, Concluded)
    if not isinstance(state, Concluded):
        assert effects == (Record(), Show(Signal.GO_TO_A_PERSON))


@given(st.sampled_from(Goal), st.lists(EVENTS, max_size=60))
def test_every_session_ends_once_and_shows_done_only_after_the_record(
    goal: Goal, events: list[Event]
) -> None:
    state, effects = play(goal, *events)
    records = [i for i, effect in enumerate(effects) if isinstance(effect, Record)]
    done = [i for i, effect in enumerate(effects) if effect == Show(Signal.DONE)]
    assert len(records) == int(isinstance(state, Concluded))
    assert all(records and records[0] < i for i in done)


@given(st.lists(EVENTS, max_size=60))
def test_no_match_is_said_only_after_a_comparison(events: list[Event]) -> None:
    state, effects = play(Goal.VERIFY, *events)
    if isinstance(state, Concluded) and state.outcome is Outcome.NO_MATCH:
        assert any(effect == Show(Signal.WORKING) for effect in effects)
    assert not isinstance(state, Comparing) or state.progress.samples > 0


def test_the_diagram_in_the_documentation_is_that_of_the_machine() -> None:
    committed = Path(__file__).parents[2] / "docs" / "session.md"
    assert committed.read_text() == page(), "run: python -m firmware.session.diagram > docs/session.md"
