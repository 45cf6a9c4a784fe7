"""What came of a simulated day: the figures, what only the simulator knows, and the rules that must hold."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from firmware.day.figures import (
    Estimate,
    Figures,
    Overrides,
    PathDifference,
    Times,
    figures,
    path_difference,
    times,
    wrongful_refusals,
)
from firmware.day.known import known
from firmware.day.served import Served
from firmware.simulate.day import Course, Session
from firmware.simulate.population import CardState
from trust.lists.terms import DistributionList
from trust.service import Answer, Basis, Workflow

SERVED = (Answer.GIVEN, Answer.VISIT)
TARGETS_S = {Workflow.DISTRIBUTION: (20.0, 45.0), Workflow.CLINIC: (45.0, 90.0)}
"""Median and P95 from greeting to answer (WORKFLOWS.md)."""
SLOWER_TARGET_S = 20.0
"""The path without biometrics is at most so much slower (RESPONSIBLE_USE.md)."""

LEFT_WITHOUT_TARGET = 0.05
"""Of those who are due, at most this share leaves without, to the help desk or a person; our own aim."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulator knows and no appliance can.

    refused: were due and left without, by the answer. compared: 1:1 comparisons of the right person;
    not_matched: those that did not match; without_own: of people who have no templates
    themselves, against those of the other collectors. not_written_down: the ration went over the desk and the
    claim expired. twice_here: households that collected twice at one
    appliance; twice: at the whole site.
    """

    due: int
    refused: dict[str, int]
    compared: int
    not_matched: int
    without_own: int
    not_written_down: int
    twice_here: int
    twice: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of the whole site. Times in seconds; an hour is one of the simulated day.

    per_hour: people through, from the first arrival to the last answer. lane_per_hour: one lane can take,
    by how long people keep it busy. waited_s: in the queue. conflicts: as the lanes report them.
    """

    workflow: Workflow
    people: int
    seed: int
    lanes: int
    operating_point: str
    per_hour: float
    lane_per_hour: float
    waited_s: Times | None
    session_s: Times | None
    target_median_s: float
    target_p95_s: float
    by_answer: dict[str, int]
    by_basis: dict[str, int]
    wrongful_refusals: Estimate | None
    path_without_biometrics: PathDifference | None
    overrides: tuple[Overrides, ...]
    exceptions: int
    conflicts: int
    registered: int
    stale_acts: int
    faults: dict[str, int]
    waiting_events: int
    truth: Truth
    broken_rules: tuple[str, ...]
    digest: str


def result(course: Course, operating_point: str) -> Result:
    """Return what came of the day, while its stores are open."""
    reports = [figures(lane.store.day.served(), known(lane.store)) for lane in course.lanes]
    rows = [row for lane in course.lanes for row in lane.store.day.served()]
    here = [row for row in rows if row.workflow is course.plan.workflow]
    served = [row for row in here if row.answer in SERVED]
    sessions, truth = course.sessions, _truth(course)
    hours = (course.ended_s - min(session.left.visit.arrives_s for session in sessions)) / 3600
    median_s, p95_s = TARGETS_S[course.plan.workflow]
    return Result(
        workflow=course.plan.workflow,
        people=course.people,
        seed=course.plan.seed,
        lanes=len(course.lanes),
        operating_point=operating_point,
        per_hour=course.people / hours,
        lane_per_hour=course.people / (sum(course.busy_s) / 3600),
        waited_s=times([session.waited_s for session in sessions]),
        session_s=times([row.duration_ns / 1e9 for row in served]),
        target_median_s=median_s,
        target_p95_s=p95_s,
        by_answer=_counts(row.answer for row in here),
        by_basis=_counts(row.basis for row in served if row.basis is not None),
        wrongful_refusals=wrongful_refusals(here),
        path_without_biometrics=path_difference(served),
        overrides=tuple(each for report in reports for each in report.overrides),
        exceptions=sum(row.basis is Basis.EXCEPTION for row in served),
        conflicts=sum(report.known.conflicts for report in reports),
        registered=sum(report.registered for report in reports),
        stale_acts=course.stale,
        faults=dict(sum((Counter(report.known.faults) for report in reports), Counter())),
        waiting_events=sum(report.known.waiting for report in reports),
        truth=truth,
        broken_rules=tuple(_broken(course, reports, truth)),
        digest=_digest(sessions, rows),
    )


