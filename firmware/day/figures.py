"""The figures of the reconciliation report, from what was counted of each person served. Pure.

Wrongful refusals are estimated, not known. Counted are people who came with a claim (1:1), whom the
comparison did not support or of whom no usable sample was had, and who were served all the same: by the card,
by an alternate, or by a supervisor. The estimate takes each of them for the right person, since staff served
them; the rate is over all who were either supported or served after that, with Wilson's interval. Who was not
supported and left without service is unsettled: how many those are is said beside it, with the rate if all of
them had been right. Where somebody who may collect for the household has no templates here, the comparison
cannot tell a wrongful refusal from a person whom there was nothing to compare with: those people, supported
or not, are left out, and counted beside the estimate. Searches (1:few) without a hit are left out: many of
those people are not registered.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo

import msgspec
import numpy as np

from firmware.day.served import Attempt, Served
from inference.evaluation.intervals import wilson
from trust.service import Answer, Basis, Workflow
from trust.small_cells import hidden

LEAST_COMPARED = 5  # of each path, before a difference of medians is stated
RESAMPLES = 2000  # of the bootstrap; its 95 % ends then vary by about a twentieth of the interval
SERVED = frozenset({Answer.VISIT, Answer.GIVEN, Answer.REGISTERED})
MOST_HOURS = 16  # in a row, empty ones included
_REFUSED = frozenset({Attempt.NOT_SUPPORTED, Attempt.NO_SAMPLE})


class Stock(msgspec.Struct, frozen=True):
    """One item: what is due to all on the list, and what was handed over here; decimal numbers."""

    item: str
    unit: str
    due: str
    issued: str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the report knows beside the people served.

    list_digest: SHA-256 of the list in hexadecimal, empty without one: its receipt names it too.
    planned: on the list, None without one. came: of those, who collected or attended, here or elsewhere as
    far as known. unconfirmed: hand-overs here that the household's owner does not know of. waiting: events
    that the aggregator does not hold yet. faults, complaints: since the day was opened, by part and by
    category. resemblances: pairs of entries that wait for an adjudicator.
    """

    workflow: Workflow
    site: str
    device_id: str
    cycle: str
    list_digest: str = ""
    opened: bool = True
    planned: int | None = None
    came: int = 0
    elsewhere: int = 0
    conflicts: int = 0
    unconfirmed: int = 0
    exceptions_left: int | None = None
    stock: tuple[Stock, ...] = ()
    faults: Mapping[str, int] = {}
    complaints: Mapping[str, int] = {}
    waiting: int = 0
    resemblances: int = 0


class Estimate(msgspec.Struct, frozen=True):
    """Wrongful refusals: refused of attempts, with the two-sided 95 % interval of the rate.

    unsettled: not supported and not served. highest_rate: if all of those had been the right people.
    """

    refused: int
    attempts: int
    rate: float
    low: float
    high: float
    unsettled: int
    highest_rate: float


class Untold(msgspec.Struct, frozen=True):
    """People compared for a household of which not all who may collect are registered.

    refused: of them, not supported and served all the same. highest_rate: of wrongful refusals among all who
    were compared, if each of those had been a registered person.
    """

    people: int
    refused: int
    highest_rate: float


class CohortEstimate(msgspec.Struct, frozen=True):
    """One cohort of the list; estimate: None where the cell is too small to be shown."""

    cohort: str
    estimate: Estimate | None


class Times(msgspec.Struct, frozen=True):
    """Seconds from greeting to answer of those served: median, and 95th percentile by nearest rank."""

    people: int
    median_s: float
    p95_s: float


class PathDifference(msgspec.Struct, frozen=True):
    """How much longer the path without biometrics takes: difference of medians, with its 95 % interval.

    The interval is by percentile bootstrap (Efron and Tibshirani 1993, 13.3): each path drawn anew 2,000
    times. declined: of those without, who did not want biometrics.
    """

    with_biometrics: int
    without: int
    declined: int
    median_with_s: float
    median_without_s: float
    difference_s: float
    low_s: float
    high_s: float


class Overrides(msgspec.Struct, frozen=True):
    """Exceptions that one operator asked for and one supervisor signed.

    countersigned_by: the second person, where that is not the operator.
    """

    operator: str
    supervisor: str
    reason: str
    count: int
    countersigned_by: str = ""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report; what is None cannot be said."""

    known: Known
    clock_checked: bool
    first_ns: int | None
    last_ns: int | None
    people: int
    served: int
    not_on_list: int
    absent: int | None
    registered: int
    by_basis: dict[str, int]
    by_answer: dict[str, int]
    already_collected: int
    declined: int
    owner_silent: int
    wrongful_refusals: Estimate | None
    cohorts: tuple[CohortEstimate, ...]
    untold: Untold | None = None
    searched_without_hit: int
    times: Times | None
    path_without_biometrics: PathDifference | None
    overrides: tuple[Overrides, ...]
    per_hour: tuple[tuple[str, int], ...]


def figures(rows: Sequence[Served], known: Known, zone: tzinfo = UTC) -> Figures:
    """Return the report's figures; zone: of the hours in which people are counted."""
    here = [row for row in rows if row.workflow is known.workflow]
    served = [row for row in here if row.answer in SERVED]
    moments = [row.moment for row in rows]
    answers = Counter(row.answer.value for row in here)
    bases = Counter(row.basis.value for row in served if row.basis is not None)
    return Figures(
        known=known,
        clock_checked=all(moment.quality.is_set for moment in moments),
        first_ns=min((moment.wall_ns for moment in moments), default=None),
        last_ns=max((moment.wall_ns for moment in moments), default=None),
        people=len(here),
        served=len(served),
        not_on_list=sum(not row.on_list for row in served),
        absent=None if known.planned is None else max(0, known.planned - known.came),
        registered=sum(row.answer is Answer.REGISTERED for row in rows),
        by_basis={basis.value: bases[basis.value] for basis in Basis},
        by_answer={answer.value: answers[answer.value] for answer in Answer if answers[answer.value]},
        already_collected=answers[Answer.ALREADY_COLLECTED.value],
        declined=sum(row.declined for row in here),
        owner_silent=sum(row.owner_silent for row in served),
        wrongful_refusals=wrongful_refusals(here),
        untold=_untold(here),
        cohorts=_cohorts(here),
        searched_without_hit=sum(row.attempt is Attempt.NOT_FOUND for row in here),
        times=times([row.duration_ns / 1e9 for row in served]),
        path_without_biometrics=path_difference(served),
        overrides=_overrides(served),
        per_hour=_per_hour(here, zone),
    )


