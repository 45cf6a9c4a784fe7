"""A small simulated day over the real parts: its rules hold, its paths are walked, a seed says it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware.cli import main
from firmware.simulate.assumptions import Assumptions, Outage, Shares
from firmware.simulate.day import Course, Plan, simulate
from firmware.simulate.error_rates import ErrorRates
from firmware.simulate.results import Result, result
from inference.operating_point import DEFAULT
from inference.operating_point_file import read
from trust.service import Answer, Basis, Workflow

HARD = Assumptions(
    shares=Shares(
        absent=0.05, registered=0.85, declines=0.1, wet=0.3, worn=0.5, poor_face=0.4, covers_face=0.2,
        lost_card=0.06, damaged_card=0.08, foreign_card=0.04, old_card=0.04, again=0.15, stranger=0.05,
        alternate=0.15, wrong_card=0.3, double_scan=0.2, forgotten=0.15, never_pressed=0.5, wrong_pin=0.2,
        question=0.2, complains=0.2, twin=0.2, infant=0.15, wrong_confirmation=0.1, registers=0.8,
        no_card=0.3,
    ),
    peaks=(1.0,),
    loss_cap=0.3,
    outages=(Outage("uplink", 0.05, 0.3), Outage("site network", 0.1, 0.3), Outage("reader", 0.2, 0.3)),
)  # fmt: skip
"""A day on which everything goes wrong, so that a small one walks every path."""


def run_day(
    folder: Path,
    workflow: Workflow,
    *,
    people: int = 60,
    seed: int = 1,
    lanes: int = 2,
    look: Callable[[Course], None] = lambda _course: None,
) -> Result:
    rates, found = ErrorRates.of(read(DEFAULT)), []

    def finish(course: Course) -> None:
        look(course)
        found.append(result(course, rates.name))

    folder.mkdir()
    plan = Plan(workflow=workflow, people=people, seed=seed, hours=0.5, lanes=lanes, assumptions=HARD)
    simulate(plan, rates, folder, finish)
    (only,) = found
    return only


def test_a_hard_day_at_two_lanes_of_a_camp_keeps_every_rule_and_walks_every_path(tmp_path: Path) -> None:
    day = run_day(tmp_path / "day", Workflow.DISTRIBUTION)
    assert day.broken_rules == ()
    assert day.truth.twice_here == 0
    paths = {answer.value for answer in Answer} - {Answer.VISIT.value, Answer.REGISTERED.value}
    assert set(day.by_answer) == paths
    bases = {Basis.BIOMETRIC, Basis.CARD, Basis.ALTERNATE, Basis.EXCEPTION}
    assert set(day.by_basis) == {basis.value for basis in bases}
    assert day.stale_acts, "nobody scanned twice"
    assert day.truth.not_written_down, "nobody forgot GIVEN for good"
    assert day.faults == {"fingerprint": 1}
    assert day.truth.twice == day.conflicts, (
        "each double hand-over between the lanes is reported, and no other"
    )
    assert {each.supervisor for each in day.overrides} == {"boris"}


def test_nobody_at_a_clinic_leaves_without_a_token_and_the_same_seed_is_the_same_day(tmp_path: Path) -> None:
    first = run_day(tmp_path / "first", Workflow.CLINIC, people=40, lanes=1)
    assert first.broken_rules == ()
    assert first.by_answer[Answer.VISIT.value] == first.people
    assert set(first.by_answer) <= {Answer.VISIT.value, Answer.PERSON.value}, "staff scanned a wrong card"
    assert first.truth.refused == {}
    assert set(first.by_basis) == {"biometric", "suggestion confirmed by staff", "card only", "paper"}
    assert first.registered
    again = run_day(tmp_path / "again", Workflow.CLINIC, people=40, lanes=1)
    assert again == first
    other = run_day(tmp_path / "other", Workflow.CLINIC, people=20, lanes=1, seed=2)
    assert other.digest != first.digest


def test_a_report_that_is_not_what_happened_is_noticed(tmp_path: Path) -> None:
    def falsify(course: Course) -> None:
        course.sessions.pop()
        first = next(session for session in course.sessions if session.left.answer is Answer.GIVEN)
        course.sessions.append(first)

    day = run_day(tmp_path / "day", Workflow.DISTRIBUTION, people=12, lanes=1, look=falsify)
    said = " ".join(day.broken_rules)
    assert "left without an answer" in said
    assert "collected twice at one appliance" in said
    assert "answers in the report" in said
    assert "stock in the report" in said


def test_who_declines_and_goes_without_is_noticed(tmp_path: Path) -> None:
    def send_away(course: Course) -> None:
        for place, session in enumerate(course.sessions):
            if session.left.declined:
                left = replace(session.left, answer=Answer.PERSON, handed_over=False)
                course.sessions[place] = replace(session, left=left)

    day = run_day(tmp_path / "day", Workflow.CLINIC, people=30, lanes=1, look=send_away)
    assert any("declined, and was not served" in rule for rule in day.broken_rules)


def test_the_command_writes_figures_and_each_lanes_own_report(tmp_path: Path) -> None:
    out, figures = tmp_path / "out", tmp_path / "figures.json"
    words = ["simulate", "day", "--workflow=distribution", "--people=8", f"--out={out}", f"--json={figures}"]
    ran = CliRunner().invoke(main, [*words, "--hours=1"])
    assert ran.exit_code == 0, ran.output
    assert "Every rule of the work holds." in ran.output
    assert figures.read_bytes() == (out / "figures.json").read_bytes()
    assert {path.name for path in (out / "desk-1").iterdir()} == {"report.pdf", "report.csv", "report.json"}


@pytest.mark.parametrize(("poor", "least", "most"), [(True, 0.1, 0.4), (False, 0.005, 0.02)])
def test_a_poor_face_fails_as_often_as_the_worst_images_did(poor: bool, least: float, most: float) -> None:
    rates = ErrorRates.of(read(DEFAULT))
    assert least < rates.face_fails(poor=poor) < most
    assert rates.finger_fails(poor=poor, fingers=1, face=False) == 1.0, "one finger alone supports no 1e-4"
