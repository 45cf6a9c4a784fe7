"""Linkability of protected templates: D_sys of two score distributions.

M. Gomez-Barrero, J. Galbally, C. Rathgeb, C. Busch, "General Framework to Evaluate Unlinkability in Biometric
Template Protection Systems", IEEE TIFS 13(6), 2018. Scores are of templates under two keys: mated ones show
one person, non-mated ones two.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_BINS = 100
MATED_IN_BIN = 10
_SHUFFLES = 20
_SEED = 24_745


class Linkability(msgspec.Struct, frozen=True):
    """d_sys: 0 (nothing links) to 1 (everything does), mean over pairs of keys; highest: of one of them.

    by_chance: what the same scores give with their labels dealt out anew: bins of few scores differ by
    chance, so that D_sys of finitely many scores is above 0 where nothing links. key_pairs: how many.
    """

    d_sys: float
    highest: float
    by_chance: float
    key_pairs: int


def local_measure(mated: NDArray[np.float64], non_mated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return D of each bin from the two densities (equation 12, with equal priors: omega = 1).

    With the likelihood ratio LR = mated / non_mated: 0 where LR is at most 1, else 2 LR / (1 + LR) - 1, and 1
    where there are mated scores alone.
    """
    total = mated + non_mated
    # 2 LR / (1 + LR) - 1 = (mated - non_mated) / (mated + non_mated), without a division by zero.
    return np.divide(np.maximum(mated - non_mated, 0), total, out=np.zeros_like(total), where=total > 0)


def d_sys(mated: ArrayLike, non_mated: ArrayLike) -> float:
    """Return the global measure: D averaged over the mated scores (equation 14), by histograms.

    Bins as in the paper's own implementation: a tenth of the mated scores, at most 100, of equal width.
    """
    first, second = np.asarray(mated, np.float64).ravel(), np.asarray(non_mated, np.float64).ravel()
    if not first.size or not second.size:
        raise ValueError("linkability takes mated and non-mated scores")
    low = float(min(first.min(), second.min()))
    high = float(max(first.max(), second.max()))
    if low == high:
        return 0.0
    bins = min(max(first.size // MATED_IN_BIN, 1), MOST_BINS)
    edges = np.linspace(low, high, bins + 1)
    share = np.histogram(first, edges)[0] / first.size
    other = np.histogram(second, edges)[0] / second.size
    return float(share @ local_measure(share, other))


def linkability(pairs_of_keys: list[tuple[NDArray[np.floating], NDArray[np.floating]]]) -> Linkability:
    """Work out D_sys for each pair of keys; each has its mated and its non-mated scores."""
    found = [d_sys(mated, non_mated) for mated, non_mated in pairs_of_keys]
    random = np.random.default_rng(_SEED)
    chance = []
    for _ in range(-(-_SHUFFLES // len(pairs_of_keys))):
        for mated, non_mated in pairs_of_keys:
            dealt = random.permutation(np.concatenate([mated, non_mated]))
            chance.append(d_sys(dealt[: mated.size], dealt[mated.size :]))
    return Linkability(float(np.mean(found)), max(found), float(np.mean(chance)), len(found))
