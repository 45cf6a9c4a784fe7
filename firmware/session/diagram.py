"""The session's state diagram as Mermaid text, found by walking the machine itself.

Run as ``python -m firmware.session.diagram > docs/session.md``; a test compares the two.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence

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
from inference.types import FingerPosition, Modality
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
    """Return docs/session.md: one diagram for each goal."""
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
