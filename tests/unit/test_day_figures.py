"""The report's figures, on people served by hand whose answers are known."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from firmware.day.figures import Known, Stock, Untold, figures, path_difference, times, wrongful_refusals
from firmware.day.known import stock_of
from firmware.day.report_files import as_csv, as_json, write_report
from firmware.day.sentences import sections
from firmware.day.served import Attempt, Served
from firmware.records import ClockQuality, Moment
from tests.kit.work_lists import household
from trust.service import Answer, Basis, Reason, Workflow

START_NS = int(datetime(2026, 11, 25, 8, 50, tzinfo=UTC).timestamp()) * 10**9


def served(
    minute: float = 0,
    *,
    answer: Answer = Answer.GIVEN,
    basis: Basis | None = Basis.BIOMETRIC,
    attempt: Attempt = Attempt.SUPPORTED,
    seconds: float = 20.0,
    cohort: str = "",
    declined: bool = False,
    reason: Reason | None = None,
) -> Served:
    now_ns = START_NS + int(minute * 60e9)
    return Served(
        moment=Moment(bytes(16), now_ns, now_ns, ClockQuality.CHECKED),
        workflow=Workflow.DISTRIBUTION,
        answer=answer,
        basis=basis,
        reason=reason,
        attempt=attempt,
        declined=declined,
        cohort=cohort,
        duration_ns=int(seconds * 1e9),
        operator="amina",
        supervisor="tomas" if basis is Basis.EXCEPTION else "",
        on_list=True,
    )


REFUSED = served(
    basis=Basis.EXCEPTION, attempt=Attempt.NOT_SUPPORTED, reason=Reason.WORN_FINGERS, seconds=60, cohort="60+"
)
KNOWN = Known(
    workflow=Workflow.DISTRIBUTION,
    site="site-1",
    device_id="post-1",
    cycle="2026-11",
    planned=40,
    came=33,
    elsewhere=2,
    conflicts=1,
    exceptions_left=4,
    stock=(Stock("rice", "kg", "500", "387.5"),),
    faults={"camera": 2},
    complaints={"too long a wait": 1},
    waiting=3,
)


def test_who_had_nothing_to_be_compared_with_is_no_wrongful_refusal() -> None:
    rows = [served()] * 90 + [REFUSED] + [msgspec.structs.replace(REFUSED, some_unregistered=True)] * 8
    rows += [msgspec.structs.replace(served(), some_unregistered=True)]
    found = figures(rows, KNOWN)
    estimate = found.wrongful_refusals
    assert estimate is not None
    assert (estimate.refused, estimate.attempts) == (1, 91)
    assert found.untold == Untold(9, 8, 9 / 100)
    (said,) = [row for section in sections(found) for row in section.rows if "not registered" in row.what]
    assert said.value == "8 of 9 people"
    assert "9.0 % at most" in said.note
    assert figures([served()], KNOWN).untold is None


def test_every_figure_of_a_day_that_was_counted_by_hand() -> None:
    rows = [
        *(served(minute, seconds=15 + minute % 3, cohort="18-59") for minute in range(19)),  # 15, 16 or 17 s
        REFUSED,
        served(70, basis=Basis.ALTERNATE, attempt=Attempt.NO_SAMPLE, seconds=50, cohort="60+"),
        *(served(75, basis=Basis.CARD, attempt=Attempt.NONE, seconds=26, declined=True) for _ in range(10)),
        served(76, answer=Answer.ALREADY_COLLECTED, basis=None, attempt=Attempt.NONE),
        served(77, answer=Answer.DESK, basis=None, attempt=Attempt.NOT_SUPPORTED),
        served(78, answer=Answer.NOT_GIVEN, basis=None),
    ]
    found = figures(rows, KNOWN)
    assert (found.people, found.served, found.absent, found.declined, found.already_collected) == (
        34,
        31,
        7,
        10,
        1,
    )
    assert found.by_basis == {
        "biometric": 19, "suggestion confirmed by staff": 0, "card only": 10, "alternate": 1, "exception": 1,
        "paper": 0,
    }  # fmt: skip
    estimate = found.wrongful_refusals
    assert estimate is not None
    assert (estimate.refused, estimate.attempts, estimate.unsettled) == (2, 22, 1)  # NOT_GIVEN was supported
    assert estimate.rate == pytest.approx(2 / 22)
    assert (estimate.low, estimate.high) == pytest.approx((0.02533, 0.27812), abs=1e-4)  # Wilson, 2 of 22
    assert estimate.highest_rate == pytest.approx(3 / 23)
    assert found.times is not None
    assert (found.times.people, found.times.median_s, found.times.p95_s) == (31, 17.0, 50.0)
    path = found.path_without_biometrics
    assert path is not None
    assert (path.with_biometrics, path.without, path.declined) == (19, 10, 10)
    assert path.difference_s == 10.0
    assert path.low_s <= 10.0 <= path.high_s
    assert path.low_s >= 9.0
    assert path.high_s <= 11.0
    assert [(each.operator, each.supervisor, each.count) for each in found.overrides] == [
        ("amina", "tomas", 1)
    ]
    assert found.per_hour == (("25 Nov 08:00", 11), ("25 Nov 09:00", 9), ("25 Nov 10:00", 14))
    assert found.clock_checked


def test_a_small_cohort_is_not_shown_and_cannot_be_worked_out() -> None:
    rows = [served(cohort="a") for _ in range(30)] + [served(cohort="b") for _ in range(12)]
    rows += [REFUSED] * 3  # of "60+"
    shown = {cohort.cohort: cohort.estimate for cohort in figures(rows, KNOWN).cohorts}
    assert shown["60+"] is None
    assert shown["b"] is None, "or the total less the others would be the small one"
    assert shown["a"] is not None
    assert shown["a"].attempts == 30
    written = json.loads(as_json(figures(rows, KNOWN)))["cohorts"]
    assert {"cohort": "60+", "estimate": None} in written


def test_who_says_no_while_the_appliance_looks_walked_the_path_without_biometrics() -> None:
    said_no = served(seconds=25, basis=Basis.CARD, attempt=Attempt.BROKEN_OFF, declined=True)
    helped = served(seconds=90, basis=Basis.CARD, attempt=Attempt.BROKEN_OFF)
    found = path_difference([served()] * 5 + [said_no] * 5 + [helped] * 5)
    assert found is not None
    assert (found.without, found.declined, found.difference_s) == (5, 5, 5.0)


def test_nothing_is_said_of_what_was_not_seen() -> None:
    found = figures([], Known(workflow=Workflow.CLINIC, site="s", device_id="d", cycle="", opened=False))
    assert (found.wrongful_refusals, found.times, found.path_without_biometrics, found.absent) == (None,) * 4
    said = {row.what: row.value for section in sections(found) for row in section.rows}
    assert (said["All"], said["Planned (appointments)"], said["Faults"]) == (
        "not known",
        "no list",
        "not counted",
    )
    assert path_difference([served()] * 4 + [served(attempt=Attempt.NONE, basis=Basis.CARD)] * 9) is None
    assert wrongful_refusals([served(attempt=Attempt.NOT_FOUND), served(attempt=Attempt.BROKEN_OFF)]) is None


def test_p95_is_by_nearest_rank() -> None:
    hundred = times([float(second) for second in range(1, 101)])
    assert hundred is not None
    assert (hundred.median_s, hundred.p95_s) == (50.5, 95.0)


def test_stock_is_exact() -> None:
    households = [household(number) for number in range(1, 4)]  # 12.5 kg of rice and 2 l of oil each
    assert stock_of(households, ["hh-0001", "hh-0003"]) == (
        Stock("oil", "l", "6", "4"),
        Stock("rice", "kg", "37.5", "25.0"),
    )


def test_the_files_say_the_same_and_what_the_pdf_cannot_show(tmp_path: Path) -> None:
    stock = (Stock("=riz étuvé", "kg", "500", "387.5"), Stock("أرز", "kg", "1", "0"))
    known = msgspec.structs.replace(KNOWN, stock=stock)
    found = figures([served(minute) for minute in range(90)], known)
    paths = write_report(found, tmp_path / "out")
    assert [path.name for path in paths] == ["report.pdf", "report.csv", "report.json"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in paths}
    pdf = paths[0].read_bytes()
    assert (pdf[:5], pdf.rstrip()[-5:]) == (b"%PDF-", b"%%EOF")
    rows = list(csv.reader(io.StringIO(as_csv(found).decode("utf-8-sig"))))
    assert ["Stock", "'=riz étuvé (kg)", "387.5", "handed over here, of 500 due to all"] in rows
    assert ["Stock", "أرز (kg)", "0", "handed over here, of 1 due to all"] in rows
    assert json.loads(paths[2].read_bytes())["known"]["stock"][1]["item"] == "أرز"