def _truth(course: Course) -> Truth:
    final = {id(session.left.visit): session.left for session in course.sessions}.values()
    due = [left for left in final if left.visit.due and left.visit.on_list]
    refused = Counter(left.answer.value for left in due if left.answer not in SERVED)
    given = [
        (session.left.number, session.lane)
        for session in course.sessions
        if session.left.answer is Answer.GIVEN and (session.left.wrong_card or session.left.visit.on_list)
    ]
    return Truth(
        due=len(due),
        refused=dict(sorted(refused.items())),
        compared=sum(lane.desk.compared for lane in course.lanes),
        not_matched=sum(lane.desk.not_matched for lane in course.lanes),
        without_own=sum(lane.desk.without_own for lane in course.lanes),
        not_written_down=sum(
            session.left.handed_over and session.left.answer is not Answer.GIVEN
            for session in course.sessions
        ),
        twice_here=sum(count > 1 for count in Counter(given).values()),
        twice=sum(count > 1 for count in Counter(number for number, _ in given).values()),
    )


def _broken(course: Course, reports: Sequence[Figures], truth: Truth) -> list[str]:
    """Return which rules of the day do not hold; each is one that WORKFLOWS.md or the issue names."""
    broken = []
    answered = {id(session.left.visit) for session in course.sessions}
    if len(answered) != course.people:
        broken.append(f"{course.people - len(answered)} people left without an answer")
    if truth.twice_here:
        broken.append(f"{truth.twice_here} households collected twice at one appliance")
    for number, report in enumerate(reports):
        own = [session.left for session in course.sessions if session.lane == number]
        said = {**report.by_answer}
        said.pop(Answer.REGISTERED.value, None)
        if said != _counts(left.answer for left in own):
            broken.append(f"the answers in the report of lane {number + 1} are not those that were given")
        bases = {basis: count for basis, count in report.by_basis.items() if count}
        if bases != _counts(left.basis for left in own if left.basis is not None):
            broken.append(f"the bases in the report of lane {number + 1} are not those of the services")
        if report.registered != sum(left.registered for left in own):
            broken.append(
                f"the registrations in the report of lane {number + 1} are not those that were made"
            )
        broken += _wrong_stock(course, number, report)
    for session in course.sessions:
        if _needed_biometrics(session):
            broken.append(f"{session.left.visit.number} declined, and was not served for it")
    return broken


def _wrong_stock(course: Course, number: int, report: Figures) -> list[str]:
    planned = course.lists[number]
    if not isinstance(planned, DistributionList):
        return []
    rations = {household.number: household.rations for household in planned.households}
    given: Counter[str] = Counter()
    issued: dict[tuple[str, str], Decimal] = {}
    for session in course.sessions:
        if session.lane == number and session.left.answer is Answer.GIVEN:
            given[session.left.number] += 1
    for household, count in given.items():
        for ration in rations.get(household, ()):
            key = ration.item, ration.unit
            issued[key] = issued.get(key, Decimal(0)) + count * Decimal(ration.amount)
    said = {(stock.item, stock.unit): Decimal(stock.issued) for stock in report.known.stock}
    differs = any(amount != issued.get(item, 0) for item, amount in said.items())
    return [f"the stock in the report of lane {number + 1} is not what was handed over"] if differs else []


def _needed_biometrics(session: Session) -> bool:
    """Whether somebody who was due, declined, and showed a good card went without."""
    left = session.left
    if left.wrong_card:
        return False  # staff begin once more, with the right card
    good = left.visit.card is CardState.GOOD and left.visit.due and left.visit.on_list
    return left.declined and good and not left.handed_over and left.answer not in SERVED


def _counts(values: Iterable[Answer | Basis]) -> dict[str, int]:
    return dict(sorted(Counter(value.value for value in values).items()))


def _digest(sessions: Sequence[Session], rows: Sequence[Served]) -> str:
    told = [
        (
            session.lane,
            session.left.visit.number,
            session.left.answer.value,
            session.left.basis.value if session.left.basis else "",
            round(session.left.seconds, 6),
        )
        for session in sessions
    ]
    return hashlib.sha256(msgspec.json.encode((told, rows))).hexdigest()
