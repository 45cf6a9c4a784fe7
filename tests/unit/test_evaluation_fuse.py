"""Virtual subjects: who is put together, what is held out, and what fusion gains."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from inference.evaluation.fuse import FUSED, fuse_evaluations, operating_point_of
from inference.evaluation.measured import MeasuredSet
from inference.evaluation.metrics import NotMeasurable
from inference.evaluation.virtual import compare_subjects, face_and_finger, halves, two_fingers
from tests.kit.drawn_evaluations import drawn_evaluation, drawn_set

FACES = drawn_set("people", 40, 3, distance=4, seed=1)
FINGERS = [drawn_set("left", 12, 5, distance=4, seed=2), drawn_set("right", 10, 5, distance=4, seed=3)]


def telling(measured: MeasuredSet, number: int) -> MeasuredSet:
    """Scores that tell which identities were compared: 1e6 * data set + 1000 * higher + lower."""
    trials = measured.trials
    assert trials is not None

    def told(pairs: np.ndarray) -> np.ndarray:
        who = np.sort(trials.identity[pairs], axis=1)
        return np.asarray(1e6 * number + 1000.0 * who[:, 1] + who[:, 0], np.float64)

    return replace(measured, genuine=told(trials.genuine), impostor=told(trials.impostor))


def identities_of(scores: np.ndarray) -> set[tuple[int, int]]:
    return {(int(score // 1e6), int(who)) for score in scores for who in (score % 1000, score % 1e6 // 1000)}


def test_no_image_of_a_subject_is_on_both_sides() -> None:
    random = np.random.default_rng(1)
    sets = [telling(one.scores, number) for number, one in enumerate([FACES, *FINGERS])]
    one, other = halves(sets[0], sets[1:], random)
    for mine, theirs in zip(one.sets, other.sets, strict=True):
        seen = [identities_of(np.concatenate([side.genuine, side.impostor])) for side in (mine, theirs)]
        assert not seen[0] & seen[1]
        assert len(seen[0] | seen[1]) == max(mine.identities + theirs.identities, 1)


def test_each_column_holds_the_comparison_of_that_instance() -> None:
    random = np.random.default_rng(1)
    sets = [telling(one.scores, number) for number, one in enumerate([FACES, *FINGERS])]
    half, _ = halves(sets[0], sets[1:], random)
    subjects = face_and_finger(half, random)
    assert len({face for face, _ in subjects}) == len(subjects) == 6 + 5  # each person and finger once
    finger_of = {face: finger for face, finger in subjects}  # noqa: C416 -- a subject has no fixed length
    trials = compare_subjects(half, subjects, random)
    for face, finger in trials.genuine:
        (person,), (print_,) = identities_of(np.array([face])), identities_of(np.array([finger]))
        assert finger_of[person] == print_
    for face, finger in trials.impostor:
        people, prints = identities_of(np.array([face])), identities_of(np.array([finger]))
        assert {finger_of[person] for person in people} == prints
        assert len(prints) == 2
        assert len({data_set for data_set, _ in prints}) == 1
    pairs = two_fingers(half, random)
    assert all(first != second and first[0] == second[0] for first, second in pairs)


def test_together_they_err_less_than_either_and_the_seed_repeats_all() -> None:
    face, finger = drawn_evaluation("face", [FACES]), drawn_evaluation("finger/R503", FINGERS)
    figures = fuse_evaluations(face, finger, pairings=3, seed=1).report
    parts = figures.parts
    assert list(parts) == ["face", "finger", FUSED, "two fingers"]
    assert parts[FUSED].eer < 0.5 * min(parts["face"].eer, parts["finger"].eer)
    assert parts["two fingers"].eer < 0.5 * parts["finger"].eer
    assert figures.eer == parts[FUSED].eer
    assert figures.extract_ms_p50 == 20.0  # a face and a finger
    # The thresholds of one half carry to the other, and are no worse than stated.
    at = parts["face"].at_held_out_threshold["1e-2"]
    assert at.supported
    assert at.fmr_measured < 2e-2
    assert at.fnmr < 0.2
    assert fuse_evaluations(face, finger, pairings=3, seed=1).report == figures
    assert fuse_evaluations(face, finger, pairings=3, seed=2).report != figures
    assert msgspec.json.decode(msgspec.json.encode(figures))["parts"]["finger"]["fmr_bound"] > 0


def test_too_few_fingers_for_two_each_are_refused_with_what_it_takes() -> None:
    face = drawn_evaluation("face", [FACES])
    six = drawn_evaluation("finger/R503", [drawn_set("six", 6, 8, distance=4, seed=2)])
    with pytest.raises(NotMeasurable, match="eight for two each"):
        fuse_evaluations(face, six, pairings=1, seed=1)


def test_each_half_is_judged_by_the_thresholds_of_the_other() -> None:
    face, finger = drawn_evaluation("face", [FACES]), drawn_evaluation("finger/R503", FINGERS)
    one, other = halves(FACES.scores, finger.scores, np.random.default_rng(1))
    thresholds = [
        operating_point_of(half, face, finger).threshold(["face"], 1e-2).llr for half in (one, other)
    ]
    at = fuse_evaluations(face, finger, pairings=1, seed=1).report.parts["face"].at_held_out_threshold["1e-2"]
    assert list(at.threshold_llr) == thresholds
    calibration = operating_point_of(one, face, finger).source("face").calibration
    matched = int(np.sum(calibration.llrs(other.face.impostor) >= thresholds[0]))
    calibration = operating_point_of(other, face, finger).source("face").calibration
    matched += int(np.sum(calibration.llrs(one.face.impostor) >= thresholds[1]))
    assert at.fmr_measured == matched / (one.face.impostor.size + other.face.impostor.size)


def test_pairings_that_repeat_each_other_support_no_stricter_rate() -> None:
    face, finger = drawn_evaluation("face", [FACES]), drawn_evaluation("finger/R503", FINGERS)
    once, often = (fuse_evaluations(face, finger, pairings=n, seed=1).report for n in (1, 20))
    assert often.impostor == 20 * once.impostor
    assert once.fnmr_at_fmr["1e-3"].supported == often.fnmr_at_fmr["1e-3"].supported
    assert often.fmr_bound >= 3 / once.impostor
