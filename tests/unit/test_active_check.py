"""The active check, order by order, with made-up poses and times."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.session.active_check import (
    LONGEST_PAUSE_S,
    SHORTEST_PAUSE_S,
    Ask,
    CheckOutcome,
    Event,
    Facing,
    NotPassed,
    Order,
    Passed,
    Seen,
    State,
    Task,
    Track,
    Unseen,
    draw_tasks,
    step,
)
from inference.face.pose import HeadPose
from tests.kit.uplink_rig import seeded

FRONT = HeadPose(0.0, 60.0, (320.0, 240.0))
LEFT, RIGHT = replace(FRONT, yaw_deg=25.0), replace(FRONT, yaw_deg=-25.0)
CLOSE = replace(FRONT, eye_distance_px=76.0)
TURN_THEN_COME = (Task(Order.TURN_LEFT, 0.5), Task(Order.COME_CLOSER, 0.5))


def play(*events: Event, tasks: tuple[Task, ...] = TURN_THEN_COME) -> tuple[State, list[Order | None]]:
    state: State = Facing(Track(tasks, timeout_s=5.0))
    asked: list[Order | None] = []
    for event in events:
        state, effects = step(state, event)
        asked += [ask.order for ask in effects]
    return state, asked


def faces(*seen: tuple[HeadPose, float]) -> list[Event]:
    return [Seen(pose, at_s) for pose, at_s in seen]


FOLLOWED = faces(
    (FRONT, 0), (FRONT, 0.6), (LEFT, 1.2), (FRONT, 1.8), (FRONT, 2.4), (CLOSE, 3.0), (FRONT, 3.6)
)


def test_who_follows_each_order_passes_when_facing_the_camera_again() -> None:
    state, asked = play(*FOLLOWED)
    assert isinstance(state, Passed)
    assert asked == [Order.TURN_LEFT, None, Order.COME_CLOSER, None]
    assert not isinstance(play(*FOLLOWED[:-1])[0], Passed)


def test_nothing_is_asked_before_the_person_has_faced_the_camera_for_the_drawn_pause() -> None:
    assert play(*faces((LEFT, 0), (FRONT, 0.4), (FRONT, 0.8)))[1] == []
    assert play(*faces((LEFT, 0), (FRONT, 0.4), (FRONT, 0.9)))[1] == [Order.TURN_LEFT]


@pytest.mark.parametrize(
    ("order", "pose"), [(Order.TURN_LEFT, RIGHT), (Order.TURN_RIGHT, LEFT), (Order.COME_CLOSER, FRONT)]
)
def test_another_movement_than_the_one_asked_for_does_not_pass(order: Order, pose: HeadPose) -> None:
    state, _ = play(*faces((FRONT, 0), (FRONT, 0.6), (pose, 1.2), (pose, 6.0)), tasks=(Task(order, 0.5),))
    expected = CheckOutcome.TIMED_OUT if order is Order.COME_CLOSER else CheckOutcome.NOT_FOLLOWED
    assert state == NotPassed(expected)


def test_a_movement_that_began_before_it_was_asked_for_does_not_pass() -> None:
    state, _ = play(*faces((FRONT, 0), (FRONT, 0.6), (LEFT, 0.7)))
    assert state == NotPassed(CheckOutcome.NOT_FOLLOWED)


@pytest.mark.parametrize("events", [
    [Unseen(0.0), Unseen(3.0), Unseen(6.0)],
    faces((LEFT, 0.0), (LEFT, 3.0), (LEFT, 6.0)),
    faces((FRONT, 0), (FRONT, 0.6), (FRONT, 3.0), (FRONT, 5.7)),
])  # fmt: skip
def test_each_part_has_its_time(events: list[Event]) -> None:
    assert play(*events)[0] == NotPassed(CheckOutcome.TIMED_OUT)


def test_the_same_face_must_stay_in_view_until_the_sample_is_taken() -> None:
    elsewhere = Seen(replace(FRONT, centre=(500.0, 240.0)), 3.9)
    smaller = Seen(replace(FRONT, eye_distance_px=40.0), 3.9)
    for event in (elsewhere, smaller, Unseen(4.5)):
        assert play(*FOLLOWED, event)[0] == NotPassed(CheckOutcome.INTERRUPTED)
    assert isinstance(play(*FOLLOWED, Unseen(4.0), Seen(FRONT, 4.1))[0], Passed)


def test_orders_and_pauses_are_drawn_anew_and_always_hold_a_turn() -> None:
    drawn = [draw_tasks(seeded(seed)) for seed in range(200)]
    assert {tuple(task.order for task in tasks) for tasks in drawn} == {
        (first, second) for first in Order for second in Order if first is not second
    }
    assert all(SHORTEST_PAUSE_S <= task.pause_s <= LONGEST_PAUSE_S for tasks in drawn for task in tasks)
    assert len({task.pause_s for tasks in drawn for task in tasks}) == 400
    assert draw_tasks(seeded(3)) == draw_tasks(seeded(3))


EVENTS = st.lists(
    st.tuples(st.sampled_from([FRONT, LEFT, RIGHT, CLOSE, None]), st.floats(0.02, 2.0)), max_size=40
)


@given(EVENTS)
def test_it_always_ends_and_passes_only_after_every_order_was_given(
    course: list[tuple[HeadPose | None, float]],
) -> None:
    state: State = Facing(Track(TURN_THEN_COME, timeout_s=5.0))
    asked: list[Ask] = []
    at_s = 0.0
    for pose, later_s in course:
        at_s += later_s
        state, effects = step(state, Seen(pose, at_s) if pose is not None else Unseen(at_s))
        asked += effects
    if isinstance(state, Passed):
        assert [ask.order for ask in asked if ask.order] == [Order.TURN_LEFT, Order.COME_CLOSER]
    for _ in range(20):
        at_s += 1.0
        state, _ = step(state, Unseen(at_s))
    assert isinstance(state, NotPassed)


def test_no_outcome_accuses_anybody() -> None:
    for outcome in CheckOutcome:
        assert not set(outcome.value.split()) & {"fraud", "fake", "spoof", "attack", "rejected", "suspect"}
