"""What is said about error rates: identity-level intervals, discarded samples, calibration, cohorts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.evaluation.calibration_quality import cllr, held_out, min_cllr
from inference.evaluation.cohort_file import read_cohorts
from inference.evaluation.cohorts import cohort_report, worse_cohorts
from inference.evaluation.datasets import DataSetRefused
from inference.evaluation.discard import discard_curve
from inference.evaluation.intervals import wilson
from inference.evaluation.measured import MeasuredSet, Trials, pool_sets
from inference.evaluation.metrics import ScoreSet
from inference.evaluation.resample import Resampled, resample
from tests.kit.drawn_evaluations import drawn_evaluation, drawn_set


def paired_set(genuine: np.ndarray, per_identity: int, seed: int) -> MeasuredSet:
    """Genuine scores dealt to identities in order; impostors of normal scores between neighbours."""
    random = np.random.default_rng(seed)
    identities = genuine.size // per_identity
    images = np.arange(2 * identities)
    of_genuine = np.repeat(np.arange(identities), per_identity)
    neighbours = np.stack([images[:-2], images[2:]], axis=1).repeat(20, axis=0)
    return MeasuredSet(
        "paired",
        identities,
        images.size,
        genuine,
        random.normal(-4, 1, len(neighbours)),
        Trials(
            images // 2,
            np.full(images.size, 50.0),
            np.stack([2 * of_genuine, 2 * of_genuine + 1], axis=1),
            neighbours,
        ),
    )


def interval_of(values: np.ndarray) -> tuple[float, float]:
    interval = Resampled.interval_95(values)
    assert interval is not None
    return interval


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def test_drawing_identities_agrees_with_the_binomial_interval_where_comparisons_are_independent() -> None:
    genuine = np.where(np.arange(400) % 10 == 0, -9.0, 9.0)
    drawn = resample(paired_set(genuine, 1, seed=1), 0.1, [1e-2])
    assert drawn is not None
    interval = interval_of(drawn.fnmr[:, 0])
    assert interval[0] < 0.1 < interval[1]
    assert width(interval) == pytest.approx(width(wilson(40, 400)), rel=0.15)


def test_drawing_identities_widens_the_interval_where_one_person_brings_many_comparisons() -> None:
    genuine = np.repeat(np.where(np.arange(40) % 10 == 0, -9.0, 9.0), 10)
    drawn = resample(paired_set(genuine, 10, seed=1), 0.1, [1e-2])
    assert drawn is not None
    interval = interval_of(drawn.fnmr[:, 0])
    assert interval[0] < 0.1 < interval[1]
    assert width(interval) > 2.5 * width(wilson(40, 400))  # the square root of 10 comparisons each


def test_no_error_is_no_interval_by_identity_since_0_to_0_would_read_as_certainty(tmp_path: Path) -> None:
    people = drawn_set("people", 20, 3, distance=40, seed=1)
    evaluation = drawn_evaluation("face", [people])
    row = evaluation.report.fnmr_at_fmr["1e-2"]
    assert (evaluation.report.eer, row.fnmr) == (0, 0)
    assert evaluation.report.eer_interval_95_by_identity is None
    assert row.interval_95_by_identity is None
    assert row.interval_95 == wilson(0, people.scores.genuine.size)
    file = read_cohorts(cohort_csv(tmp_path, "identity,sex\n" + "".join(f"{n:03d},f\n" for n in range(9))))
    women = cohort_report(evaluation.report, evaluation.sets, file).attributes["sex"]["f"]
    assert women.fnmr.interval_95_by_identity is None


def test_the_tail_that_is_resampled_gives_what_all_impostors_give() -> None:
    measured = drawn_set("people", 60, 4, distance=3, seed=1).scores
    scores = ScoreSet(measured.genuine, measured.impostor)
    drawn = resample(measured, scores.equal_error_rate(), [1e-2, 1e-3])
    assert drawn is not None
    for column, fmr in enumerate((1e-2, 1e-3)):
        low, high = interval_of(drawn.fnmr[:, column])
        assert low < scores.at_fmr(fmr).fnmr < high
    low, high = interval_of(drawn.eer)
    assert low < scores.equal_error_rate() < high


def test_worst_samples_are_dropped_with_all_their_comparisons() -> None:
    trials = Trials(
        identity=np.array([0, 0, 0, 1]),
        quality=np.array([10.0, 60.0, 70.0, 80.0]),
        genuine=np.repeat([[0, 1], [0, 2], [1, 2]], 30, axis=0),
        impostor=np.array([[0, 3]]),
    )
    genuine = np.repeat([1.0, 3.0, 3.0], 30)
    curve = discard_curve(MeasuredSet("three", 2, 4, genuine, np.zeros(1), trials), "1e-2", threshold=2.0)
    assert curve is not None
    assert [(point.dropped, point.genuine, point.fnmr) for point in curve.points] == [
        (0.0, 90, pytest.approx(1 / 3)),
        (0.25, 30, 0.0),
    ]


def test_the_cost_of_likelihood_ratios_worked_out_by_hand() -> None:
    nothing = np.zeros(4)
    assert cllr(nothing, nothing) == pytest.approx(1.0)  # no evidence costs one bit
    assert cllr(np.full(4, 50.0), np.full(4, -50.0)) == pytest.approx(0.0, abs=1e-12)
    # Best calibration of i g i g: never, even, even, always; half of each kind costs log2(1 + 1).
    assert min_cllr(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == pytest.approx(0.5)
    assert min_cllr(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 0.0


def test_calibration_that_was_fitted_elsewhere_costs_little_more_than_the_best() -> None:
    sets = [drawn_set(name, 20, 5, distance=4, seed=seed).scores for name, seed in (("a", 1), ("b", 2))]
    unseen = held_out(sets)
    best = min_cllr(unseen.genuine, unseen.impostor)
    assert best < cllr(unseen.genuine, unseen.impostor) < best + 0.02
    halved = held_out(sets[:1])
    assert halved.impostor.size < sets[0].impostor.size / 1.9  # comparisons across the halves are left out
    off = cllr(unseen.genuine + 3, unseen.impostor + 3)
    assert off > 2 * best


def test_no_data_set_is_judged_by_a_calibration_that_has_seen_it() -> None:
    plain = drawn_set("plain", 20, 5, distance=4, seed=1).scores
    shifted = replace(plain, genuine=plain.genuine + 2, impostor=plain.impostor + 2)
    alike, unlike = held_out([plain, replace(plain)]), held_out([plain, shifted])
    assert cllr(unlike.genuine, unlike.impostor) > 1.5 * cllr(alike.genuine, alike.impostor)


def test_identities_of_different_data_sets_stay_different() -> None:
    one, other = (drawn_set(name, 3, 2, distance=4, seed=seed).scores for name, seed in (("a", 1), ("b", 2)))
    trials = pool_sets([one, other]).trials
    assert trials is not None
    assert trials.identity.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert trials.genuine.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert trials.impostor.max() == 11


def cohort_csv(folder: Path, text: str) -> Path:
    file = folder / "cohorts.csv"
    file.write_text(text)
    return file


def test_rates_of_cohorts_count_what_lies_within_them(tmp_path: Path) -> None:
    people = drawn_set("people", 6, 3, distance=9, seed=1, failed=frozenset({0, 1, 2, 3}))
    people.scores.genuine[-3:] = -9.0  # nobody recognises the last person
    evaluation = drawn_evaluation("face", [people])
    rows = "identity,sex\n000,f\n001,f\n002,f\n003,m\n005,m\nnobody,m\n"
    cohorts = cohort_report(evaluation.report, evaluation.sets, read_cohorts(cohort_csv(tmp_path, rows)))
    assert list(cohorts.attributes["sex"]) == ["f", "m", "not stated"]
    women, men = cohorts.attributes["sex"]["f"], cohorts.attributes["sex"]["m"]
    assert (women.images, women.identities) == (9, 3)
    assert (women.fta.errors, women.fte.errors) == (4, 1)
    assert (women.fnmr.errors, women.fnmr.trials) == (0, 1 + 3)
    assert women.fmr.trials == 2 * 3
    assert (men.fnmr.errors, men.fnmr.trials) == (3, 6)
    assert men.fnmr.worse
    assert men.fnmr.overall == pytest.approx(3 / 13)
    assert not men.fnmr.settled  # 3 of 6 is too few to say
    assert cohorts.rows_unused == 1
    assert ("sex", "m", "FNMR") in [found[:3] for found in worse_cohorts(cohorts)]


def test_images_are_named_in_any_usual_way(tmp_path: Path) -> None:
    people = drawn_set("people", 3, 2, distance=9, seed=1)
    for key in ("people/0/1.png", "1.png", "1"):
        placed = read_cohorts(cohort_csv(tmp_path, f"image,age_band\n{key},60+\n")).place(people.images)
        assert placed.values["age_band"][1] == "60+"
        assert placed.values["age_band"][0] == "not stated"


def test_columns_may_be_separated_by_semicolons_and_the_text_must_be_utf_8(tmp_path: Path) -> None:
    file = read_cohorts(cohort_csv(tmp_path, "identity;region\n000;north, hills\n"))
    assert file.rows == {"000": ("north, hills",)}
    file.path.write_text("identity;region\n", encoding="utf-16")
    with pytest.raises(DataSetRefused, match="save it as UTF-8"):
        read_cohorts(file.path)


def test_the_image_counts_where_the_identity_is_given_too(tmp_path: Path) -> None:
    file = read_cohorts(cohort_csv(tmp_path, "identity,image,sex\n000,0.png,f\n000,1.png,m\n"))
    placed = file.place(drawn_set("people", 1, 2, distance=9, seed=1).images)
    assert placed.values == {"sex": ["f", "m"]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "row 1: expected a column named image or identity"),
        ("name,sex\nx,f\n", "row 1: expected a column named image or identity"),
        ("identity\nx\n", "row 1: expected a column for each attribute"),
        ("image,identity\nx,y\n", "row 1: expected a column for each attribute"),
        ("identity,sex,sex\nx,f,f\n", "row 1, column 2: every column needs a name of its own"),
        ("identity,sex\nx\n", "row 2: 1 columns, but row 1 has 2"),
        ("identity,sex\nx,f\n,m\n", "row 3, column identity: is empty"),
        (
            "identity,sex,age\nx,f,1\nx,f,2\n",
            "row 3, column age: x was '1' in an earlier row",
        ),
        ("identity,sex\n", "has no row"),
    ],
)
def test_a_malformed_cohort_file_is_named_with_row_and_column(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(DataSetRefused, match=sentence):
        read_cohorts(cohort_csv(tmp_path, text))


def test_a_cohort_file_of_other_data_is_refused(tmp_path: Path) -> None:
    people = drawn_set("people", 3, 2, distance=9, seed=1)
    with pytest.raises(DataSetRefused, match="no row names any identity of the data"):
        read_cohorts(cohort_csv(tmp_path, "identity,sex\nnobody,f\n")).place(people.images)
