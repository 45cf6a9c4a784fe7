"""Cylinders, comparison, score and search on minutiae that are made up, so that the truth is known."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.finger.compare import compare, local_similarity
from inference.finger.cylinders import PreparedFinger, prepare
from inference.finger.minutiae import from_maps
from inference.finger.score import COMPARATOR, ScoreHead
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import FingerPosition, FingerTemplate

SIDE = 280


def finger(seed: int, count: int = 40) -> NDArray[np.float32]:
    """Minutiae no closer than 12 px, with directions that follow a smooth field, as ridges make them."""
    rng = np.random.default_rng(seed)
    spots: list[NDArray[np.float64]] = []
    while len(spots) < count:
        spot = rng.uniform(20, SIDE - 20, 2)
        if all(np.hypot(*(spot - other)) > 12 for other in spots):
            spots.append(spot)
    x, y = np.array(spots).T
    flow = rng.uniform(0, 2 * np.pi) + 1.5 * np.sin(x / 90 + rng.uniform(0, 6)) + np.cos(y / 80)
    direction = flow + np.pi * rng.integers(0, 2, count)
    confidence = np.sort(rng.uniform(0.4, 1, count))[::-1]
    return np.stack([x, y, direction, rng.integers(0, 2, count), confidence], 1).astype(np.float32)


def moved(minutiae: NDArray[np.float32], turn_rad: float, jitter_px: float, seed: int) -> NDArray[np.float32]:
    """The same finger put down again: turned about the centre, shifted, and a little stretched."""
    rng = np.random.default_rng(seed)
    again = minutiae.copy()
    x, y = minutiae[:, 0] - SIDE / 2, SIDE / 2 - minutiae[:, 1]
    again[:, 0] = SIDE / 2 + np.cos(turn_rad) * x - np.sin(turn_rad) * y + 9
    again[:, 1] = SIDE / 2 - np.sin(turn_rad) * x - np.cos(turn_rad) * y - 6
    again[:, 2] += turn_rad
    again[:, :2] += rng.normal(0, jitter_px, (len(again), 2))
    return again


def template(minutiae: NDArray[np.float32]) -> FingerTemplate:
    return FingerTemplate(minutiae, SIDE, SIDE, FingerPosition.RIGHT_INDEX, "AS608", 80, "leader-test/litert")


def prepared(minutiae: NDArray[np.float32]) -> PreparedFinger:
    return prepare(template(minutiae))


@cache
def head() -> ScoreHead:
    return ScoreHead(Catalogue().load("finger-score", RuntimeName.LITERT))


def compared(probe: PreparedFinger, reference: PreparedFinger) -> float:
    return head().score(compare(probe, reference))


def test_cylinders_do_not_change_when_the_finger_is_turned_and_shifted() -> None:
    one, again = prepared(finger(1)), prepared(moved(finger(1), turn_rad=0.7, jitter_px=0, seed=1))
    same = np.diag(local_similarity(one, again))
    assert same[one.usable].min() > 0.9


def test_the_score_of_one_finger_is_far_above_that_of_any_two() -> None:
    fingers = [finger(seed) for seed in range(8)]
    again = [moved(minutiae, 0.4, jitter_px=2, seed=k)[:30] for k, minutiae in enumerate(fingers)]
    references, probes = [prepared(f) for f in fingers], [prepared(a) for a in again]
    scores = np.array([[compared(p, r) for r in references] for p in probes])
    others = scores[~np.eye(8, dtype=bool)]
    assert scores.diagonal().min() > others.max() + 5


def test_a_stretched_finger_still_agrees() -> None:
    stretched = finger(2)
    stretched[:, 0] = SIDE / 2 + 1.12 * (stretched[:, 0] - SIDE / 2)
    reference = prepared(finger(2))
    agreement = compare(prepared(stretched), reference)
    assert agreement.matched > 0.8 * len(reference)
    assert agreement.distance_px < 6


def test_scores_are_those_that_the_operating_points_were_measured_with() -> None:
    """Where they have changed on purpose: give `COMPARATOR` a new name, then `make operating-points`."""
    reference = finger(1)
    probes = [
        moved(reference, 0.4, jitter_px=2, seed=1)[:30],
        moved(reference, -0.9, jitter_px=4, seed=2)[::2],
        finger(2),
        finger(3)[:20],
    ]
    scores = [compared(prepared(probe), prepared(reference)) for probe in probes]
    assert COMPARATOR == "cylinders-2"
    assert scores == pytest.approx([18.35, 8.24, -3.02, -3.52], abs=0.15)


def test_the_score_does_not_depend_on_which_print_is_the_probe() -> None:
    prints = [prepared(finger(seed, count)) for seed, count in ((1, 40), (2, 40), (3, 25))]
    prints.append(prepared(moved(finger(1), 0.4, jitter_px=2, seed=1)[:30]))
    for one in prints:
        for other in prints:
            assert compared(one, other) == compared(other, one)


def test_the_score_has_more_levels_than_one_int8() -> None:
    rng = np.random.default_rng(3)
    base = compare(prepared(finger(1)), prepared(moved(finger(1), 0.2, jitter_px=3, seed=4)[:25]))
    near = [
        dataclasses.replace(base, distance_px=base.distance_px + shift, matched=base.matched + shift)
        for shift in rng.uniform(-0.5, 0.5, 300)
    ]
    scores = np.unique([head().score(agreement) for agreement in near])
    assert np.diff(scores).min() < 0.05


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_print_with_hardly_any_minutiae_matches_nothing(count: int) -> None:
    few, whole = prepared(finger(3)[:count]), prepared(finger(3))
    same = compared(whole, whole)
    assert compared(few, whole) < same - 15
    assert compared(whole, few) < same - 15
    assert compared(few, few) < same - 15


def test_wiping_leaves_no_trace_of_the_template() -> None:
    source = template(finger(4))
    kept = prepare(source)
    source.wipe()
    kept.wipe()
    values = [getattr(kept, field.name) for field in dataclasses.fields(kept)]
    arrays = [source.minutiae, *(value for value in values if isinstance(value, np.ndarray))]
    assert len(arrays) > 8
    assert not any(array.any() for array in arrays)


def test_minutiae_are_read_from_the_maps_most_confident_first() -> None:
    maps = {
        "pos": np.zeros((1, 64, 96, 1), np.float32),
        "dir": np.zeros((1, 64, 96, 2), np.float32),
        "typ": np.ones((1, 64, 96, 1), np.float32),
    }
    for x, y, height, direction in ((20, 30, 0.7, 1.0), (70, 12, 1.0, -2.5), (40, 50, 0.2, 0.0)):
        maps["pos"][0, y - 3 : y + 4, x - 3 : x + 4] = height / 2
        maps["pos"][0, y - 1 : y + 2, x - 1 : x + 2] = height
        maps["dir"][0, y, x] = 3 * np.cos(direction), 3 * np.sin(direction)
    maps["typ"][0, 12, 70] = 0.1
    minutiae = from_maps(maps)
    assert minutiae[:, :2].tolist() == [[70, 12], [20, 30]]
    assert minutiae[:, 2] == pytest.approx([-2.5, 1.0], abs=1e-5)
    assert minutiae[:, 3].tolist() == [1, 0]
    assert (minutiae[:, 4] <= 1).all()
