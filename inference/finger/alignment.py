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
SAME_PX, SAME_RAD = 8.0, 0.12
"""Two hypotheses that lay the middle of the print this close to each other are one."""
LAID = 8
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
    rotation_rad: by which the probe was turned, -pi to pi.
    linear, shift: shape (2, 2) and (2,); a point p of the probe lies on linear @ p + shift, px with y up.
    """

    paired: Floats
    distance: Floats
    turn: Floats
    probe_overlap: Flags
    reference_overlap: Flags
    rotation_rad: float
    linear: Floats
    shift: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Maps:
    """Affine maps from the probe into the reference, one for each hypothesis.

    linear, shift: shape (hypotheses, 2, 2) and (hypotheses, 2), px. rotation: shape (hypotheses,), radians.
    """

    linear: Floats
    shift: Floats
    rotation: Floats

    def only(self, chosen: Indices) -> _Maps:
        return _Maps(self.linear[chosen], self.shift[chosen], self.rotation[chosen])

    def moved(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Where points of the probe come to lie; each shape (hypotheses, points)."""
        (a, b), (c, d) = self.linear.transpose(1, 2, 0)[..., None]
        shift_x, shift_y = self.shift.T[..., None]
        return a * x + b * y + shift_x, c * x + d * y + shift_y


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
    maps = _propose(probe, reference, pairs, seeds)
    maps = maps.only(_distinct(maps, probe)[:LAID])
    laid = _lay(maps, probe, reference, similarity)
    best = np.argsort(-laid.merit, kind="stable")[:REFINED]
    maps, paired = maps.only(best), laid.paired[best]
    for _ in range(REFINEMENTS):
        maps = _refit(maps, probe, reference, paired)
        laid = _lay(maps, probe, reference, similarity)
        paired = laid.paired
    chosen = int(np.argmax(laid.merit))
    distance = laid.distance[chosen]
    return Alignment(
        paired=laid.paired[chosen],
        distance=distance,
        turn=laid.turn[chosen],
        probe_overlap=distance.min(1) < OVERLAP_PX,
        reference_overlap=distance.min(0) < OVERLAP_PX,
        rotation_rad=float(wrap(maps.rotation)[chosen]),
        linear=maps.linear[chosen],
        shift=maps.shift[chosen],
    )


def sigmoid(values: Floats, mu: float, tau: float) -> Floats:
    """The paper's function Psi: 1 below mu to 0 above it for a negative slope tau."""
    # Beyond 60 the result is 0 to within float32, and the exponential would overflow.
    steepness = np.minimum(np.float32(-tau) * (values - np.float32(mu)), np.float32(60))
    return np.asarray(1 / (1 + np.exp(steepness)), np.float32)


def _propose(probe: PreparedFinger, reference: PreparedFinger, pairs: Pairs, seeds: Indices) -> _Maps:
    """For each seed pair, turn and shift the probe by least squares over the pairs that fit the seed."""
    weight = pairs.compatibility[seeds]
    weight = np.where(weight > COMPATIBLE, weight, 0)
    weight[np.arange(len(seeds)), seeds] = 1
    ax, ay = probe.x[pairs.of_probe], probe.y[pairs.of_probe]
    bx, by = reference.x[pairs.of_reference], reference.y[pairs.of_reference]
    total = weight.sum(1)
    centre_ax, centre_ay, centre_bx, centre_by = ((weight @ v / total) for v in (ax, ay, bx, by))
    from_x, from_y = ax - centre_ax[:, None], ay - centre_ay[:, None]
    to_x, to_y = bx - centre_bx[:, None], by - centre_by[:, None]
    turn = wrap(reference.direction[pairs.of_reference] - probe.direction[pairs.of_probe])
    lever = np.float32(DIRECTION_LEVER_PX2)
    sine = (weight * (from_x * to_y - from_y * to_x)).sum(1) + lever * (weight @ np.sin(turn))
    cosine = (weight * (from_x * to_x + from_y * to_y)).sum(1) + lever * (weight @ np.cos(turn))
    rotation = np.arctan2(sine, cosine)
    c, s = np.cos(rotation), np.sin(rotation)
    linear = np.stack([np.stack([c, -s], 1), np.stack([s, c], 1)], 1)
    shift_x = centre_bx - c * centre_ax + s * centre_ay
    shift_y = centre_by - s * centre_ax - c * centre_ay
    return _Maps(linear, np.stack([shift_x, shift_y], 1), rotation)


def _distinct(maps: _Maps, probe: PreparedFinger) -> Indices:
    """Places of the maps that no earlier one resembles."""
    x, y = maps.moved(probe.x.mean(keepdims=True), probe.y.mean(keepdims=True))
    near = np.hypot(x - x.T, y - y.T) < SAME_PX
    near &= np.abs(wrap(maps.rotation[:, None] - maps.rotation)) < SAME_RAD
    return np.flatnonzero(~np.tril(near, -1).any(1))


def _refit(maps: _Maps, probe: PreparedFinger, reference: PreparedFinger, paired: Floats) -> _Maps:
    """An affine map by least squares over the pairs found, held back towards no change by the stiffness."""
    moved_x, moved_y = maps.moved(probe.x, probe.y)
    weight = paired.sum(2)
    total = np.maximum(weight.sum(1, keepdims=True), np.float32(1e-3))
    to_x, to_y = paired @ reference.x, paired @ reference.y
    centre_to_x, centre_to_y = to_x.sum(1, keepdims=True) / total, to_y.sum(1, keepdims=True) / total
    centre_x = (weight * moved_x).sum(1, keepdims=True) / total
    centre_y = (weight * moved_y).sum(1, keepdims=True) / total
    x, y = moved_x - centre_x, moved_y - centre_y
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
    change = np.stack([np.stack([a, b], 1), np.stack([c, d], 1)], 1)
    centre = np.concatenate([centre_x, centre_y], 1)
    centre_to = np.concatenate([centre_to_x, centre_to_y], 1)
    shift = (change @ (maps.shift - centre)[:, :, None])[:, :, 0] + centre_to
    return _Maps(change @ maps.linear, shift, maps.rotation + np.arctan2(c - b, a + d))


def _lay(maps: _Maps, probe: PreparedFinger, reference: PreparedFinger, similarity: Floats) -> _Laid:
    x, y = maps.moved(probe.x, probe.y)
    direction = probe.direction + maps.rotation[:, None]
    # Ten times as fast as hypot, which minds overflow.
    distance = np.sqrt((x[:, :, None] - reference.x) ** 2 + (y[:, :, None] - reference.y) ** 2)
    turn = np.abs(wrap(direction[:, :, None] - reference.direction))
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
