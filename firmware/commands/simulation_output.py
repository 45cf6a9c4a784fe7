"""The figures of a simulated day as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from firmware.day.figures import Estimate, PathDifference, Times
from firmware.simulate.day import HOUSEHOLDS_AN_HOUR
from firmware.simulate.results import LEFT_WITHOUT_TARGET, SLOWER_TARGET_S, Result
from trust.service import Workflow

Line: TypeAlias = tuple[str, str, str]
"""What, its value, and the aim."""


def show_result(shown: Result, console: Console) -> None:
    """Print the table, the rules that do not hold, and the digest."""
    table = Table("What", "Value", "Aim", box=SIMPLE, pad_edge=False)
    for line in (*_pace(shown), *_services(shown), *_sureness(shown)):
        table.add_row(*line)
    console.print(table)
    for rule in shown.broken_rules:
        console.print(f"BROKEN: {rule}", highlight=False, markup=False)
    if not shown.broken_rules:
        console.print("Every rule of the work holds.")
    console.print(f"digest {shown.digest}", highlight=False)


def _pace(shown: Result) -> Iterator[Line]:
    yield "people, lanes", f"{shown.people}, {shown.lanes}", ""
    yield "people an hour", f"{shown.per_hour:.0f}", ""
    aim = f"at least {HOUSEHOLDS_AN_HOUR}" if shown.workflow is Workflow.DISTRIBUTION else ""
    yield "one lane could take, an hour", f"{shown.lane_per_hour:.0f}", aim
    median, p95 = _times(shown.session_s)
    yield "greeting to answer, median", median, f"{shown.target_median_s:.0f} s at most"
    yield "greeting to answer, P95", p95, f"{shown.target_p95_s:.0f} s at most"
    yield "waited in the queue, median and P95", " and ".join(_times(shown.waited_s)), ""
    slower = _difference(shown.path_without_biometrics)
    yield "slower without finger and face", slower, f"{SLOWER_TARGET_S:.0f} s at most"


def _services(shown: Result) -> Iterator[Line]:
    truth = shown.truth
    for answer, count in shown.by_answer.items():
        yield f"answer: {answer}", f"{count}", ""
    for basis, count in shown.by_basis.items():
        yield f"basis: {basis}", f"{count}", ""
    yield "registered", f"{shown.registered}", ""
    without = sum(truth.refused.values())
    share = without / truth.due if truth.due else 0.0
    yield (
        "were due and left without (to the desk or a person)",
        f"{without} of {truth.due}: {share:.1%}",
        f"{LEFT_WITHOUT_TARGET:.0%} at most",
    )
    for answer, count in truth.refused.items():
        yield f"  {answer}", f"{count}", ""
    for each in shown.overrides:
        signers = " and ".join(filter(None, (each.supervisor, each.countersigned_by)))
        who = f"{each.operator} asked, {signers} signed: {each.reason}"
        yield f"exceptions, {who}", f"{each.count}", ""


def _sureness(shown: Result) -> Iterator[Line]:
    truth = shown.truth
    yield "finger and face refused the right person, as reported", _estimate(shown.wrongful_refusals), ""
    yield "the same, as it was", f"{truth.not_matched} of {truth.compared}", ""
    yield "compared without templates of their own", f"{truth.without_own}", ""
    yield "collected twice at one appliance", f"{truth.twice_here}", "0"
    yield "collected twice at the site, and reported", f"{truth.twice}, {shown.conflicts}", ""
    yield "handed over and not written down", f"{truth.not_written_down}", ""
    yield "acts for a screen that was over", f"{shown.stale_acts}", ""
    yield "events that wait for the aggregator", f"{shown.waiting_events}", ""
    for part, count in shown.faults.items():
        yield f"faults of the {part}", f"{count}", ""


def _times(found: Times | None) -> tuple[str, str]:
    return ("-", "-") if found is None else (f"{found.median_s:.1f} s", f"{found.p95_s:.1f} s")


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "-"
    return f"{found.refused} of {found.attempts}: {found.rate:.1%} ({found.low:.1%} to {found.high:.1%})"


def _difference(found: PathDifference | None) -> str:
    if found is None:
        return "too few to say"
    return f"{found.difference_s:.1f} s ({found.low_s:.1f} to {found.high_s:.1f})"
