"""Intervals that know that comparisons of one person depend on each other: identities are drawn anew.

Binomial intervals (`intervals`) take each comparison as independent. Here whole people or fingers are drawn
with replacement, and a comparison counts as often as its identities were drawn (subsets bootstrap: R. M.
Bolle, N. K. Ratha, S. Pankanti, Computer Vision and Image Understanding 93, 2004). Thresholds are set anew in
each draw. Where no error was seen, no draw has one: there is no such interval then, the binomial one holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.measured import MeasuredSet

DRAWS = 400
_SEED = 19_795
_LEAST_TAIL = 200_000  # impostor scores; more are cut to the share below, where all thresholds lie
_TAIL_SHARE = 0.1
_MOST_IDENTITIES = 8_000  # the table of comparisons by identity takes 8 bytes for each pair of them


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """What the draws gave. eer: shape (draws,). fnmr: at each FMR, shape (draws, rates)."""

    eer: NDArray[np.float64]
    fnmr: NDArray[np.float64]

    @staticmethod
    def interval_95(values: NDArray[np.float64]) -> tuple[float, float] | None:
        """Return the range that holds the middle 95 % of the draws; None where it has no width.

        So it is where no error was seen, or nothing else: draws of the same comparisons cannot show more, and
        an interval of 0 to 0 would read as certainty.
        """
        low, high = np.percentile(values, (2.5, 97.5))
        return (float(low), float(high)) if low < high else None


def resample(measured: MeasuredSet, eer: float, fmrs: Sequence[float]) -> Resampled | None:
    """Draw identities `DRAWS` times. eer: of all comparisons; fmrs: at most 5 %.

    None where nothing is known of the identities, or they are too few (2) or too many to do it.
    """
    trials = measured.trials
    identities = 0 if trials is None else int(trials.identity.max()) + 1
    if trials is None or not 3 <= identities <= _MOST_IDENTITIES:
        return None
    of_genuine = trials.identity[trials.genuine[:, 0]]
    order = np.argsort(measured.genuine, kind="stable")
    genuine, of_genuine = measured.genuine[order], of_genuine[order]

    between = _between(trials.identity[trials.impostor], identities)
    first, second = (trials.identity[trials.impostor[:, side]] for side in (0, 1))
    tail = _tail(measured.impostor, eer)
    impostor, first, second = measured.impostor[tail], first[tail], second[tail]
    # Below each of these lie the genuine comparisons that fail at a threshold just above it.
    failing = np.searchsorted(genuine, impostor, side="right")

    drawn = _draw(identities)
    totals = np.einsum("di,di->d", drawn @ between, drawn)
    eers, fnmrs = [], []
    for weight, total in zip(drawn, totals, strict=True):
        missed = np.concatenate([[0.0], np.cumsum(weight[of_genuine])])
        if total == 0 or missed[-1] == 0:
            continue
        false_matches = np.cumsum(weight[first] * weight[second])
        allowed = np.searchsorted(false_matches, np.asarray(fmrs) * total * (1 + 1e-12), side="right")
        fnmrs.append(missed[failing[np.minimum(allowed, failing.size - 1)]] / missed[-1])
        eers.append(_crossing(false_matches / total, failing, missed / missed[-1]))
    return Resampled(np.array(eers), np.array(fnmrs))


def rate_interval_95(identities: NDArray[np.integer], wrong: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the middle 95 % of the error rate at a fixed threshold over all draws.

    identities: of each comparison, shape (n,) for genuine ones and (n, 2) for those of impostors. None where
    they are too few (2) or too many to do it, or the draws do not differ.
    """
    known, number = np.unique(identities, return_inverse=True)
    if not 3 <= known.size <= _MOST_IDENTITIES:
        return None
    number, drawn = number.reshape(identities.shape), _draw(known.size)
    if number.ndim == 1:
        errors, trials = (
            drawn @ np.bincount(chosen, minlength=known.size) for chosen in (number[wrong], number)
        )
    else:
        errors, trials = (
            np.einsum("di,di->d", drawn @ _between(chosen, known.size), drawn)
            for chosen in (number[wrong], number)
        )
    there = trials > 0
    return Resampled.interval_95(errors[there] / trials[there]) if there.any() else None


def _draw(identities: int) -> NDArray[np.float64]:
    """Return how often each identity was drawn, shape (draws, identities)."""
    random = np.random.default_rng(_SEED)
    drawn = random.multinomial(identities, np.full(identities, 1 / identities), size=DRAWS)
    return drawn.astype(np.float64)


def _between(pairs: NDArray[np.integer], identities: int) -> NDArray[np.float64]:
    """Count the comparisons between each two identities, shape (identities, identities)."""
    codes = pairs[:, 0].astype(np.int64) * identities + pairs[:, 1]
    return np.bincount(codes, minlength=identities**2).reshape(identities, -1).astype(np.float64)


def _tail(impostor: NDArray[np.float64], eer: float) -> NDArray[np.intp]:
    """Return the places of the highest impostor scores, highest first: as many as any threshold may need."""
    size = max(_LEAST_TAIL, int(max(_TAIL_SHARE, 4 * eer) * impostor.size))
    if size >= impostor.size:
        return np.argsort(-impostor, kind="stable")
    highest = np.argpartition(-impostor, size)[:size]
    return highest[np.argsort(-impostor[highest], kind="stable")]


def _crossing(fmr: NDArray[np.float64], failing: NDArray[np.intp], missed: NDArray[np.float64]) -> float:
    """Return the mean of FMR and FNMR where they are closest, just above one of the impostor scores.

    fmr: false match rate with this impostor and all higher ones, rising.
    """
    before = np.concatenate([[0.0], fmr[:-1]])  # just above a score, that impostor itself does not match
    low, high = 0, fmr.size - 1
    while low < high:
        middle = (low + high) // 2
        if before[middle] < missed[failing[middle]]:
            low = middle + 1
        else:
            high = middle
    near = [at for at in (low - 1, low) if at >= 0]
    best = min(near, key=lambda at: abs(float(before[at] - missed[failing[at]])))
    return float(before[best] + missed[failing[best]]) / 2
