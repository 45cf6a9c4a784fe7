"""APCER and BPCER counted on constructed scores, where every figure is known beforehand."""

import math

import numpy as np
import pytest

from firmware.commands.attack_output import threshold_cell
from inference.evaluation.attack_metrics import AttackScores
from inference.evaluation.attacks import BONA_FIDE, Scored, evaluation
from inference.evaluation.metrics import NotMeasurable
from inference.evaluation.presentations import PresentationFiles

BONA_FIDE_SCORES = np.arange(100) / 200
"""0, 0.005 .. 0.495."""
SCORES = AttackScores(BONA_FIDE_SCORES, {"print": [0.2, 0.6, 0.9, 0.9], "replay": [0.9] * 10})


def test_an_attack_below_the_threshold_gets_through_and_a_bona_fide_one_at_it_is_held_back() -> None:
    at = SCORES.at(0.45)
    assert (at.apcer["print"].errors, at.apcer["print"].presentations) == (1, 4)
    assert (at.apcer["replay"].errors, at.apcer["replay"].presentations) == (0, 10)
    assert (at.bpcer.errors, at.bpcer.rate) == (10, 0.1)


def test_the_worst_species_is_named_and_never_averaged_with_another() -> None:
    at = SCORES.at(0.45)
    assert (at.apcer_worst.species, at.apcer_worst.apcer.rate) == ("print", 0.25)


def test_intervals_are_those_of_wilson() -> None:
    low, high = SCORES.at(0.45).bpcer.interval_95
    assert (low, high) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert SCORES.at(0.45).apcer["replay"].interval_95 == pytest.approx((0.0, 0.2775), abs=1e-4)


@pytest.mark.parametrize(("bpcer", "held_back"), [(0.01, 1), (0.05, 5), (0.0, 0)])
def test_at_a_fixed_bpcer_the_threshold_is_the_lowest_that_keeps_it(bpcer: float, held_back: int) -> None:
    at = SCORES.at_bpcer(bpcer)
    assert at.bpcer.errors == held_back
    assert SCORES.at(np.nextafter(at.threshold, 0)).bpcer.errors == held_back + 1


def test_at_a_fixed_apcer_every_species_keeps_it() -> None:
    scores = AttackScores(BONA_FIDE_SCORES, {"a": np.arange(20) / 20, "b": np.linspace(0.4, 1, 20)})
    at = scores.at_apcer(0.1)
    assert at.apcer["a"].errors == 2
    assert at.apcer["b"].errors == 0
    assert at.threshold == 0.1
    assert at.bpcer.errors == 80


def test_equal_scores_fall_on_one_side_together() -> None:
    at = AttackScores([0.0] * 98 + [0.3] * 2, {"print": [0.3, 0.5]}).at_bpcer(0.01)
    assert at.bpcer.errors == 0
    assert at.apcer["print"].errors == 1


def test_a_rate_that_the_number_of_presentations_cannot_support_says_so() -> None:
    assert not SCORES.at_bpcer(0.01).supported
    assert SCORES.at_bpcer(0.05).supported


def test_presentations_without_a_face_are_reported_apart() -> None:
    files = [PresentationFiles(f"{number}.png", ()) for number in range(4)]
    scored = [Scored(each.name, score, "" if score is not None else "no face")
              for each, score in zip(files, [0.1, 0.9, None, 0.9], strict=True)]  # fmt: skip
    report = evaluation({BONA_FIDE: files, "print": files}, {BONA_FIDE: scored, "print": scored}, ()).report
    assert (report.apcer["print"].errors, report.apcer["print"].presentations) == (1, 3)
    assert (report.bpcer.errors, report.bpcer.presentations) == (2, 3)
    assert (report.attacks[0].fta.errors, report.attacks[0].fta.presentations) == (1, 4)
    assert report.attacks[0].failures == {"no face": 1}
    assert [failure.image for failure in report.failures] == ["bona fide/2.png", "print/2.png"]
    assert "no resistance is claimed" in report.statement


def test_a_species_that_gave_no_face_at_all_cannot_be_measured() -> None:
    files = [PresentationFiles("1.png", ())]
    good, none = [Scored("1.png", 0.1, "")], [Scored("1.png", None, "no face")]
    with pytest.raises(NotMeasurable, match=r"presentations of mask gave a usable face.*no face"):
        evaluation({BONA_FIDE: files, "mask": files}, {BONA_FIDE: good, "mask": none}, ())


def test_a_threshold_just_beyond_a_score_is_not_shown_as_that_score() -> None:
    thresholds = (0.0, math.nextafter(0, 1), 0.55, 1.0, math.nextafter(1, 2))
    shown = [threshold_cell(threshold) for threshold in thresholds]
    assert shown == ["0.00", ">0", "0.55", "1.00", ">1"]
