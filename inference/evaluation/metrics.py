"""Error rates of comparison scores (ISO/IEC 19795-1): a score at or above the threshold is a match."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inference.errors import InferenceError
from inference.evaluation.intervals import supports, upper_bound, wilson

REPORTED_FMR = (1e-2, 1e-3, 1e-4)
"""Reported in any case, supported or not; thresholds, quality and cohorts are worked out at these."""

FURTHER_FMR = (1e-5,)
"""Reported besides where the impostor comparisons support them: 300,000 for 1e-5."""


class NotMeasurable(InferenceError, ValueError):
    """The comparisons that were made allow no statement of error rates."""


@dataclass(frozen=True, slots=True)
class AtFmr:
    """What one threshold gives. supported: there are at least 3 / FMR impostor comparisons."""

    fmr: float
    threshold: float
    fmr_measured: float
    fmr_upper_bound_95: float
    fnmr: float
    fnmr_interval_95: tuple[float, float]
    supported: bool


class ScoreSet:
    """Genuine and impostor comparison scores of one population, higher is more alike.

    repeats: the same images were compared about this often; bounds and intervals count it as once.
    """

    def __init__(self, genuine: ArrayLike, impostor: ArrayLike, repeats: int = 1) -> None:
        self._repeats = repeats
        self.genuine = _sorted_scores(genuine, "genuine")
        self.impostor = _sorted_scores(impostor, "impostor")

    def reported_fmr(self) -> tuple[float, ...]:
        """Return the rates that these comparisons are reported at."""
        impostor = self.impostor.size / self._repeats
        return (*REPORTED_FMR, *(fmr for fmr in FURTHER_FMR if supports(fmr, impostor)))

    def false_matches(self, threshold: float) -> int:
        """Count the impostor scores at or above the threshold."""
        return int(self.impostor.size - np.searchsorted(self.impostor, threshold, side="left"))

    def false_non_matches(self, threshold: float) -> int:
        """Count the genuine scores below the threshold."""
        return int(np.searchsorted(self.genuine, threshold, side="left"))

    def threshold_at(self, fmr: float) -> float:
        """Return the lowest threshold whose measured false match rate is at most `fmr`."""
        allowed = math.floor(fmr * self.impostor.size * (1 + 1e-12))
        if allowed >= self.impostor.size:
            return float(min(self.impostor[0], self.genuine[0]))
        return math.nextafter(float(self.impostor[-1 - allowed]), math.inf)

    def at_threshold(self, threshold: float, fmr: float) -> AtFmr:
        """Return the rates at a threshold that was chosen for `fmr`."""
        false_matches, false_non_matches = self.false_matches(threshold), self.false_non_matches(threshold)
        genuine, impostor = self.genuine.size / self._repeats, self.impostor.size / self._repeats
        return AtFmr(
            fmr=fmr,
            threshold=threshold,
            fmr_measured=false_matches / self.impostor.size,
            fmr_upper_bound_95=upper_bound(false_matches / self._repeats, impostor),
            fnmr=false_non_matches / self.genuine.size,
            fnmr_interval_95=wilson(false_non_matches / self._repeats, genuine),
            supported=supports(fmr, impostor),
        )

    def at_fmr(self, fmr: float) -> AtFmr:
        """Return the rates at the lowest threshold that keeps `fmr`."""
        return self.at_threshold(self.threshold_at(fmr), fmr)

    def equal_error_rate(self) -> float:
        """Return the mean of FMR and FNMR where they are closest."""
        # Below the lowest genuine score FNMR is 0, so the crossing can only lie at or above it.
        overlapping = self.impostor[self.impostor >= self.genuine[0]]
        thresholds = np.unique(np.concatenate([self.genuine, overlapping]))
        thresholds = np.append(thresholds, np.nextafter(thresholds[-1], np.inf))
        fmr, fnmr = self._rates(thresholds)
        nearest = int(np.argmin(np.abs(fmr - fnmr)))
        return float(fmr[nearest] + fnmr[nearest]) / 2

    def _rates(self, thresholds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        fmr = 1.0 - np.searchsorted(self.impostor, thresholds, side="left") / self.impostor.size
        fnmr = np.searchsorted(self.genuine, thresholds, side="left") / self.genuine.size
        return fmr, fnmr


def _sorted_scores(scores: ArrayLike, kind: str) -> NDArray[np.float64]:
    values = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    if values.size == 0:
        raise NotMeasurable(f"no {kind} comparison was made, so no error rate can be stated")
    if not np.isfinite(values).all():
        raise NotMeasurable(f"a {kind} score is not a finite number")
    return values
