"""The report in rows of words and numbers: what the PDF, the CSV and the console all show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from firmware.day.figures import Estimate, Figures
from trust.service import Answer, Basis, Workflow
from trust.small_cells import SMALL_CELL

PATH_TARGET_S = 20.0  # RESPONSIBLE_USE 18: the path without biometrics is no more than so much slower


@dataclass(frozen=True, slots=True)
class Target:
    """What a person's time should be, in seconds from greeting to answer."""

    median_s: float
    p95_s: float


TARGETS = {Workflow.CLINIC: Target(45.0, 90.0), Workflow.DISTRIBUTION: Target(20.0, 45.0)}
"""WORKFLOWS.md: of a returning person at the clinic, of a household at the distribution point."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line; value: as a number or a short text. note: how it is to be read, empty where it is plain."""

    what: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Some lines under a heading."""

    title: str
    rows: tuple[Row, ...]


def title(found: Figures) -> str:
    """Return what the report is about."""
    known = found.known
    about = known.cycle or "no list"
    if known.cycle and known.workflow is Workflow.DISTRIBUTION:
        about = f"cycle {known.cycle}"
    return f"{known.workflow.value.capitalize()} at {known.site}, {about}, {known.device_id}"


def span(found: Figures, zone: tzinfo = UTC) -> str:
    """Return from when to when people were served, by the appliance's clock."""
    if found.first_ns is None or found.last_ns is None:
        return "Nobody was served."
    first, last = (datetime.fromtimestamp(ns / 1e9, zone) for ns in (found.first_ns, found.last_ns))
    doubt = "" if found.clock_checked else " The clock was not checked by anybody: times may be wrong."
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}.{doubt}"


def sections(found: Figures) -> tuple[Section, ...]:
    """Return the report in the order in which it is read; empty sections are left out."""
    made = (
        Section("People", tuple(_people(found))),
        Section("Served by", tuple(_bases(found))),
        Section("Stock", tuple(_stock(found))),
        Section("Wrongful refusals (estimate)", tuple(_refusals(found))),
        Section("Times", tuple(_times(found))),
        Section("Exceptions", tuple(_overrides(found))),
        Section("Device and link", tuple(_device(found))),
        Section(
            "Complaints", tuple(Row(about, str(count)) for about, count in found.known.complaints.items())
        ),
    )
    return tuple(section for section in made if section.rows)


def _people(found: Figures) -> Iterator[Row]:
    known = found.known
    noun = "households" if known.workflow is Workflow.DISTRIBUTION else "appointments"
    yield Row(f"Planned ({noun})", "no list" if known.planned is None else str(known.planned))
    yield Row("Served here", str(found.served))
    if known.workflow is Workflow.DISTRIBUTION:
        yield Row("Served at other desks", str(known.elsewhere), "as far as this appliance was told")
    if found.not_on_list:
        yield Row("Served without being on the list", str(found.not_on_list))
    if found.absent is not None:
        yield Row("Absent", str(found.absent), "planned, and not seen here or, as far as known, elsewhere")
    yield Row("Came again after collecting", str(found.already_collected), "sent to the desk")
    yield Row(
        "Two hand-overs for one household", str(known.conflicts), "kept for reconciliation; both were served"
    )
    if known.unconfirmed:
        told = "their desk could not be told yet; the aggregator compares them"
        yield Row("Hand-overs that the owner's desk does not know of", str(known.unconfirmed), told)
    for answer in (Answer.NOT_GIVEN, Answer.DESK, Answer.PERSON):
        if count := found.by_answer.get(answer.value):
            yield Row(answer.value.capitalize(), str(count))
    if found.registered:
        yield Row("Registered", str(found.registered))
    yield Row("Did not want biometrics", str(found.declined), "served the same")


def _bases(found: Figures) -> Iterator[Row]:
    for basis in Basis:
        yield Row(basis.value.capitalize(), str(found.by_basis[basis.value]))
    if found.owner_silent:
        yield Row("Without the word of the household's owner", str(found.owner_silent), "inside the loss cap")


