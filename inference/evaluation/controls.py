"""Controls of an evaluation: what comes out when there is nothing to find, and when order alone changes.

With identities dealt out to the images anew, "genuine" and "impostor" comparisons are of one kind, so the
equal error rate must be about one half: less would mean that something besides the finger tells them apart.
With probe and reference swapped, a symmetric comparison gives the same score.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.evaluation.measured import MeasuredSet
from inference.evaluation.metrics import ScoreSet

SHUFFLES = 20
SWAPPED = 200
"""Comparisons of each data set that are made again in the other order."""
_SEED = 19795


class Controls(msgspec.Struct, frozen=True):
    """shuffles: of the identities of each data set. shuffled_eer: mean over data sets and shuffles.

    shuffled_eer_deviation: from one to another. swapped: comparisons that were made again in the other order.
    swapped_largest_change: of a raw score.
    """

    shuffles: int
    shuffled_eer: float
    shuffled_eer_deviation: float
    swapped: int
    swapped_largest_change: float


def to_swap(comparisons: int) -> NDArray[np.intp]:
    """Places of the comparisons to make again in the other order, at most SWAPPED, seeded."""
    return np.sort(np.random.default_rng(_SEED).permutation(comparisons)[:SWAPPED])


def controls(sets: Sequence[MeasuredSet], swapped_changes: Sequence[NDArray[np.floating]]) -> Controls:
    """Deal the identities of each data set out anew; swapped_changes: of raw scores, by data set."""
    eers = np.array([_shuffled_eers(one) for one in sets])
    changes = np.concatenate(swapped_changes)
    return Controls(
        shuffles=SHUFFLES,
        shuffled_eer=float(eers.mean()),
        shuffled_eer_deviation=float(eers.std()),
        swapped=changes.size,
        swapped_largest_change=float(np.abs(changes).max(initial=0.0)),
    )


def _shuffled_eers(measured: MeasuredSet) -> list[float]:
    trials = measured.trials
    if trials is None:
        raise ValueError("a data set without its trials has no identities to deal out anew")
    raw = np.concatenate([measured.genuine, measured.impostor])
    pairs = np.concatenate([trials.genuine, trials.impostor])
    rng = np.random.default_rng(_SEED)
    found = []
    for _ in range(SHUFFLES):
        dealt = rng.permutation(trials.identity)
        same = dealt[pairs[:, 0]] == dealt[pairs[:, 1]]
        found.append(ScoreSet(raw[same], raw[~same]).equal_error_rate())
    return found
