"""The session's state diagram as Mermaid text, found by walking the machine itself.

Run as ``python -m firmware.session.diagram > docs/session.md``; a test compares the two.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from firmware.session import active_check
from firmware.session.active_check import NotPassed
from firmware.session.machine import (
    Capture,
    CheckNotPassed,
    Compare,
    Compared,
    Confirmed,
    Effect,
    Event,
    Failed,
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
    Suggest,
    Weight,
    step,
)
from inference.face.pose import HeadPose
from inference.types import FingerPosition, Modality
from sensors.board.signals import Signal
from sensors.frames import RetryReason

EVENTS: Sequence[tuple[str, Event]] = (
    ("started", Started()),
    ("sample taken", SampleTaken()),
    ("sample missed", SampleMissed(RetryReason.NO_FINGER)),
    ("active check not passed", CheckNotPassed("face check not finished in time")),
    ("no device", PartUnavailable(Modality.FACE)),
    ("no device", PartUnavailable(Modality.FINGER)),
    *((weight.value, Compared(weight)) for weight in Weight),
    ("confirmed", Confirmed()),
    ("not confirmed", NotConfirmed()),
    ("HELP", HelpPressed()),
    ("own fault", Failed()),
)
ASKED = (Presentation(Modality.FACE), Presentation(Modality.FINGER, FingerPosition.RIGHT_INDEX))
TITLES = {Goal.VERIFY: "Check-in, 1:1", Goal.IDENTIFY: "Check-in, 1:few", Goal.REGISTER: "Registration"}


def page() -> str:
    """Return docs/session.md: one diagram for each goal, and that of the active check of a face."""
    parts = [
        "# The capture session",
        "",
        "Made from the machine itself (`python -m firmware.session.diagram`). An arrow says: event / what",
        "is done. HELP and a fault of the appliance's own lead to a person from every state.",
    ]
    for goal, title in TITLES.items():
        parts += ["", f"## {title}", "", "```mermaid", "stateDiagram-v2", "    [*] --> Ready"]
        parts += [f"    {arrow}" for arrow in sorted(set(_arrows(goal)))]
        parts.append("```")
    parts += ["", "## Active check of a face, where it is switched on", ""]
    parts += ["```mermaid", "stateDiagram-v2", "    [*] --> Facing"]
    parts += [f"    {arrow}" for arrow in sorted(set(_check_arrows()))]
    parts.append("```")
    return "\n".join(parts) + "\n"


def _arrows(goal: Goal) -> Iterator[str]:
    first: State = Ready(Progress(Plan(goal, ASKED, tries=2)))
    seen, queue = {first}, deque([first])
    while queue:
        state = queue.popleft()
        for name, event in EVENTS:
            after, effects = step(state, event)
            if after == state and not effects:
                continue
            yield f"{_name(state)} --> {_name(after)}: {name} / {_words(effects)}"
            if after not in seen:
                seen.add(after)
                queue.append(after)


FACING = HeadPose(0.0, 60.0, (320.0, 240.0))
POSES = (
    ("faces the camera", FACING),
    ("turns left", replace(FACING, yaw_deg=active_check.TURN_DEG)),
    ("turns right", replace(FACING, yaw_deg=-active_check.TURN_DEG)),
)
LATER_S = 1.0
TIMEOUT_S = 3.0


def _check_arrows() -> Iterator[str]:
    """Walk the check with one order; every event comes a second after the one before."""
    task = active_check.Task(active_check.Order.TURN_LEFT, pause_s=0.5)
    first: active_check.State = active_check.Facing(active_check.Track((task,), TIMEOUT_S))
    seen, queue = {(first, 0.0)}, deque([(first, 0.0)])
    while queue:
        state, before_s = queue.popleft()
        at_s = before_s + LATER_S
        for name, pose in (*POSES, ("is out of view", None)):
            event = active_check.Seen(pose, at_s) if pose is not None else active_check.Unseen(at_s)
            after, asked = active_check.step(state, event)
            if type(after) is not type(state):
                yield f"{type(state).__name__} --> {type(after).__name__}: {_check_words(name, after, asked)}"
            if (after, at_s) not in seen and at_s < 2 * TIMEOUT_S and not isinstance(after, NotPassed):
                seen.add((after, at_s))
                queue.append((after, at_s))


def _check_words(name: str, after: active_check.State, asked: Sequence[active_check.Ask]) -> str:
    if isinstance(after, NotPassed):
        return f"{after.outcome.value} / next modality"
    for ask in asked:
        return f"{name} / show {ask.order.value if ask.order is not None else Signal.LOOK_HERE.value}"
    return f"{name} / capture"


def _name(state: State) -> str:
    return type(state).__name__


def _words(effects: Sequence[Effect]) -> str:
    return ", ".join(_word(effect) for effect in effects)


def _word(effect: Effect) -> str:
    match effect:
        case Show(signal):
            return f"show {signal.value}"
        case Capture():
            return "capture"
        case Compare():
            return "compare"
        case Suggest():
            return "suggest to staff"
        case Record():
            return "record"


if __name__ == "__main__":
    sys.stdout.write(page())
