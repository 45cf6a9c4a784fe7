"""Runs a simulated day: people arrive, queue, are served; parts fail; and what came of it is counted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware.simulate.assumptions import Assumptions, Outage
from firmware.simulate.error_rates import ErrorRates
from firmware.simulate.population import Crowd, Visit
from firmware.simulate.site import SUPERVISOR, Lane, Wires
from firmware.simulate.staff import Left, Staff
from firmware.simulate.virtual_time import clock_of, run
from trust.consent import Purpose
from trust.issuer import IssuerKey
from trust.lists.terms import MAX_APPOINTMENTS, ClinicList, DistributionList
from trust.service import Workflow

DAY = date(2026, 3, 2)
OPENS_H = 8
HOUSEHOLDS_AN_HOUR = 150
"""WORKFLOWS.md, each lane; a clinic's lane is planned with a third of that."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated. lanes: 0 for as many as WORKFLOWS.md's rate asks for."""

    workflow: Workflow
    people: int
    seed: int
    hours: float = 8.0
    lanes: int = 0
    assumptions: Assumptions = Assumptions()

    def lanes_needed(self) -> int:
        """Return how many lanes there are."""
        if self.lanes:
            return self.lanes
        if self.workflow is Workflow.DISTRIBUTION:
            return max(1, math.ceil(self.people / (HOUSEHOLDS_AN_HOUR * self.hours)))
        a_day = min(MAX_APPOINTMENTS, int(HOUSEHOLDS_AN_HOUR / 3 * self.hours))
        return max(1, math.ceil(self.people / a_day))


@dataclass(frozen=True, slots=True)
class Session:
    """One session at one lane, and how long the person had waited before."""

    lane: int
    left: Left
    waited_s: float


@dataclass(slots=True)
class Course:
    """The day as it went.

    queues: whom each lane serves, in order; the lanes of a distribution share one. people: how many come.
    busy_s: how long each lane had somebody at the desk. stale: acts that were meant for a screen that was
    over.
    """

    plan: Plan
    lanes: list[Lane]
    lists: Sequence[ClinicList | DistributionList]
    queues: list[list[Visit]]
    people: int
    sessions: list[Session] = field(default_factory=list)
    busy_s: list[float] = field(default_factory=list)
    stale: int = 0
    ended_s: float = 0.0


def simulate(
    plan: Plan,
    rates: ErrorRates,
    folder: Path,
    finish: Callable[[Course], None],
    served: Callable[[int, int], None] = lambda _count, _of: None,
) -> None:
    """Run the day, and hand it to `finish` while its stores are open; they lie in `folder`.

    served: told after each person how many of how many are through. Raises StuckError.
    """

    async def main() -> None:
        with ExitStack() as stack:
            course, crowd, wires = _planned(plan, folder)
            for lane in course.lanes:
                stack.callback(lane.store.close)
            for lane, planned in zip(course.lanes, course.lists, strict=True):
                await lane.start(planned, crowd, course.lanes, wires, plan.assumptions, rates)
            await _serve(course, crowd, wires, served)
            for lane in course.lanes:
                await lane.stop()
            finish(course)

    run(main())


def _planned(plan: Plan, folder: Path) -> tuple[Course, Crowd, Wires]:
    clinic, count = plan.workflow is Workflow.CLINIC, plan.lanes_needed()
    # The same cards for the same seed; nobody trusts this key.
    issuer = IssuerKey(Ed25519PrivateKey.from_private_bytes(plan.seed.to_bytes(32, "big")))
    crowd = Crowd(plan.people, plan.seed, plan.assumptions, DAY, issuer)
    opens = datetime(DAY.year, DAY.month, DAY.day, OPENS_H, tzinfo=UTC)
    clock = clock_of(asyncio.get_running_loop(), int(opens.timestamp()) * 1_000_000_000)
    purpose = Purpose.CLINIC_CHECK_IN if clinic else Purpose.DISTRIBUTION
    lanes = [Lane(number, purpose, folder, clock) for number in range(count)]
    lists: Sequence[ClinicList | DistributionList]
    if clinic:
        of_lanes = crowd.clinic(count)
        lists = of_lanes
        queues = [crowd.patients(planned, plan.hours) for planned in of_lanes]
    else:
        cycle = crowd.distribution(tuple(lane.device_id for lane in lanes))
        lists = [cycle] * count
        queues = [crowd.collectors(cycle, plan.hours)] * count
    people = sum(map(len, queues if clinic else queues[:1]))
    return Course(plan, lanes, lists, queues, people, busy_s=[0.0] * count), crowd, Wires()


async def _serve(course: Course, crowd: Crowd, wires: Wires, served: Callable[[int, int], None]) -> None:
    plan, loop = course.plan, asyncio.get_running_loop()
    through = 0

    async def lane(number: int, queue: list[Visit]) -> None:
        nonlocal through
        appliance = course.lanes[number]
        source = crowd.source(f"staff {appliance.device_id}")
        staff = Staff(
            appliance.station, appliance.desk, source, plan.assumptions, appliance.operator, SUPERVISOR,
            crowd.caregivers,
        )  # fmt: skip
        while queue:
            visit = queue.pop(0)
            await asyncio.sleep(max(0.0, visit.arrives_s - loop.time()))
            waited_s, began_s = loop.time() - visit.arrives_s, loop.time()
            await asyncio.sleep(plan.assumptions.times.step_up.draw(source))
            following = queue[0] if queue and queue[0].arrives_s <= loop.time() else None
            for left in await staff.serve(visit, following):
                course.sessions.append(Session(number, left, waited_s))
            course.busy_s[number] += loop.time() - began_s
            through += 1
            served(through, course.people)
        course.stale += staff.stale

    outages = [asyncio.create_task(_outage(course, wires, outage)) for outage in plan.assumptions.outages]
    await asyncio.gather(*(lane(number, queue) for number, queue in enumerate(course.queues)))
    course.ended_s = loop.time()
    for outage in outages:
        outage.cancel()


async def _outage(course: Course, wires: Wires, outage: Outage) -> None:
    loop = asyncio.get_running_loop()
    for at_h, works in ((outage.from_h, False), (outage.to_h, True)):
        await asyncio.sleep(max(0.0, at_h * 3600 - loop.time()))
        match outage.what:
            case "uplink":
                wires.uplink = works
            case "site network":
                wires.site = works
                for lane in course.lanes:
                    lane.site.changed()
            case part:
                course.lanes[outage.lane].set_sensor(part, works=works)
