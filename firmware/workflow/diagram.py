"""The workflows' state diagrams and screens as Markdown, found by walking the machines themselves.

Run as ``python -m firmware.workflow.diagram docs/workflows``; a test compares.
"""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from firmware.lists.terms import Household, Ration
from firmware.session.machine import Presentation, Show
from firmware.workflow import choices, frame
from firmware.workflow.effects import Conclude, Effect, KeepDecision, Register, StoreAnswer
from firmware.workflow.events import (
    AnswerStored,
    AppointmentFound,
    Broken,
    CaptureStopped,
    CardNotUsable,
    ComplaintStored,
    DecisionKept,
    Ended,
    Event,
    Guided,
    HouseholdFound,
    Identified,
    NoListLoaded,
    NothingToCompare,
    NotIdentified,
    NotOnList,
    NotVerified,
    NumberRead,
    NumberTaken,
    PinChecked,
    Registered,
    RegistrationWaits,
    Resumed,
    Suggested,
    TimeOver,
    Verified,
)
from firmware.workflow.machines import MACHINES, Machine
from firmware.workflow.outcomes import (
    AlreadyGiven,
    CaregiverLink,
    ClaimedElsewhere,
    Concluded,
    Granted,
    Networks,
    OwnerSilent,
    PinRight,
    PinWaits,
    PinWrong,
    RoleTooLow,
    Standing,
)
from firmware.workflow.plain import plain
from firmware.workflow.screen import Acted, Screen, Shown, say
from inference.operating_point import Strength
from inference.types import FingerPosition, Modality
from sensors.board.signals import Signal
from sensors.frames import RetryReason
from trust.consent import Consent
from trust.service import Basis, Workflow

FINGER = Presentation(Modality.FINGER, FingerPosition.RIGHT_INDEX)
CASE = Household(
    "HH-0001", 5, ("P-1", "P-2"), ("P-9",), (Ration("rice", "12.5", "kg"), Ration("oil", "2", "l"))
)


def _found(standing: Standing, exceptions_left: int = 3) -> HouseholdFound:
    collected_at = datetime(2026, 11, 25, 10, 40)  # noqa: DTZ001 -- the site's own time
    return HouseholdFound(
        CASE,
        standing,
        exceptions_left,
        Networks(site=not isinstance(standing, OwnerSilent), worst_case=2),
        "B",
        collected_at if isinstance(standing, AlreadyGiven) else None,
    )


EVENTS: Sequence[tuple[str, Event]] = (
    ("time over", TimeOver()),
    ("guided", Guided(Show(Signal.PLACE_FINGER, FINGER))),
    ("guided", Guided(Show(Signal.TRY_AGAIN, FINGER, RetryReason.TOO_DRY, 2))),
    ("card not usable", CardNotUsable(say("This card could not be read."))),
    ("number read", NumberRead("C-0001")),
    ("number read", NumberRead("C-0002")),
    ("not on the list", NotOnList("C-0003")),
    ("no list", NoListLoaded("C-0003")),
    ("on today's list", AppointmentFound("C-0001")),
    (
        "a child on today's list",
        AppointmentFound("C-0001", CaregiverLink("C-0002", date(2027, 1, 1), False)),
    ),
    ("a child, link expired", AppointmentFound("C-0001", CaregiverLink("C-0002", date(2026, 1, 1), True))),
    ("free", _found(Granted())),
    ("free, no exception left", _found(Granted(), 0)),
    ("owner silent", _found(OwnerSilent("2"))),
    ("owner silent, cap reached", _found(OwnerSilent("2"), 0)),
    ("served elsewhere", _found(ClaimedElsewhere(60.0, "2"))),
    ("already collected", _found(AlreadyGiven(1, "2"))),
    ("answer stored", AnswerStored(Consent.ACCEPTED)),
    ("match", Verified()),
    ("not sure", NotVerified(2)),
    ("not sure, has to wait", NotVerified(0, 30.0)),
    ("nothing to compare", NothingToCompare()),
    ("suggested", Suggested(tuple(Shown(choices.candidate(i), f"C-{i}", Strength.STRONG) for i in range(3)))),
    ("confirmed", Identified("C-0001")),
    ("nobody confirmed", NotIdentified()),
    ("capture stopped", CaptureStopped()),
    ("registered", Registered((FINGER,))),
    ("number taken", NumberTaken()),
    ("registration waits", RegistrationWaits()),
    ("decision kept", DecisionKept()),
    ("PIN right, two people", PinChecked(PinRight("boris"), "amina")),
    ("PIN right, one person", PinChecked(PinRight("boris"), "boris")),
    ("PIN right, another", PinChecked(PinRight("amina"), "boris")),
    ("PIN right, role too low", PinChecked(RoleTooLow(), "amina")),
    ("PIN wrong", PinChecked(PinWrong(3), "amina")),
    ("PIN waits", PinChecked(PinWaits(30.0), "amina")),
    ("complaint stored", ComplaintStored()),
    ("record stored", Ended(Concluded(1, "4711"))),
    ("own fault", Broken()),
    ("resumed", Resumed("HH-0001", CASE, Basis.BIOMETRIC, None, "", False, 120.0)),
    ("resumed, claim over", Resumed("HH-0001", CASE, Basis.BIOMETRIC, None, "", False, 0.0)),
)
TITLES: Mapping[Workflow, str] = {
    Workflow.REGISTRATION: "Registration",
    Workflow.CLINIC: "Clinic check-in",
    Workflow.DISTRIBUTION: "Distribution point",
}
_ENTERED = "entered"


