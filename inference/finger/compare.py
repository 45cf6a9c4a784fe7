"""Compare two prepared fingers: local similarity, support, alignment, and what then agrees.

Cylinder similarity and the compatibility of pairs follow Cappelli et al. 2010, sections 4.1 and 4.3. The
paper relaxes local scores by it and stops there; here the pairs that most others support propose
alignments, and the print as a whole is judged under the best of them: how many minutiae pair up, and which
share of the overlap that is. With the score's network, relaxed local scores added nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.bits import set_bits
from inference.finger.alignment import Alignment, Pairs, align, sigmoid
from inference.finger.cylinders import BITS, SECTIONS, PreparedFinger, wrap

Floats: TypeAlias = NDArray[np.float32]
Indices: TypeAlias = NDArray[np.intp]

LEAST_MINUTIAE = 3
LEAST_COMMON_SHARE = 0.3  # min_ME is 0.6, of cylinders that are mostly whole; partial prints share less
MOST_TURN_RAD = 3 * np.pi / 4  # delta_theta is pi/2
MOST_PAIRS = 120
LEAST_CONFIDENCE_SUM = 1.5
BORDER_PX = 8.0
# mu and tau of the three compatibilities (rho): distance, relative direction, relative bearing. The distance
# is wider than the paper's 5 px and the slopes gentler: skin on a small sensor stretches.
DISTANCE_MU_PX, DISTANCE_TAU = 9.0, -0.5
DIRECTION_MU_RAD, DIRECTION_TAU = np.pi / 8, -20.0
BEARING_MU_RAD, BEARING_TAU = np.pi / 9, -20.0
FAR_PX, FAR_DIRECTION_RAD, FAR_BEARING_RAD = 21.0, 0.7, 0.65
"""Beyond these a compatibility is below 0.003: nine in ten pairs of pairs need no exponential."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one comparison found, the raw matter of the score.

    matched: minutiae that pair up under the best alignment, each weighted 0 to 1 by how closely.
    matched_similarity: the same, each also weighted by its cylinder similarity.
    confidence_share: how much of the extractor's confidence in the overlap is paired, 0 to about 1.
    probe_overlap, reference_overlap: minutiae of each print that lie where the other has some.
    distance_px: how far the pairs are apart, on average.
    probe_count, reference_count: minutiae of each print.
    rotation_rad: by which one print had to be turned, 0 to pi.
    probe_inside, reference_inside: minutiae of each print that lie in the rectangle about the other's.
    """

    matched: float
    matched_similarity: float
    confidence_share: float
    probe_overlap: int
    reference_overlap: int
    distance_px: float
    probe_count: int
    reference_count: int
    rotation_rad: float
    probe_inside: int
    reference_inside: int


def compare(one: PreparedFinger, other: PreparedFinger) -> Agreement:
    """Find the alignment under which the two prints agree best; the order of the two does not matter."""
    probe, reference = sorted((one, other), key=_rank)
    counts = len(probe), len(reference)
    if min(counts) < LEAST_MINUTIAE:
        return _nothing(counts)
    similarity = local_similarity(probe, reference)
    of_probe, of_reference, initial = _best_pairs(similarity)
    if len(initial) < 2:
        return _nothing(counts)
    compatibility = _compatibility(probe, reference, of_probe, of_reference)
    support = compatibility @ initial
    best = align(probe, reference, similarity, Pairs(of_probe, of_reference, compatibility, support))
    matched = float(best.closeness.sum())
    return Agreement(
        matched=matched,
        matched_similarity=float(best.closeness @ similarity[best.of_probe, best.of_reference]),
        confidence_share=_confidence_share(best, probe, reference),
        probe_overlap=int(best.probe_overlap.sum()),
        reference_overlap=int(best.reference_overlap.sum()),
        distance_px=float(best.closeness @ best.distance_px) / max(matched, 1e-3),
        probe_count=counts[0],
        reference_count=counts[1],
        rotation_rad=abs(best.rotation_rad),
        probe_inside=_inside(probe, reference, best.linear, best.shift),
        reference_inside=_inside(reference, probe, *_inverse(best.linear, best.shift)),
    )


def _rank(finger: PreparedFinger) -> tuple[int, bytes]:
    """The print with fewer minutiae is laid over the other; where both have as many, any fixed order does."""
    return len(finger), finger.x.tobytes()


def _nothing(counts: tuple[int, int]) -> Agreement:
    return Agreement(0.0, 0.0, 0.0, 0, 0, 0.0, *counts, 0.0, 0, 0)


def _confidence_share(best: Alignment, probe: PreparedFinger, reference: PreparedFinger) -> float:
    """Geometric mean over both prints: how much of the confidence in the overlap is paired."""
    share = 1.0
    for paired, overlap, confidence in (
        (best.of_probe, best.probe_overlap, probe.confidence),
        (best.of_reference, best.reference_overlap, reference.confidence),
    ):
        share *= float(best.closeness @ confidence[paired]) / max(
            float(confidence[overlap].sum()), LEAST_CONFIDENCE_SUM
        )
    return math.sqrt(share)


def _inside(laid: PreparedFinger, under: PreparedFinger, linear: Floats, shift: Floats) -> int:
    x = linear[0, 0] * laid.x + linear[0, 1] * laid.y + shift[0]
    y = linear[1, 0] * laid.x + linear[1, 1] * laid.y + shift[1]
    inside = (x >= under.x.min() - BORDER_PX) & (x <= under.x.max() + BORDER_PX)
    inside &= (y >= under.y.min() - BORDER_PX) & (y <= under.y.max() + BORDER_PX)
    return int(inside.sum())


def _inverse(linear: Floats, shift: Floats) -> tuple[Floats, Floats]:
    (a, b), (c, d) = linear
    inverse = np.array([[d, -b], [-c, a]], np.float32) / (a * d - b * c)
    return inverse, -inverse @ shift


def local_similarity(probe: PreparedFinger, reference: PreparedFinger) -> Floats:
    """Equation 14, for bits: similarity 0 to 1 of each probe cylinder to each reference cylinder."""
    # One product gives the three counts under a mask; only what both have set needs the bits themselves.
    n, m = len(probe), len(reference)
    product = probe.cells.astype(np.float32) @ reference.cells.astype(np.float32).T
    a_norm, b_norm, common = product[:n, m:], product[n:, :m], product[n:, m:] * SECTIONS
    both = set_bits(probe.bits.T[:, :, None] & reference.bits.T[:, None])
    differing = a_norm + b_norm - 2 * both.astype(np.float32)
    norms = np.sqrt(a_norm) + np.sqrt(b_norm)
    similarity = 1 - np.sqrt(differing) / np.maximum(norms, np.float32(1e-6))
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


def _compatibility(
    probe: PreparedFinger, reference: PreparedFinger, of_probe: Indices, of_reference: Indices
) -> Floats:
    """Rho of the paper's section 4.3: how well each pair fits with each other pair, shape (pairs, pairs)."""
    turn = probe.direction[of_probe] - reference.direction[of_reference]
    distance = np.abs(_among(probe.distance, of_probe) - _among(reference.distance, of_reference))
    direction = np.abs(wrap(turn[:, None] - turn))
    away = _among(probe.bearing, of_probe) - _among(reference.bearing, of_reference)
    bearing = np.abs(wrap(turn[:, None] - away))
    near = (distance < FAR_PX) & (direction < FAR_DIRECTION_RAD) & (bearing < FAR_BEARING_RAD)
    near &= (of_probe[:, None] != of_probe) & (of_reference[:, None] != of_reference)
    places = np.flatnonzero(near)
    rho = np.zeros(distance.shape, np.float32)
    rho.ravel()[places] = (
        sigmoid(distance.ravel()[places], DISTANCE_MU_PX, DISTANCE_TAU)
        * sigmoid(direction.ravel()[places], DIRECTION_MU_RAD, DIRECTION_TAU)
        * sigmoid(bearing.ravel()[places], BEARING_MU_RAD, BEARING_TAU)
    )
    return rho


def _among(matrix: Floats, chosen: Indices) -> Floats:
    """The rows and columns that are chosen; `np.ix_` takes three times as long."""
    return matrix[chosen].take(chosen, axis=1)