def _stock(found: Figures) -> Iterator[Row]:
    for stock in found.known.stock:
        yield Row(
            f"{stock.item} ({stock.unit})", stock.issued, f"handed over here, of {stock.due} due to all"
        )


def _refusals(found: Figures) -> Iterator[Row]:
    estimate = found.wrongful_refusals
    if estimate is None:
        yield Row("All", "not known", "nobody was compared 1:1 of whom it can be told")
    else:
        yield Row("All", _rate(estimate), _of(estimate))
        if estimate.unsettled:
            yield Row(
                "At most",
                _percent(estimate.highest_rate),
                f"if the {estimate.unsettled} who left without service after it were the right people too",
            )
    for cohort in found.cohorts:
        if cohort.estimate is None:
            yield Row(
                cohort.cohort, "not shown", f"fewer than {SMALL_CELL} attempts here or in another group"
            )
        else:
            yield Row(cohort.cohort, _rate(cohort.estimate), _of(cohort.estimate))
    if found.untold is not None:
        yield Row(
            "Not counted: somebody of the household is not registered",
            f"{found.untold.refused} of {found.untold.people} people",
            "whether their own templates were compared is not known; with all of them the rate would be "
            f"{_percent(found.untold.highest_rate)} at most",
        )
    if found.searched_without_hit:
        yield Row(
            "Searches without a hit", str(found.searched_without_hit), "not counted: many are not registered"
        )


def _times(found: Figures) -> Iterator[Row]:
    if found.times is None:
        return
    target = TARGETS.get(found.known.workflow)
    median, p95 = (f"; target {target.median_s:g} s", f"target {target.p95_s:g} s") if target else ("", "")
    yield Row(
        "Median, greeting to answer", _seconds(found.times.median_s), f"{found.times.people} people{median}"
    )
    yield Row("95 % took at most", _seconds(found.times.p95_s), p95)
    if found.per_hour:
        hour, most = max(found.per_hour, key=lambda each: each[1])
        yield Row("Most people in an hour", str(most), hour)
    path = found.path_without_biometrics
    if path is None:
        yield Row("Longer without biometrics", "not known", "too few people on one of the two paths")
        return
    yield Row(
        "Longer without biometrics",
        _seconds(path.difference_s),
        f"95 % interval {_seconds(path.low_s)} to {_seconds(path.high_s)}; medians "
        f"{_seconds(path.median_without_s)} of {path.without} people ({path.declined} declined) and "
        f"{_seconds(path.median_with_s)} of {path.with_biometrics}; target {PATH_TARGET_S:g} s at most",
    )


def _overrides(found: Figures) -> Iterator[Row]:
    for each in found.overrides:
        signers = " and ".join(filter(None, (each.supervisor or "nobody", each.countersigned_by)))
        who = f"{each.operator or 'not signed in'}, signed by {signers}"
        yield Row(who, str(each.count), each.reason)
    if found.known.exceptions_left is not None:
        yield Row("Left of the loss cap", str(found.known.exceptions_left))


def _device(found: Figures) -> Iterator[Row]:
    known = found.known
    if not known.opened:
        yield Row("Faults", "not counted", "the day was not opened")
    for part, count in known.faults.items():
        yield Row(f"Faults of: {part}", str(count))
    yield Row("Records that the aggregator does not hold yet", str(known.waiting))
    if known.list_digest:
        yield Row("Digest of the list", "", f"{known.list_digest}, as in the receipt when it is erased")
    if known.resemblances:
        yield Row("Pairs of entries that may be one person", str(known.resemblances), "for an adjudicator")


def _rate(estimate: Estimate) -> str:
    return (
        f"{_percent(estimate.rate)} (95 % interval {_percent(estimate.low)} to {_percent(estimate.high)})"
        if estimate.attempts
        else "not known"
    )


def _of(estimate: Estimate) -> str:
    return f"{estimate.refused} of {estimate.attempts} people"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _seconds(value_s: float) -> str:
    return f"{value_s:.1f} s"