class Arrow(NamedTuple):
    """One step that a machine can take."""

    before: Any
    event: Event
    name: str
    after: Any
    effects: tuple[Effect, ...]


def walk(machine: Machine) -> Iterator[Arrow]:
    """Yield every step from every state that can be reached with `EVENTS` and what the screens offer."""
    seen: set[Any] = {machine.first}
    queue = deque(seen)
    while queue:
        state = queue.popleft()
        offered = [*frame.acts(machine.screen(state)), choices.HELP]
        acted = [(_word(act), Acted(act, "C-0001", "amina")) for act in offered]
        for name, event in (*acted, *EVENTS):
            after, effects = machine.step(state, event)
            if after == state and not effects:
                continue
            yield Arrow(state, event, name, after, effects)
            if after not in seen:
                seen.add(after)
                queue.append(after)


def page(machine: Machine) -> str:
    """Return the page of one workflow."""
    arrows = list(walk(machine))
    lines = [
        f"# {TITLES[machine.workflow]}",
        "",
        "Made from the machine itself (`python -m firmware.workflow.diagram docs/workflows`). An arrow says:",
        "what happens / what the appliance does. HELP and the frame that all workflows share (an answer, a",
        "complaint) are in the second diagram.",
    ]
    own, shared = _lines(arrows)
    lines += ["", "## From the greeting to the answer", "", *_mermaid(own, machine)]
    lines += ["", "## HELP, the record and the answer", "", *_mermaid(shared, machine)]
    lines += ["", "## Screens", "", *_table(machine, arrows)]
    return "\n".join(lines) + "\n"


def _lines(arrows: Sequence[Arrow]) -> tuple[list[str], list[str]]:
    """Return the arrows between states that differ in kind: those of the workflow, and the shared ones."""
    events: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for arrow in arrows:
        before, after = _name(arrow.before), _name(arrow.after)
        if before != after or arrow.effects:
            events[before, after, _words(arrow.effects)][arrow.name] = None
    own: list[str] = []
    shared: list[str] = []
    frame_names = {
        state.__name__
        for state in (
            frame.WritingDown,
            frame.NotWrittenDown,
            frame.Answered,
            frame.ChoosingConcern,
            frame.WritingComplaint,
        )
    }
    for (before, after, words), names in events.items():
        is_frame = before in frame_names
        plain = [name for name in names if name != "HELP" and not is_frame]
        rest = [name for name in names if name not in plain]
        if after == frame.ChoosingConcern.__name__:
            plain, rest = [], list(names)
        for target, found in ((own, plain), (shared, rest)):
            if found:
                does = f" / {words}" if words else ""
                target.append(f"{before} --> {after}: {' or '.join(found)}{does}")
    return sorted(own), sorted(shared)


def _mermaid(lines: Sequence[str], machine: Machine) -> list[str]:
    first = f"    [*] --> {_name(machine.first)}"
    return ["```mermaid", "stateDiagram-v2", first, *(f"    {line}" for line in lines), "```"]


def _table(machine: Machine, arrows: Sequence[Arrow]) -> Iterator[str]:
    yield "| State | Screen | Shape, tone | Sentence | Choices | Entry |"
    yield "|---|---|---|---|---|---|"
    states = [machine.first, *(arrow.after for arrow in arrows)]
    shown: dict[tuple[str, str], tuple[str, Screen]] = {}
    for state in states:
        screen = machine.screen(state)
        shown.setdefault((screen.name, plain(screen.title)), (_name(state), screen))
    for name, screen in shown.values():
        offered = [plain(choice.label) for choice in screen.choices]
        offered += [f"candidate {number}" for number in range(1, len(screen.candidates) + 1)]
        chosen = ", ".join(offered) + (" (none highlighted)" if offered and screen.own_answer else "")
        sentences = " ".join(plain(text) for text in (screen.title, *screen.lines))
        entry = screen.entry.value if screen.entry is not None else ""
        look = f"{screen.pictogram}, {screen.tone.value}"
        yield f"| {name} | {screen.name} | {look} | {sentences} | {chosen} | {entry} |"


def _word(act: str) -> str:
    if act == choices.HELP:
        return "HELP"
    if act.startswith("candidate"):
        return "candidate chosen"
    return f"{act} {_ENTERED}" if act in ("card", "number", "pin", "countersign") else act


def _name(state: Any) -> str:
    return type(state).__name__


def _words(effects: Sequence[Effect]) -> str:
    return ", ".join(dict.fromkeys(_effect(effect) for effect in effects))


def _effect(effect: Effect) -> str:
    match effect:
        case Conclude(answer=answer):
            return f"record “{answer.value}”"
        case Register(capture=False):
            return "register without templates"
        case KeepDecision(basis=basis):
            return f"keep the decision ({basis.value})"
        case StoreAnswer(consent):
            return f"store “{consent.value}”"
        case _:
            words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(effect).__name__)
            return words.strip()


def main(folder: Path) -> None:
    """Write the three pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for workflow, machine in MACHINES.items():
        (folder / f"{workflow.value}.md").write_text(page(machine), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
