"""How good calibrated likelihood ratios are on data that they were not fitted on.

Cllr is the cost of taking decisions by them over all priors, in bits: 0 is perfect, 1 is no better than no
score at all. min Cllr is what the best monotone calibration of the same scores would give, fitted on the very
test data; the difference is what calibration loses (N. Brümmer, J. du Preez, Computer Speech & Language 20,
2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.calibration import calibrate, calibrated
from inference.evaluation.measured import MeasuredSet, Scores, halve
from inference.evaluation.metrics import ScoreSet

_SEED = 2006


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """LLRs of comparisons that took no part in their calibration. how: what was held out."""

    how: str
    genuine: Scores
    impostor: Scores


def held_out(sets: Sequence[MeasuredSet]) -> HeldOut:
    """Calibrate without each data set in turn; a single one is halved by identities.

    Raises NotMeasurable when the rest has too few comparisons.
    """
    if len(sets) > 1:
        parts = [([one for one in sets if one is not tested], [tested]) for tested in sets]
        how = "each data set by a calibration on the others"
    else:
        halves = halve(sets[0], np.random.default_rng(_SEED))
        parts = [([halves[0]], [halves[1]]), ([halves[1]], [halves[0]])]
        how = "each half of the identities by a calibration on the other half"
    tested = [calibrated(test, calibrate(rest))[0] for rest, test in parts]
    return HeldOut(
        how, np.concatenate([one.genuine for one in tested]), np.concatenate([one.impostor for one in tested])
    )


def cllr(genuine: Scores, impostor: Scores) -> float:
    """Return the cost of log-likelihood ratios (natural logarithm), in bits."""
    cost = np.mean(np.logaddexp(0.0, -genuine)) + np.mean(np.logaddexp(0.0, impostor))
    return float(cost / (2 * np.log(2)))


def min_cllr(genuine: Scores, impostor: Scores) -> float:
    """Return the cost after the best monotone calibration.

    Pool-adjacent-violators gives the slopes of the convex hull of the ROC curve as likelihood ratios, and
    only thresholds at genuine scores can be corners of it.
    """
    scores = ScoreSet(genuine, impostor)
    thresholds = np.unique(scores.genuine)[::-1]
    hit = 1.0 - np.searchsorted(scores.genuine, thresholds, side="left") / scores.genuine.size
    false = 1.0 - np.searchsorted(scores.impostor, thresholds, side="left") / scores.impostor.size
    corners = _upper_hull(np.append(0.0, np.append(false, 1.0)), np.append(0.0, np.append(hit, 1.0)))
    impostor_share, genuine_share = np.diff(corners[:, 0]), np.diff(corners[:, 1])
    both = (impostor_share > 0) & (genuine_share > 0)  # elsewhere the evidence is without error
    odds = genuine_share[both] / impostor_share[both]
    cost = genuine_share[both] * np.log2(1 + 1 / odds) + impostor_share[both] * np.log2(1 + odds)
    return float(np.sum(cost) / 2)


def _upper_hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the upper convex hull of points that rise in both, shape (corners, 2)."""
    hull: list[tuple[float, float]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) > 1 and _turns_left(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return np.array(hull)


def _turns_left(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0
