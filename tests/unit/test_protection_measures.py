"""The measures of template protection on cases that can be worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.evaluation.protection.attacks import learnt, link_galleries, recovered
from inference.evaluation.protection.face_schemes import FACE_SCHEMES, FaceScheme, Rotation, unit
from inference.evaluation.protection.finger_schemes import (
    MovedMinutiae,
    PlainMinutiae,
    local_greedy_similarity,
)
from inference.evaluation.protection.linkability import d_sys, linkability
from inference.evaluation.protection.poly_protect import GROUP, PolyProtect
from inference.finger.compare import compare
from inference.finger.cylinders import PreparedFinger
from inference.protection.key_stream import KeyStream
from inference.types import FingerPosition, FingerTemplate
from tests.unit.test_finger_comparison import finger
from tests.unit.test_finger_comparison import moved as jittered


def faces(count: int, seed: int = 1) -> NDArray[np.float32]:
    return unit(np.random.default_rng(seed).normal(size=(count, 128)))


def test_d_sys_is_0_for_equal_scores_1_for_separable_ones_and_between_by_the_formula() -> None:
    same = np.repeat([0.1, 0.3, 0.5, 0.7], 50)
    assert d_sys(same, same) == 0.0
    assert d_sys(np.full(200, 0.9), np.full(300, 0.1)) == 1.0
    assert d_sys(np.full(20, 0.5), np.full(20, 0.5)) == 0.0
    # Two bins in use. Mated: 3/4 high; non-mated: 1/4 high. LR = 3 in the high one, so D = 2 * 3/4 - 1 = 1/2;
    # below 1 in the low one, so D = 0 there. D_sys = 3/4 * 1/2.
    mated = np.repeat([0.0, 1.0], [50, 150])
    non_mated = np.repeat([0.0, 1.0], [300, 100])
    assert d_sys(mated, non_mated) == pytest.approx(3 / 8)


def test_linkability_says_what_chance_alone_gives() -> None:
    random = np.random.default_rng(3)
    alike = linkability([(random.normal(size=2000), random.normal(size=9000)) for _ in range(4)])
    apart = linkability([(random.normal(3, 1, 2000), random.normal(size=9000))])
    assert alike.d_sys == pytest.approx(alike.by_chance, abs=0.01)
    assert alike.by_chance < 0.05
    assert alike.d_sys <= alike.highest
    assert apart.d_sys > 0.8
    assert (alike.key_pairs, apart.key_pairs) == (4, 1)


@pytest.mark.parametrize("scheme", FACE_SCHEMES, ids=lambda scheme: scheme.name)
def test_every_scheme_finds_the_same_face_under_one_key_and_not_under_two(scheme: FaceScheme) -> None:
    embeddings = faces(40)
    one, other = (scheme.under(KeyStream(bytes([number]) * 32)) for number in (1, 2))
    rows, across = one.protect(embeddings), other.protect(embeddings)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    best = one.scores(one.stored(rows), rows[7])
    assert int(np.argmax(best)) == 7
    if scheme.name != "none":
        assert abs(np.einsum("ij,ij->i", rows, across).mean()) < 0.5
    back = np.einsum("ij,ij->i", one.invert(rows), embeddings).mean()
    assert back > (0.99 if scheme.keeps_scores else 0.2)


def test_polynomials_are_those_of_the_paper() -> None:
    polynomials = PolyProtect(KeyStream(bytes(32)), overlap=3)
    coefficients, exponents = polynomials._coefficients, polynomials._exponents
    assert sorted(exponents) == [1, 2, 3, 4, 5]
    assert (coefficients != 0).all()
    assert (np.abs(coefficients) <= 50).all()
    values = faces(1)[0].astype(np.float64)
    by_hand = [
        sum(c * values[start + k] ** e for k, (c, e) in enumerate(zip(coefficients, exponents, strict=True)))
        for start in (0, 2)
    ]
    assert polynomials.map(values[None])[0, :2] == pytest.approx(by_hand)
    assert PolyProtect(KeyStream(bytes(32)), 0).map(faces(2)).shape == (2, -(-128 // GROUP))


def test_known_templates_undo_a_rotation_without_its_key() -> None:
    embeddings = faces(400)
    rows = Rotation(KeyStream(b"k" * 32)).protect(embeddings)
    few, many = (learnt(rows[:count], embeddings[:count], rows[300:]) for count in (16, 300))
    assert recovered(many, embeddings[300:], embeddings[300:], 0.9).accepted == 1.0
    assert recovered(few, embeddings[300:], embeddings[300:], 0.9).cosine < 0.6


def test_a_rotated_gallery_shows_its_structure() -> None:
    embeddings, others = faces(80), faces(80, seed=2)
    one, other = (Rotation(KeyStream(bytes([n]) * 32)) for n in (1, 2))
    found = link_galleries(one.protect(embeddings), other.protect(embeddings), other.protect(others))
    assert found.by_structure_renewed == 1.0
    assert found.by_structure < 0.1
    assert found.by_guessing == 1 / 80


def test_the_best_pairs_of_codes_are_averaged_each_used_once() -> None:
    ones, none = np.uint64(2**64 - 1), np.uint64(0)
    one = np.array([[none], [none], [ones]])
    # Two rows are alike in all 64 bits, the third finds only its opposite left; four pairs are wanted.
    other = np.array([[none], [ones], [none ^ ones]])
    assert local_greedy_similarity(one, other) == pytest.approx((64 + 64 + 0) / (4 * 64))
    assert local_greedy_similarity(one, one[:0]) == 0.0


def test_turned_and_shifted_minutiae_compare_as_before_under_one_key_and_under_two() -> None:
    plain, moved = of(finger(3)), of(jittered(finger(3), 0.1, jitter_px=1.0, seed=2)[:30])
    keys = [KeyStream(bytes([number]) * 32) for number in (1, 2)]

    def score(first: PreparedFinger, second: PreparedFinger) -> float:
        return float(compare(first, second).matched)

    bare, one, other = PlainMinutiae(keys[0], score), *(MovedMinutiae(key, score) for key in keys)
    expected = bare.compare(bare.protect(plain), bare.protect(moved))
    assert expected > 15
    assert one.compare(one.protect(plain), one.protect(moved)) == pytest.approx(expected, abs=1.5)
    # Two keys that turn by less than the comparator's reach: the finger is found all the same.
    assert other.compare(one.protect(plain), other.protect(moved)) == pytest.approx(expected, abs=1.5)


def of(minutiae: NDArray[np.float32]) -> FingerTemplate:
    inside = minutiae.copy()
    inside[:, :2] = inside[:, :2].clip(0, 280)
    return FingerTemplate(inside, 280, 280, FingerPosition.UNKNOWN, "R503", 60, "x")
