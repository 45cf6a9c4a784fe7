"""Whatever people, staff, sensors, disk and power do, in any order: the promises hold over the real store."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from firmware.records import Outcome
from firmware.workflow import frame
from firmware.workflow.screen import Acted, Entry
from firmware.workflow.viewing import Accepted, Stale
from tests.kit.scripted_desk import Ends
from tests.kit.station_rig import PINS, READS_S, Rig, rig
from trust.service import Answer, Workflow

STEPS = 250
ENTERED = tuple(entry.value for entry in Entry)
USUAL = (
    "accept",
    "candidate 0",
    "card",
    "given",
    "give",
    "seen",
    "next",
    "supervisor",
    "worn fingers",
    "countersign",
    "alternate",
)
OUTCOMES = (Outcome.MATCH, Outcome.MATCH, Outcome.NO_MATCH, Outcome.RETRY, Outcome.UNAVAILABLE)


GIVING = ("distribution-hand-over", "distribution-asking-if-given")
EXPECTED = {
    Workflow.CLINIC: {Answer.VISIT, Answer.PERSON},
    Workflow.DISTRIBUTION: {Answer.GIVEN, Answer.ALREADY_COLLECTED, Answer.DESK, Answer.PERSON},
}


class Walk:
    """One rig, and whatever happens to it."""

    def __init__(self, made: Rig, chance: random.Random) -> None:
        self.rig = made
        self.chance = chance
        kind = "case" if made.workflow is Workflow.CLINIC else "hh"
        self.numbers = [f"{kind}-{number:04}" for number in (*range(1, 31), 99)]
        self.collectors = {f"p-{number:04}-{which}" for number in range(1, 31) for which in (1, 9)}
        self.collectors |= {f"case-{number:04}" for number in range(1, 31)}
        self.seen: set[tuple[int, str]] = set()
        self.given = 0
        self.opened: set[bytes] = set()

    async def boot(self) -> None:
        await self.rig.boot(same_boot=self.chance.random() < 0.5)
        self.rig.desk.registered = set(self.collectors)

    async def step(self) -> None:
        what = self.chance.random()
        if what < 0.03:
            await self.boot()
        elif what < 0.06 or self.rig.disk_full:
            self.rig.disk_full = self.chance.random() < 0.5
            await self.act()
        elif what < 0.12:
            await self.rig.pass_s(self.chance.choice([1.0, 25.0, 120.0, 400.0]))
        else:
            await self.act()
        kept = self.rig.store.work.open_session()
        if kept is not None:
            self.opened.add(kept.session_id)

    async def act(self) -> None:
        station, desk = self.rig.station, self.rig.desk
        if self.chance.random() < 0.9:
            suggests = tuple(sorted(self.collectors))[: self.chance.randrange(5)]
            desk.script.append(
                Ends(self.chance.choice(OUTCOMES), self.chance.randrange(5), suggests=suggests)
            )
        offered = frame.acts(station.screen)
        usual = [act for act in offered if act in USUAL and self.chance.random() < 0.8]
        act = self.chance.choice(usual or [*offered, "help"])
        entered = self.value(act) if act in ENTERED else ""
        acted = Acted(act, entered, self.chance.choice(["amina", "boris", ""]))
        stale = await station.act(station.revision - 40, acted)
        assert act == "help" or stale == Stale()
        if self.chance.random() < 0.8:
            self.rig.time.pass_s(READS_S)
        before = station.screen
        accepted = await station.act(station.revision, acted) == Accepted()
        self.given += accepted and act == "given" and before.name in GIVING
        await self.rig.rest()
        if station.screen.preview or station.screen.busy:
            await station.act(station.revision, Acted("help"))
            await station.settled()
        desk.script.clear()
        assert len(station.screen.candidates) <= 3

    def value(self, act: str) -> str:
        if act == "countersign":
            name = self.chance.choice(list(PINS))
            return f"{name}\n{PINS[name] if self.chance.random() < 0.9 else '000000'}"
        return self.chance.choice(self.numbers)


@pytest.mark.parametrize(("seed", "workflow"), [(0, Workflow.DISTRIBUTION), (1, Workflow.CLINIC)])
async def test_no_order_of_things_breaks_a_promise(tmp_path: Path, seed: int, workflow: Workflow) -> None:
    with rig(tmp_path, workflow, people=30, loss_cap=2) as made:
        walk = Walk(made, random.Random(seed))  # noqa: S311 -- a test's own course
        await walk.boot()
        for _ in range(STEPS):
            await walk.step()
        made.disk_full = False
        await made.station.stop()
        await walk.boot()
        services = made.services()
        assert made.store.work.open_session() is None, "nobody is still being served"
        recorded = {service.record_id for service in services}
        assert walk.opened <= recorded, "nobody who was greeted is without a record"
        assert len(services) == len(recorded), "and nobody has two"
        given = Counter(service.household for service in services if service.answer is Answer.GIVEN)
        assert all(count == 1 for count in given.values()), "no household collected twice"
        assert sum(given.values()) <= walk.given, "none without GIVEN"
        assert made.store.work.exceptions_left() >= 0
        assert isinstance(made.store.verify_audit(), int)
        answers = {service.answer for service in services}
        assert answers >= EXPECTED[workflow], "the walk saw little"
