"""The active check: the person is asked to turn and to come closer, and the landmarks tell whether they do.

`step(state, event) -> (state, effects)`: no I/O and no clock; what was seen comes with its time, and the
orders with their pauses are drawn beforehand from a random source that is handed in.

A picture that is turned keeps its nose in its plane, so its yaw hardly changes; a film of a person follows
by chance in one of six orders. It was not measured on attacks: docs/presentation-attacks.md. Whoever does not
come to its end, whatever the reason, goes on at once with the finger or to a person.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import TypeAlias, assert_never

from inference.face.pose import HeadPose

TURN_DEG = 20.0
"""Change of yaw that counts as a turn: 2 of 402 simulated sheets turned by 25 or 45 degrees show it."""
FRONTAL_DEG = 15.0
"""Yaw up to which a person faces the camera: 70 % of press photographs (LFW), for which nobody had to. Views
of one face scatter by 2 to 4 degrees, and no face is quite symmetric."""
CLOSER = 1.25
"""Growth of the face in the frame that counts as coming closer: from 60 to 48 cm, by leaning forward."""
REACTION_S = 0.2
"""Nobody follows an order sooner: to choose by a sign takes 0.3 s and more, and then the head has to move."""
LOST_S = 0.7
"""How long a face may be out of sight: some frames of motion blur, not the time to put another one there."""
MOST_JUMP = 1.5
"""Eye distances (9 cm) that a face may move between two frames, and
`MOST_GROWTH` the factor by which it may grow or shrink: beyond, it is not followed but another one."""
MOST_GROWTH = 1.4
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.3, 1.2
"""How long the person faces the camera before each order; drawn, so that no film is in step."""
ORDERS = 2


@unique
class Order(Enum):
    """What the person is asked to do; left and right are the person's own."""

    TURN_LEFT = "turn left"
    TURN_RIGHT = "turn right"
    COME_CLOSER = "come closer"


@unique
class CheckOutcome(Enum):
    """Why a check did not come to its end, in words that accuse nobody."""

    TIMED_OUT = "face check not finished in time"
    NOT_FOLLOWED = "face check went another way"
    INTERRUPTED = "face out of view during the check"


@dataclass(frozen=True, slots=True)
class Task:
    """One order, and how long the person faces the camera before it."""

    order: Order
    pause_s: float


def draw_tasks(source: random.Random) -> tuple[Task, ...]:
    """Draw which orders are given in which order, and when; at least one is a turn."""
    return tuple(
        Task(order, source.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S))
        for order in source.sample(list(Order), ORDERS)
    )


@dataclass(frozen=True, slots=True)
class Track:
    """What is left to ask, how long each part may take, and where the face was last."""

    tasks: tuple[Task, ...]
    timeout_s: float
    last: HeadPose | None = None
    last_at_s: float = 0.0


# --- states: named by what is known -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facing:
    """The person is to face the camera. begun_s, since_s: since when asked, and since when they do."""

    track: Track
    begun_s: float | None = None
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """An order was given when the head was held as in `start`."""

    track: Track
    order: Order
    asked_s: float
    start: HeadPose


@dataclass(frozen=True, slots=True)
class Passed:
    """All orders were followed and the person faces the camera; the same face must stay until the sample."""

    track: Track


@dataclass(frozen=True, slots=True)
class NotPassed:
    """The check is over without a sample."""

    outcome: CheckOutcome


State: TypeAlias = Facing | Following | Passed | NotPassed


# --- events and effects -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame showed a face; at_s: monotonic time in seconds."""

    pose: HeadPose
    at_s: float


@dataclass(frozen=True, slots=True)
class Unseen:
    """A frame showed nobody, or several people alike."""

    at_s: float


Event: TypeAlias = Seen | Unseen


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the person to do something; None: to face the camera again."""

    order: Order | None


Step: TypeAlias = tuple[State, tuple[Ask, ...]]


def step(state: State, event: Event) -> Step:
    """Return the next state and what to ask."""
    if isinstance(state, NotPassed):
        return state, ()
    track = state.track
    if isinstance(event, Unseen):
        if track.last is not None and event.at_s - track.last_at_s > LOST_S:
            return NotPassed(CheckOutcome.INTERRUPTED), ()
        return _in_time(state, event.at_s), ()
    if track.last is not None and _is_another(track.last, event.pose):
        return NotPassed(CheckOutcome.INTERRUPTED), ()
    tracked = replace(state, track=replace(track, last=event.pose, last_at_s=event.at_s))
    match _in_time(tracked, event.at_s):
        case Facing() as facing:
            return _on_facing(facing, event)
        case Following() as following:
            return _on_following(following, event)
        case other:
            return other, ()


def _in_time(state: Facing | Following | Passed, at_s: float) -> State:
    match state:
        case Facing(track, begun_s):
            if begun_s is None:
                return replace(state, begun_s=at_s)
            pause_s = track.tasks[0].pause_s if track.tasks else 0.0
            late = at_s - begun_s > track.timeout_s + pause_s
        case Following(track, _, asked_s):
            late = at_s - asked_s > track.timeout_s
        case Passed():
            late = False
        case _:
            assert_never(state)
    return NotPassed(CheckOutcome.TIMED_OUT) if late else state


def _on_facing(state: Facing, event: Seen) -> Step:
    if abs(event.pose.yaw_deg) > FRONTAL_DEG:
        return replace(state, since_s=None), ()
    since_s = state.since_s if state.since_s is not None else event.at_s
    if not state.track.tasks:
        return Passed(state.track), ()
    task, *later = state.track.tasks
    if event.at_s - since_s < task.pause_s:
        return replace(state, since_s=since_s), ()
    track = replace(state.track, tasks=tuple(later))
    return Following(track, task.order, event.at_s, event.pose), (Ask(task.order),)


def _on_following(state: Following, event: Seen) -> Step:
    done = _share(state.order, state.start, event.pose)
    if done >= 1 and event.at_s - state.asked_s >= REACTION_S:
        return Facing(state.track, begun_s=event.at_s), (Ask(None),)
    if abs(done) >= 1:  # the other way, or before anybody could have read the order
        return NotPassed(CheckOutcome.NOT_FOLLOWED), ()
    return state, ()


def _share(order: Order, start: HeadPose, now: HeadPose) -> float:
    """Return how much of an order is done: 1 is enough, -1 is as much of the opposite."""
    turned = (now.yaw_deg - start.yaw_deg) / TURN_DEG
    match order:
        case Order.TURN_LEFT:
            return turned
        case Order.TURN_RIGHT:
            return -turned
        case Order.COME_CLOSER:
            return (now.eye_distance_px / start.eye_distance_px - 1) / (CLOSER - 1)
        case _:
            assert_never(order)


def _is_another(last: HeadPose, now: HeadPose) -> bool:
    moved_px = ((now.centre[0] - last.centre[0]) ** 2 + (now.centre[1] - last.centre[1]) ** 2) ** 0.5
    growth = now.eye_distance_px / last.eye_distance_px
    return moved_px > MOST_JUMP * last.eye_distance_px or not 1 / MOST_GROWTH < growth < MOST_GROWTH
