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

    of_probe, of_reference, closeness, distance_px: shape (pairs,), the minutiae that pair up, how closely
    (0 to 1: exactly on each other), and how far apart they come to lie.
    probe_overlap, reference_overlap: shape (n,) and (m,), whether the other print reaches there.
    rotation_rad: by which the probe was turned, -pi to pi.
    linear, shift: shape (2, 2) and (2,); a point p of the probe lies on linear @ p + shift, px with y up.
    """

    of_probe: Indices
    of_reference: Indices
    closeness: Floats
    distance_px: Floats
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
    """What the hypotheses give. Few minutiae come to lie near each other, so pairs are listed.

    hypothesis, of_probe, of_reference, closeness, distance_px: shape (pairs of all hypotheses,).
    moved_x, moved_y: shape (pairs of all hypotheses,), where the probe's minutia of the pair lies.
    probe_overlap, reference_overlap: shape (hypotheses, n) and (hypotheses, m). merit: shape (hypotheses,).
    """

    hypothesis: Indices
    of_probe: Indices
    of_reference: Indices
    closeness: Floats
    distance_px: Floats
    moved_x: Floats
    moved_y: Floats
    probe_overlap: Flags
    reference_overlap: Flags
    merit: Floats

    def only(self, chosen: Indices) -> _Laid:
        place = np.full(len(self.merit), -1, np.intp)
        place[chosen] = np.arange(len(chosen))
        hypothesis = place[self.hypothesis]
        kept = hypothesis >= 0
        return _Laid(
            hypothesis[kept],
            self.of_probe[kept],
            self.of_reference[kept],
            self.closeness[kept],
            self.distance_px[kept],
            self.moved_x[kept],
            self.moved_y[kept],
            self.probe_overlap[chosen],
            self.reference_overlap[chosen],
            self.merit[chosen],
        )


_EARLIER = np.tri(HYPOTHESES, k=-1, dtype=np.bool_)


def align(probe: PreparedFinger, reference: PreparedFinger, similarity: Floats, pairs: Pairs) -> Alignment:
    """Find the alignment with the most agreement. similarity: of cylinders, shape (n, m)."""
    seeds = np.argsort(-pairs.support, kind="stable")[:HYPOTHESES]
    maps = _propose(probe, reference, pairs, seeds)
    maps = maps.only(_distinct(maps, probe)[:LAID])
    laid = _lay(maps, probe, reference, similarity)
    best = np.argsort(-laid.merit, kind="stable")[:REFINED]
    maps, laid = maps.only(best), laid.only(best)
    for _ in range(REFINEMENTS):
        maps = _refit(maps, laid, reference)
        laid = _lay(maps, probe, reference, similarity)
    chosen = int(np.argmax(laid.merit))
    own = laid.hypothesis == chosen
    return Alignment(
        of_probe=laid.of_probe[own],
        of_reference=laid.of_reference[own],
        closeness=laid.closeness[own],
        distance_px=laid.distance_px[own],
        probe_overlap=laid.probe_overlap[chosen],
        reference_overlap=laid.reference_overlap[chosen],
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
    linear = np.array([[c, -s], [s, c]]).transpose(2, 0, 1)
    shift_x = centre_bx - c * centre_ax + s * centre_ay
    shift_y = centre_by - s * centre_ax - c * centre_ay
    return _Maps(linear, np.array([shift_x, shift_y]).T, rotation)


def _distinct(maps: _Maps, probe: PreparedFinger) -> Indices:
    """Places of the maps that no earlier one resembles."""
    x, y = maps.moved(probe.x.mean(keepdims=True), probe.y.mean(keepdims=True))
    near = np.hypot(x - x.T, y - y.T) < SAME_PX
    near &= np.abs(wrap(maps.rotation[:, None] - maps.rotation)) < SAME_RAD
    near &= _EARLIER[: len(near), : len(near)]
    return np.flatnonzero(~near.any(1))


def _refit(maps: _Maps, laid: _Laid, reference: PreparedFinger) -> _Maps:
    """An affine map by least squares over the pairs found, held back towards no change by the stiffness."""
    x, y = laid.moved_x, laid.moved_y
    to_x, to_y = reference.x[laid.of_reference], reference.y[laid.of_reference]
    # All sums of all hypotheses in one product; float64, since the centres are taken off afterwards.
    values = np.array(
        [np.ones_like(x), x, y, to_x, to_y, x * x, y * y, x * y, x * to_x, y * to_x, x * to_y, y * to_y]
    )
    share = np.where(laid.hypothesis == np.arange(len(maps.rotation))[:, None], laid.closeness, 0)
    sums = values.astype(np.float64) @ share.T.astype(np.float64)
    total = np.maximum(sums[0], 1e-3)
    sum_x, sum_y, sum_to_x, sum_to_y = sums[1:5]
    centre = sums[1:3] / total
    centre_to = sums[3:5] / total
    xx = sums[5] - sum_x * centre[0] + STIFFNESS_PX2
    yy = sums[6] - sum_y * centre[1] + STIFFNESS_PX2
    xy = sums[7] - sum_x * centre[1]
    # Rows of the 2x2 normal equations, solved by Cramer's rule: new x = a * x + b * y, new y = c * x + d * y.
    right_ax, right_bx = sums[8] - sum_to_x * centre[0] + STIFFNESS_PX2, sums[9] - sum_to_x * centre[1]
    right_ay, right_by = sums[10] - sum_to_y * centre[0], sums[11] - sum_to_y * centre[1] + STIFFNESS_PX2
    determinant = xx * yy - xy * xy
    a, b = (right_ax * yy - right_bx * xy) / determinant, (right_bx * xx - right_ax * xy) / determinant
    c, d = (right_ay * yy - right_by * xy) / determinant, (right_by * xx - right_ay * xy) / determinant
    change = np.array([[a, b], [c, d]], np.float32).transpose(2, 0, 1)
    shift = (change @ (maps.shift - centre.T)[:, :, None])[:, :, 0] + centre_to.T
    rotation = maps.rotation + np.arctan2(c - b, a + d).astype(np.float32)
    return _Maps(change @ maps.linear, shift.astype(np.float32), rotation)


def _lay(maps: _Maps, probe: PreparedFinger, reference: PreparedFinger, similarity: Floats) -> _Laid:
    x, y = maps.moved(probe.x, probe.y)
    squared = (x[:, :, None] - reference.x) ** 2 + (y[:, :, None] - reference.y) ** 2
    near = np.flatnonzero(squared < (1.6 * TOLERANCE_PX) ** 2)
    number, rest = np.divmod(near, x.shape[1] * len(reference))
    a, b = np.divmod(rest, len(reference))
    distance = np.sqrt(squared.ravel()[near])
    turn = np.abs(wrap(probe.direction[a] + maps.rotation[number] - reference.direction[b]))
    closeness = sigmoid(distance, TOLERANCE_PX, -0.5) * sigmoid(turn, TOLERANCE_RAD, -15.0)
    closeness[turn >= 1.3 * TOLERANCE_RAD] = 0
    # A pair counts where each of the two is the closest to the other.
    closest_to_probe = np.zeros(x.shape, np.float32)
    closest_to_reference = np.zeros((len(x), len(reference)), np.float32)
    np.maximum.at(closest_to_probe, (number, a), closeness)
    np.maximum.at(closest_to_reference, (number, b), closeness)
    mutual = (closeness > PAIRED) & (closeness == closest_to_probe[number, a])
    mutual &= closeness == closest_to_reference[number, b]
    number, a, b = number[mutual], a[mutual], b[mutual]
    distance, closeness = distance[mutual], closeness[mutual]
    matched = np.bincount(number, closeness, len(x))
    alike = np.bincount(number, closeness * np.maximum(similarity[a, b], np.float32(PAIRED)), len(x))
    within: Flags = squared < OVERLAP_PX**2
    probe_overlap, reference_overlap = np.asarray(within.any(2)), np.asarray(within.any(1))
    first = np.maximum(probe_overlap.sum(1), LEAST_OVERLAP)
    second = np.maximum(reference_overlap.sum(1), LEAST_OVERLAP)
    merit = np.asarray(0.5 * matched * np.sqrt(matched / (first * second)) + 0.5 * alike, np.float32)
    return _Laid(
        number, a, b, closeness, distance, x[number, a], y[number, a], probe_overlap, reference_overlap, merit
    )
