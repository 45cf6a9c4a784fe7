"""Lay one print over the other: hypotheses from compatible pairs, then a fit that lets the skin stretch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.finger.cylinders import PreparedFinger, wrap

Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.intp]

HYPOTHESES = 24
REFINED = 4
REFINEMENTS = 2
"""Two fits of the four best hypotheses took the mean EER of four readers at two sizes from 1.86 to 1.64 %."""
COMPATIBLE = 0.3
DIRECTION_LEVER_PX2 = 400.0
"""A pair's own direction counts for the rotation like two points 20 px apart."""
STIFFNESS_PX2 = 5_000.0
"""How much the pairs must pull to change scale and shear: ten pairs 50 px out pull with 25,000."""
TOLERANCE_PX, TOLERANCE_RAD = 12.0, np.pi / 7
PAIRED = 0.05
OVERLAP_PX = 35.0
"""A minutia lies in the overlap when the other print has one within this distance."""
LEAST_OVERLAP = 6


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Candidate pairs of minutiae: their places in both prints, how well they fit each other, their support.

    of_probe, of_reference, support: shape (pairs,). compatibility: shape (pairs, pairs), 0 to 1.
    """

    of_probe: Indices
    of_reference: Indices
    compatibility: Floats
    support: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """One way to lay the probe (n minutiae) over the reference (m minutiae).

    paired: shape (n, m), 0 (no pair) to 1 (exactly on each other).
    distance, turn: shape (n, m), px and radians.
    probe_overlap, reference_overlap: shape (n,) and (m,), whether the other print reaches there.
    """

    paired: Floats
    distance: Floats
    turn: Floats
    probe_overlap: Flags
    reference_overlap: Flags


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """The probe's minutiae under several hypotheses: x, y and direction, each shape (hypotheses, n)."""

    x: Floats
    y: Floats
    direction: Floats

    def only(self, chosen: Indices) -> _Moved:
        return _Moved(self.x[chosen], self.y[chosen], self.direction[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """What each hypothesis gives; shapes as in `Alignment`, with the hypotheses in front."""

    paired: Floats
    distance: Floats
    turn: Floats
    merit: Floats


def align(probe: PreparedFinger, reference: PreparedFinger, similarity: Floats, pairs: Pairs) -> Alignment:
    """Find the alignment with the most agreement. similarity: of cylinders, shape (n, m)."""
    seeds = np.argsort(-pairs.support, kind="stable")[:HYPOTHESES]
    moved = _move(probe, reference, pairs, seeds)
    laid = _lay(moved, reference, similarity)
    best = np.argsort(-laid.merit, kind="stable")[:REFINED]
    moved, paired = moved.only(best), laid.paired[best]
    for _ in range(REFINEMENTS):
        moved = _refit(moved, reference, paired)
        laid = _lay(moved, reference, similarity)
        paired = laid.paired
    chosen = int(np.argmax(laid.merit))
    distance = laid.distance[chosen]
    return Alignment(
        paired=laid.paired[chosen],
        distance=distance,
        turn=laid.turn[chosen],
        probe_overlap=distance.min(1) < OVERLAP_PX,
        reference_overlap=distance.min(0) < OVERLAP_PX,
    )


def sigmoid(values: Floats, mu: float, tau: float) -> Floats:
    """The paper's function Psi: 1 below mu to 0 above it for a negative slope tau."""
    # Beyond 60 the result is 0 to within float32, and the exponential would overflow.
    steepness = np.minimum(np.float32(-tau) * (values - np.float32(mu)), np.float32(60))
    return np.asarray(1 / (1 + np.exp(steepness)), np.float32)


def _move(probe: PreparedFinger, reference: PreparedFinger, pairs: Pairs, seeds: Indices) -> _Moved:
    """For each seed pair, turn and shift the probe by least squares over the pairs that fit the seed."""
    weight = pairs.compatibility[seeds]
    weight = np.where(weight > COMPATIBLE, weight, 0)
    weight[np.arange(len(seeds)), seeds] = 1
    ax, ay = probe.x[pairs.of_probe], probe.y[pairs.of_probe]
    bx, by = reference.x[pairs.of_reference], reference.y[pairs.of_reference]
    total = weight.sum(1)
    centre_ax, centre_ay, centre_bx, centre_by = ((weight @ v / total)[:, None] for v in (ax, ay, bx, by))
    from_x, from_y, to_x, to_y = ax - centre_ax, ay - centre_ay, bx - centre_bx, by - centre_by
    turn = wrap(reference.direction[pairs.of_reference] - probe.direction[pairs.of_probe])
    lever = np.float32(DIRECTION_LEVER_PX2)
    sine = (weight * (from_x * to_y - from_y * to_x)).sum(1) + lever * (weight @ np.sin(turn))
    cosine = (weight * (from_x * to_x + from_y * to_y)).sum(1) + lever * (weight @ np.cos(turn))
    rotation = np.arctan2(sine, cosine)[:, None]
    c, s = np.cos(rotation), np.sin(rotation)
    x, y = probe.x - centre_ax, probe.y - centre_ay
    return _Moved(c * x - s * y + centre_bx, s * x + c * y + centre_by, probe.direction + rotation)


def _refit(moved: _Moved, reference: PreparedFinger, paired: Floats) -> _Moved:
    """An affine map by least squares over the pairs found, held back towards no change by the stiffness."""
    weight = paired.sum(2)
    total = np.maximum(weight.sum(1, keepdims=True), np.float32(1e-3))
    to_x, to_y = paired @ reference.x, paired @ reference.y
    centre_to_x, centre_to_y = to_x.sum(1, keepdims=True) / total, to_y.sum(1, keepdims=True) / total
    x = moved.x - (weight * moved.x).sum(1, keepdims=True) / total
    y = moved.y - (weight * moved.y).sum(1, keepdims=True) / total
    to_x, to_y = to_x - weight * centre_to_x, to_y - weight * centre_to_y
    stiff = np.float32(STIFFNESS_PX2)
    xx, yy = (weight * x * x).sum(1) + stiff, (weight * y * y).sum(1) + stiff
    xy = (weight * x * y).sum(1)
    determinant = xx * yy - xy * xy
    # Rows of the 2x2 normal equations, solved by Cramer's rule: new x = a * x + b * y, new y = c * x + d * y.
    right_ax, right_bx = (x * to_x).sum(1) + stiff, (y * to_x).sum(1)
    right_ay, right_by = (x * to_y).sum(1), (y * to_y).sum(1) + stiff
    a, b = (right_ax * yy - right_bx * xy) / determinant, (right_bx * xx - right_ax * xy) / determinant
    c, d = (right_ay * yy - right_by * xy) / determinant, (right_by * xx - right_ay * xy) / determinant
    a, b, c, d = (v[:, None] for v in (a, b, c, d))
    return _Moved(
        a * x + b * y + centre_to_x,
        c * x + d * y + centre_to_y,
        moved.direction + np.arctan2(c - b, a + d),
    )


def _lay(moved: _Moved, reference: PreparedFinger, similarity: Floats) -> _Laid:
    distance = np.hypot(moved.x[:, :, None] - reference.x, moved.y[:, :, None] - reference.y)
    turn = np.abs(wrap(moved.direction[:, :, None] - reference.direction))
    closeness = np.zeros_like(distance)
    near = (distance < 1.6 * TOLERANCE_PX) & (turn < 1.3 * TOLERANCE_RAD)
    closeness[near] = sigmoid(distance[near], TOLERANCE_PX, -0.5) * sigmoid(turn[near], TOLERANCE_RAD, -15.0)
    mutual = closeness > PAIRED
    mutual &= closeness == closeness.max(2, keepdims=True)
    mutual &= closeness == closeness.max(1, keepdims=True)
    paired = np.where(mutual, closeness, np.float32(0))
    matched = paired.sum((1, 2))
    alike = (paired * np.maximum(similarity, np.float32(PAIRED))).sum((1, 2))
    overlaps = (np.maximum((distance.min(axis) < OVERLAP_PX).sum(1), LEAST_OVERLAP) for axis in (1, 2))
    first, second = overlaps
    return _Laid(paired, distance, turn, 0.5 * matched**1.5 / np.sqrt(first * second) + 0.5 * alike)
