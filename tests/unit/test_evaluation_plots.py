"""The figures of a run: each is written twice, and shows what it says."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from inference.evaluation.cohort_file import read_cohorts
from inference.evaluation.cohorts import cohort_report
from inference.evaluation.fuse import fuse_evaluations
from inference.evaluation.metrics import ScoreSet
from inference.evaluation.plots import draw, draw_fusion
from tests.kit.drawn_evaluations import drawn_evaluation, drawn_set

pytest.importorskip("matplotlib", reason="drawing needs the extra `evaluation`")


def check(svg: Path) -> None:
    assert ET.parse(svg).getroot().tag.endswith("svg")  # noqa: S314 -- our own file
    assert svg.stat().st_size < 120_000
    picture = cv2.imread(str(svg.with_suffix(".png")))
    assert picture is not None
    edges = (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:])
    darkest = min(int(edge.min()) for edge in edges)
    assert darkest == 255, "something reaches the edge and may be cut off"


def test_every_figure_is_drawn_and_nothing_is_cut_off(tmp_path: Path) -> None:
    sets = [drawn_set(name, 20, 4, distance=4, seed=seed) for name, seed in (("first", 1), ("second", 2))]
    evaluation = drawn_evaluation("finger/R503", sets)
    rows = "identity,age_band\n" + "".join(f"{n:03d},{('18-39', '60+')[n % 2]}\n" for n in range(18))
    (tmp_path / "cohorts.csv").write_text(rows)
    cohorts = cohort_report(evaluation.report, evaluation.sets, read_cohorts(tmp_path / "cohorts.csv"))
    drawn = draw(evaluation, tmp_path, cohorts)
    assert {path.name for path in drawn} == {
        "det.svg",
        "scores.svg",
        "discard.svg",
        "calibration.svg",
        "cohorts.svg",
    }
    for path in drawn:
        check(path)


def test_long_names_of_cohorts_are_not_cut_off(tmp_path: Path) -> None:
    from inference.evaluation.plots.cohorts import draw_cohorts

    evaluation = drawn_evaluation("face", [drawn_set("people", 20, 3, distance=4, seed=1)])
    names = ("those who came to the district hospital in the north before the road was made", "x" * 150)
    rows = "identity,region\n" + "".join(f"{n:03d},{names[n % 2]}\n" for n in range(18))
    (tmp_path / "cohorts.csv").write_text(rows)
    cohorts = cohort_report(evaluation.report, evaluation.sets, read_cohorts(tmp_path / "cohorts.csv"))
    check(draw_cohorts("face", cohorts, tmp_path / "cohorts"))


def test_a_discard_curve_of_one_point_is_not_drawn(tmp_path: Path) -> None:
    evaluation = drawn_evaluation("face", [drawn_set("people", 20, 3, distance=4, seed=1)])
    curve = evaluation.report.discard
    assert curve is not None
    one = msgspec.structs.replace(curve, points=curve.points[:1])
    drawn = draw(
        replace(evaluation, report=msgspec.structs.replace(evaluation.report, discard=one)), tmp_path
    )
    assert "discard.svg" not in {path.name for path in drawn}


def test_scores_without_any_error_are_drawn_too(tmp_path: Path) -> None:
    evaluation = drawn_evaluation("face", [drawn_set("apart", 20, 3, distance=40, seed=1)])
    for path in draw(evaluation, tmp_path):
        check(path)


def test_the_parts_of_fusion_share_one_figure(tmp_path: Path) -> None:
    face = drawn_evaluation("face", [drawn_set("people", 40, 3, distance=3, seed=1)])
    finger = drawn_evaluation("finger/R503", [drawn_set("prints", 16, 5, distance=3, seed=2)])
    check(draw_fusion(fuse_evaluations(face, finger, pairings=2, seed=1), tmp_path))


def test_the_curve_passes_through_the_rates_at_its_thresholds() -> None:
    from inference.evaluation.plots.det import curve

    random = np.random.default_rng(1)
    scores = ScoreSet(random.normal(3, 1, 500), random.normal(0, 1, 5_000))
    fmr, fnmr = curve(scores)
    assert np.all(np.diff(fmr) <= 0)
    assert np.all(np.diff(fnmr) >= 0)
    for rate in (1e-1, 1e-2, 1e-3):
        nearest = int(np.argmin(np.abs(np.log(np.maximum(fmr, 1e-9)) - np.log(rate))))
        assert fnmr[nearest] == pytest.approx(scores.at_fmr(rate).fnmr, abs=0.02)
