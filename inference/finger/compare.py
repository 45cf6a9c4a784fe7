"""Compare two prepared fingers: local similarity, relaxation, alignment, and what then agrees.

Steps one and two follow Cappelli et al. 2010, section 4 (cylinder similarity, LSS-R relaxation). The paper
stops at the relaxed local scores; here the best pairs also propose alignments, and the print as a whole is
judged under the best of them: how many minutiae pair up, and which share of the overlap that is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.finger.cylinders import BITS, PreparedFinger, wrap

Floats: TypeAlias = NDArray[np.float32]
Indices: TypeAlias = NDArray[np.intp]

LEAST_MINUTIAE = 3
LEAST_COMMON_SHARE = 0.3  # min_ME is 0.6, of cylinders that are mostly whole; partial prints share less
MOST_TURN_RAD = 3 * np.pi / 4  # delta_theta is pi/2
MOST_PAIRS = 120
RELAXATIONS = 5  # n_rel
RELAXATION_WEIGHT = 0.5  # w_R
# mu and tau of the three compatibilities (rho): distance, relative direction, relative bearing. The distance
# is wider than the paper's 5 px and the slopes gentler: skin on a small sensor stretches.
DISTANCE_MU_PX, DISTANCE_TAU = 9.0, -0.5
DIRECTION_MU_RAD, DIRECTION_TAU = np.pi / 8, -20.0
BEARING_MU_RAD, BEARING_TAU = np.pi / 9, -20.0
HYPOTHESES = 24
COMPATIBLE = 0.3
DIRECTION_LEVER_PX2 = 400.0
"""A pair's own direction counts for the rotation like two points 20 px apart."""
TOLERANCE_PX, TOLERANCE_RAD = 12.0, np.pi / 7
PAIRED = 0.05
OVERLAP_PX = 35.0
"""A minutia lies in the overlap when the other print has one within this distance."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one comparison found, the raw matter of the score.

    matched: minutiae that pair up under the best alignment, each weighted 0 to 1 by how closely.
    matched_similarity: the same, each also weighted by its cylinder similarity.
    probe_overlap, reference_overlap: minutiae of each print that lie where the other has some.
    relaxed: mean relaxed similarity of the best pairs, 0 to 1.
    support: similarity of the pairs that agree with the best one.
    probe_count, reference_count: minutiae of each print.
    """

    matched: float
    matched_similarity: float
    probe_overlap: int
    reference_overlap: int
    relaxed: float
    support: float
    probe_count: int
    reference_count: int


def compare(probe: PreparedFinger, reference: PreparedFinger) -> Agreement:
    """Find the alignment under which the two prints agree best."""
    counts = len(probe), len(reference)
    nothing = Agreement(0.0, 0.0, 0, 0, 0.0, 0.0, *counts)
    if min(counts) < LEAST_MINUTIAE:
        return nothing
    similarity = local_similarity(probe, reference)
    of_probe, of_reference, initial = _best_pairs(similarity)
    if len(initial) < 2:
        return nothing
    compatibility = _compatibility(probe, reference, of_probe, of_reference)
    relaxed = initial
    for _ in range(RELAXATIONS):
        neighbours = compatibility @ relaxed / np.float32(len(initial) - 1)
        relaxed = RELAXATION_WEIGHT * relaxed + (1 - RELAXATION_WEIGHT) * neighbours
    support = compatibility @ initial
    seeds = np.argsort(-support, kind="stable")[:HYPOTHESES]
    turned = _align(probe, reference, of_probe, of_reference, compatibility, seeds)
    best = _best_alignment(*turned, probe, reference, similarity)
    strongest = np.sort(relaxed)[::-1][: _pairs_to_average(min(counts))]
    return Agreement(*best, float(strongest.mean()), float(support[seeds[0]]), *counts)


def local_similarity(probe: PreparedFinger, reference: PreparedFinger) -> Floats:
    """Equation 14, for bits: similarity 0 to 1 of each probe cylinder to each reference cylinder."""
    a, a_mask = probe.bits[:, None], probe.masks[:, None]
    b, b_mask = reference.bits[None], reference.masks[None]
    common = np.bitwise_count(a_mask & b_mask).sum(2, dtype=np.uint16)
    differing = np.bitwise_count((a ^ b) & a_mask & b_mask).sum(2, dtype=np.uint16)
    a_norm = np.bitwise_count(a & b_mask).sum(2, dtype=np.uint16)
    b_norm = np.bitwise_count(b & a_mask).sum(2, dtype=np.uint16)
    norms = np.sqrt(a_norm, dtype=np.float32) + np.sqrt(b_norm, dtype=np.float32)
    similarity = 1 - np.sqrt(differing, dtype=np.float32) / np.maximum(norms, np.float32(1e-6))
    similarity[common < LEAST_COMMON_SHARE * BITS] = 0
    similarity[~probe.usable] = 0
    similarity[:, ~reference.usable] = 0
    similarity[np.abs(wrap(probe.direction[:, None] - reference.direction)) > MOST_TURN_RAD] = 0
    return np.asarray(similarity, np.float32)