def _untold(rows: Sequence[Served]) -> Untold | None:
    compared = [row for row in rows if row.attempt is Attempt.SUPPORTED or _refused(row)]
    untold = [row for row in compared if row.some_unregistered]
    if not untold:
        return None
    return Untold(len(untold), sum(map(_refused, untold)), sum(map(_refused, compared)) / len(compared))


def _refused(row: Served) -> bool:
    return row.attempt in _REFUSED and row.answer in SERVED


def wrongful_refusals(rows: Iterable[Served]) -> Estimate | None:
    """Return the estimate, as the module says; None where nobody was compared 1:1 of whom it can tell."""
    supported = refused = unsettled = 0
    for row in rows:
        if row.some_unregistered:
            continue
        if row.attempt is Attempt.SUPPORTED:
            supported += 1
        elif row.attempt in _REFUSED:
            if row.answer in SERVED:
                refused += 1
            else:
                unsettled += 1
    attempts = supported + refused
    if not attempts + unsettled:
        return None
    low, high = wilson(refused, attempts)
    rate = refused / attempts if attempts else 0.0
    return Estimate(
        refused, attempts, rate, low, high, unsettled, (refused + unsettled) / (attempts + unsettled)
    )


def times(durations_s: Sequence[float]) -> Times | None:
    """Return median and P95, None of nobody."""
    if not durations_s:
        return None
    ordered = sorted(durations_s)
    p95_s = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return Times(len(ordered), statistics.median(ordered), p95_s)


def path_difference(served: Iterable[Served]) -> PathDifference | None:
    """Compare the times of those served after finger or face with those served without either.

    Those whose comparison did not lead to the service are in neither group: they walked both paths.
    """
    with_s, without_s, declined = [], [], 0
    for row in served:
        if row.attempt is Attempt.SUPPORTED and row.basis in (Basis.BIOMETRIC, Basis.CONFIRMED):
            with_s.append(row.duration_ns / 1e9)
        elif row.attempt is Attempt.NONE or (row.declined and row.attempt is Attempt.BROKEN_OFF):
            # Who says no while the appliance already looks has broken it off, and walked no second path.
            without_s.append(row.duration_ns / 1e9)
            declined += row.declined
    if min(len(with_s), len(without_s)) < LEAST_COMPARED:
        return None
    low_s, high_s = _bootstrap(with_s, without_s)
    median_with_s, median_without_s = statistics.median(with_s), statistics.median(without_s)
    return PathDifference(
        len(with_s),
        len(without_s),
        declined,
        median_with_s,
        median_without_s,
        median_without_s - median_with_s,
        low_s,
        high_s,
    )


def _bootstrap(with_s: Sequence[float], without_s: Sequence[float]) -> tuple[float, float]:
    draw = np.random.default_rng(0)  # the same report twice is the same
    one, other = np.asarray(with_s), np.asarray(without_s)
    differences = [
        np.median(draw.choice(other, other.size)) - np.median(draw.choice(one, one.size))
        for _ in range(RESAMPLES)
    ]
    low_s, high_s = np.percentile(differences, (2.5, 97.5))
    return float(low_s), float(high_s)


def _cohorts(rows: Sequence[Served]) -> tuple[CohortEstimate, ...]:
    labels = sorted({row.cohort for row in rows if row.cohort})
    if not labels:
        return ()
    by_label = {label: [row for row in rows if row.cohort == label] for label in labels}
    if unlabelled := [row for row in rows if not row.cohort]:
        by_label["no cohort named"] = unlabelled
    found = {label: wrongful_refusals(group) for label, group in by_label.items()}
    sizes = {label: estimate.attempts + estimate.unsettled for label, estimate in found.items() if estimate}
    small = hidden(sizes)
    return tuple(
        CohortEstimate(label, None if label in small else estimate)
        for label, estimate in found.items()
        if estimate is not None
    )


def _overrides(served: Iterable[Served]) -> tuple[Overrides, ...]:
    counts = Counter(
        (row.operator, row.supervisor, row.reason.value if row.reason else "", row.countersigned_by)
        for row in served
        if row.basis is Basis.EXCEPTION
    )
    return tuple(
        Overrides(operator, supervisor, reason, count, second)
        for (operator, supervisor, reason, second), count in sorted(counts.items())
    )


def _per_hour(rows: Iterable[Served], zone: tzinfo) -> tuple[tuple[str, int], ...]:
    """Count people by the hour in which they left, with the empty hours between; by wall clock."""
    hour_ns = 3600 * 1_000_000_000
    counts = Counter(row.moment.wall_ns // hour_ns for row in rows)
    if not counts:
        return ()
    first, last = min(counts), max(counts)
    # Over several days the hours without anybody are left out.
    hours = range(first, last + 1) if last - first < MOST_HOURS else sorted(counts)
    return tuple((f"{datetime.fromtimestamp(hour * 3600, zone):%d %b %H:00}", counts[hour]) for hour in hours)
