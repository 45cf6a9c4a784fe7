"""How scores combine: order, monotony, agreement and limits."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.fusion import Evidence, FusedScore, fuse
from inference.operating_point import STRONG_FMR, OperatingPoint, Strength, Threshold
from inference.types import ComparisonScore, FingerPosition, Modality
from tests.kit.operating_points import drawn_operating_point

POINT = OperatingPoint(drawn_operating_point())
FACE = POINT.source("face").calibration
FINGER = POINT.source("finger/R503").calibration

raws = st.floats(-20, 20, allow_nan=False)
positions = st.sampled_from(
    [FingerPosition.RIGHT_THUMB, FingerPosition.RIGHT_INDEX, FingerPosition.LEFT_INDEX]
)


def face(raw: float, fmr_ratio: float = 1.0) -> Evidence:
    return Evidence(ComparisonScore(Modality.FACE, raw, "face", fmr_ratio))


def finger(raw: float, position: FingerPosition = FingerPosition.RIGHT_INDEX) -> Evidence:
    return Evidence(ComparisonScore(Modality.FINGER, raw, "finger/R503"), position)


evidence = st.lists(st.builds(face, raws) | st.builds(finger, raws, positions), min_size=1, max_size=8)


@given(evidence, st.randoms(use_true_random=False))
def test_order_does_not_matter(scores: list[Evidence], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(scores, len(scores))
    assert fuse(shuffled, POINT) == fuse(scores, POINT)


@given(evidence, st.data(), st.floats(0, 20))
def test_a_higher_score_never_lowers_the_result(
    scores: list[Evidence], data: st.DataObject, more: float
) -> None:
    index = data.draw(st.integers(0, len(scores) - 1))
    old = scores[index]
    raised = Evidence(
        ComparisonScore(old.score.modality, old.score.raw + more, old.score.source), old.position
    )
    assert fuse([*scores[:index], raised, *scores[index + 1 :]], POINT).llr >= fuse(scores, POINT).llr


@given(evidence, raws)
def test_one_more_agreeing_finger_never_lowers_a_match(scores: list[Evidence], raw: float) -> None:
    agreeing = finger(raw, FingerPosition.LEFT_THUMB)
    before, after = fuse(scores, POINT), fuse([*scores, agreeing], POINT)
    if FINGER.llr(raw) >= 0:
        assert after.llr >= before.llr
    else:
        assert after.llr <= before.llr


@given(raws, raws)
def test_a_match_stays_a_match_with_one_more_agreeing_finger(face_raw: float, finger_raw: float) -> None:
    for fmr in (1e-3, 1e-4):
        alone, both = fuse([face(face_raw)], POINT), fuse([face(face_raw), finger(finger_raw)], POINT)
        if alone.llr >= POINT.threshold(alone.sources, fmr).llr and FINGER.llr(finger_raw) >= 0:
            assert both.llr >= POINT.threshold(both.sources, fmr).llr


@given(evidence)
def test_no_instance_outweighs_its_data(scores: list[Evidence]) -> None:
    fused = fuse(scores, POINT)
    limits = {"face": FACE, "finger/R503": FINGER}
    assert fused.llr <= math.fsum(limits[name].upper_llr for name in fused.sources) + 1e-9
    assert fused.llr >= math.fsum(limits[name].lower_llr for name in fused.sources) - 1e-9


def test_a_single_score_is_its_calibrated_ratio() -> None:
    assert fuse([face(0.7)], POINT) == FusedScore(FACE.llr(0.7), ("face",))


def test_fingers_and_face_add_up() -> None:
    fused = fuse([finger(1.0), face(0.5), finger(0.2, FingerPosition.LEFT_INDEX)], POINT)
    assert fused.sources == ("face", "finger/R503", "finger/R503")
    assert fused.llr == pytest.approx(FACE.llr(0.5) + FINGER.llr(1.0) + FINGER.llr(0.2))


def test_the_best_sample_of_one_finger_counts_and_pays_for_the_choice() -> None:
    price = POINT.source("finger/R503").best_of_nats * math.log(2)
    assert price >= math.log(2)
    fused = fuse([finger(1.0), finger(-0.2)], POINT)
    assert fused.sources == ("finger/R503",)
    assert fused.llr == pytest.approx(FINGER.llr(1.0) - price)


@pytest.mark.parametrize("fmr", [1e-3, 1e-4])
def test_scores_that_strangers_reach_more_often_pay_for_it(fmr: float) -> None:
    # Impostors a little nearer than those of the calibration: what averaging frames does.
    ratio, threshold = 1.7, POINT.threshold(["face"], fmr).llr
    of_single = NormalDist(-3.25)
    rate = 1 - of_single.cdf((threshold - FACE.intercept) / FACE.slope)
    nearer = of_single.inv_cdf(1 - rate) - of_single.inv_cdf(1 - ratio * rate)
    strangers = np.random.default_rng(5).normal(-3.25 + nearer, 1, 4_000_000)
    above = strangers[FACE.llrs(strangers) >= threshold]
    assert above.size / strangers.size > 1.5 * rate
    paid = sum(fuse([face(raw, ratio)], POINT).llr >= threshold for raw in above.tolist())
    assert 0.5 * rate < paid / strangers.size <= 1.05 * rate


def test_frames_lower_the_word_and_what_a_gallery_accepts() -> None:
    gallery = POINT.for_gallery(["face"], 100)
    assert isinstance(gallery, Threshold)
    for threshold in (POINT.threshold(["face"], STRONG_FMR), gallery):
        raw = (threshold.llr + 0.01 - FACE.intercept) / FACE.slope
        single, averaged = fuse([face(raw)], POINT), fuse([face(raw, 1.5)], POINT)
        assert averaged.llr < threshold.llr <= single.llr
        assert single.llr - averaged.llr == pytest.approx(POINT.source("face").best_of_nats * math.log(1.5))
    just_strong = (POINT.threshold(["face"], STRONG_FMR).llr + 0.01 - FACE.intercept) / FACE.slope
    words = [POINT.strength(fuse([face(just_strong, ratio)], POINT).llr, ["face"]) for ratio in (1.0, 1.5)]
    assert words == [Strength.STRONG, Strength.FAIR]


def test_fingers_of_unknown_position_count_as_one() -> None:
    unknown = FingerPosition.UNKNOWN
    assert fuse([finger(1.0, unknown), finger(1.0, unknown)], POINT).sources == ("finger/R503",)


def test_evidence_names_its_instance() -> None:
    with pytest.raises(ValueError, match="position"):
        Evidence(ComparisonScore(Modality.FINGER, 1.0, "finger/R503"))
    with pytest.raises(ValueError, match="position"):
        Evidence(ComparisonScore(Modality.FACE, 1.0, "face"), FingerPosition.RIGHT_INDEX)
    with pytest.raises(ValueError, match="at least one"):
        fuse([], POINT)