def _best_pairs(similarity: Floats) -> tuple[Indices, Indices, Floats]:
    flat = similarity.ravel()
    count = min(MOST_PAIRS, len(flat), 2 * max(similarity.shape))
    best = np.argpartition(-flat, count - 1)[:count]
    best = best[np.argsort(-flat[best], kind="stable")]
    best = best[flat[best] > 0]
    of_probe, of_reference = np.divmod(best, similarity.shape[1])
    return of_probe, of_reference, flat[best]


def _sigmoid(values: Floats, mu: float, tau: float) -> Floats:
    # Beyond 60 the result is 0 to within float32, and the exponential would overflow.
    steepness = np.minimum(np.float32(-tau) * (values - np.float32(mu)), np.float32(60))
    return np.asarray(1 / (1 + np.exp(steepness)), np.float32)


def _compatibility(
    probe: PreparedFinger, reference: PreparedFinger, of_probe: Indices, of_reference: Indices
) -> Floats:
    """Rho of the paper's section 4.3: how well each pair fits with each other pair, shape (pairs, pairs)."""
    p, r = np.ix_(of_probe, of_probe), np.ix_(of_reference, of_reference)
    a, b = probe.direction[of_probe], reference.direction[of_reference]
    distance = np.abs(probe.distance[p] - reference.distance[r])
    direction = np.abs(wrap((a[:, None] - a) - (b[:, None] - b)))
    bearing = np.abs(wrap((a[:, None] - probe.bearing[p]) - (b[:, None] - reference.bearing[r])))
    rho = _sigmoid(distance, DISTANCE_MU_PX, DISTANCE_TAU)
    rho *= _sigmoid(direction, DIRECTION_MU_RAD, DIRECTION_TAU)
    rho *= _sigmoid(bearing, BEARING_MU_RAD, BEARING_TAU)
    rho[(of_probe[:, None] == of_probe) | (of_reference[:, None] == of_reference)] = 0
    return rho


def _align(
    probe: PreparedFinger,
    reference: PreparedFinger,
    of_probe: Indices,
    of_reference: Indices,
    compatibility: Floats,
    seeds: Indices,
) -> tuple[Floats, Floats, Floats]:
    """For each seed pair, move the probe onto the reference by least squares over the pairs that fit it.

    Returns x, y and direction of the moved minutiae, each of shape (seeds, n).
    """
    weight = compatibility[seeds]
    weight = np.where(weight > COMPATIBLE, weight, 0)
    weight[np.arange(len(seeds)), seeds] = 1
    ax, ay = probe.x[of_probe], probe.y[of_probe]
    bx, by = reference.x[of_reference], reference.y[of_reference]
    total = weight.sum(1)
    centre_ax, centre_ay, centre_bx, centre_by = ((weight @ v / total)[:, None] for v in (ax, ay, bx, by))
    from_x, from_y, to_x, to_y = ax - centre_ax, ay - centre_ay, bx - centre_bx, by - centre_by
    turn = wrap(reference.direction[of_reference] - probe.direction[of_probe])
    lever = np.float32(DIRECTION_LEVER_PX2)
    sine = (weight * (from_x * to_y - from_y * to_x)).sum(1) + lever * (weight @ np.sin(turn))
    cosine = (weight * (from_x * to_x + from_y * to_y)).sum(1) + lever * (weight @ np.cos(turn))
    rotation = np.arctan2(sine, cosine)[:, None]
    c, s = np.cos(rotation), np.sin(rotation)
    x, y = probe.x - centre_ax, probe.y - centre_ay
    return c * x - s * y + centre_bx, s * x + c * y + centre_by, probe.direction + rotation


def _best_alignment(
    x: Floats,
    y: Floats,
    direction: Floats,
    probe: PreparedFinger,
    reference: PreparedFinger,
    similarity: Floats,
) -> tuple[float, float, int, int]:
    """Matched, matched similarity and both overlaps under the alignment that agrees best."""
    distance = np.hypot(x[:, :, None] - reference.x, y[:, :, None] - reference.y)
    turn = np.abs(wrap(direction[:, :, None] - reference.direction))
    closeness = np.zeros_like(distance)
    near = (distance < 1.6 * TOLERANCE_PX) & (turn < 1.3 * TOLERANCE_RAD)
    closeness[near] = _sigmoid(distance[near], TOLERANCE_PX, -0.5) * _sigmoid(
        turn[near], TOLERANCE_RAD, -15.0
    )
    mutual = (
        (closeness == closeness.max(2, keepdims=True))
        & (closeness == closeness.max(1, keepdims=True))
        & (closeness > PAIRED)
    )
    paired = np.where(mutual, closeness, 0)
    matched = paired.sum((1, 2))
    alike = (paired * np.maximum(similarity, PAIRED)).sum((1, 2))
    probe_overlap = (distance.min(2) < OVERLAP_PX).sum(1)
    reference_overlap = (distance.min(1) < OVERLAP_PX).sum(1)
    overlap = np.sqrt(np.maximum(probe_overlap, 6) * np.maximum(reference_overlap, 6))
    best = int(np.argmax(0.5 * matched**1.5 / overlap + 0.5 * alike))
    return float(matched[best]), float(alike[best]), int(probe_overlap[best]), int(reference_overlap[best])


def _pairs_to_average(fewer: int) -> int:
    """Equation 20 with n_P from 4 to 12, mu_P 20 and tau_P 2/5."""
    return 4 + int(0.5 + 8 / (1 + math.exp(-0.4 * (fewer - 20))))
