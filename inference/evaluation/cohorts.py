"""Rates by cohort: who is served worse, and whether the data are enough to say so (RESPONSIBLE_USE.md 6).

ISO/IEC 19795-10 calls this differential performance. All cohorts are judged at the one threshold of all
people, as an appliance has one. FNMR and FMR are within a cohort: both images of a comparison belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.cohort_figures import BAR, Cohort, CohortRate, CohortReport
from inference.evaluation.cohort_file import NOT_STATED, CohortFile
from inference.evaluation.intervals import wilson
from inference.evaluation.measured import Trials
from inference.evaluation.report import Compared, Report, pooled, strictest_supported
from inference.evaluation.resample import rate_interval_95


def cohort_report(figures: Report, sets: Sequence[Compared], file: CohortFile) -> CohortReport:
    """Work out the rates of every cohort. Raises DataSetRefused when the file names nobody in the data."""
    together = pooled(sets)
    placed = file.place(together.images)
    key = strictest_supported(figures)
    judged = _Judged(together, figures, key)
    attributes = {}
    for attribute, values in placed.values.items():
        of_image = np.array(values)
        cohorts = sorted(set(values), key=lambda value: (value == NOT_STATED, value))
        attributes[attribute] = {cohort: judged.cohort(of_image == cohort) for cohort in cohorts}
    return CohortReport(
        file=file.path.name,
        bar=BAR,
        fmr=key,
        threshold=figures.fnmr_at_fmr[key].threshold,
        rows_unused=placed.rows_unused,
        attributes=attributes,
    )


def worse_cohorts(cohorts: CohortReport) -> Iterable[tuple[str, str, str, CohortRate]]:
    """Yield attribute, cohort, name of the rate and the rate for all that pass the bar."""
    for attribute, values in cohorts.attributes.items():
        for cohort, figures in values.items():
            for name in ("fta", "fte", "fnmr", "fmr"):
                rate: CohortRate = getattr(figures, name)
                if rate.worse and cohort != NOT_STATED:
                    yield attribute, cohort, name.upper(), rate


class _Judged:
    """All comparisons at the common threshold."""

    def __init__(self, compared: Compared, figures: Report, key: str) -> None:
        if compared.scores.trials is None:
            raise ValueError("cohorts need to know which images were compared")
        self._trials: Trials = compared.scores.trials
        self._failed = np.array([bool(image.failure) for image in compared.images])
        self._overall = figures
        self._at = figures.fnmr_at_fmr[key]
        self._missed = compared.scores.genuine < self._at.threshold
        self._matched = compared.scores.impostor >= self._at.threshold

    def cohort(self, chosen: NDArray[np.bool_]) -> Cohort:
        """Work out the rates within a choice of the images, shape (images,)."""
        identity = self._trials.identity
        identities, enrolled = np.unique(identity[chosen]), np.unique(identity[chosen & ~self._failed])
        pairs = (self._trials.genuine, self._trials.impostor)
        genuine, impostor = (chosen[first] & chosen[second] for first, second in (each.T for each in pairs))
        missed, matched = self._missed[genuine], self._matched[impostor]
        return Cohort(
            images=int(np.count_nonzero(chosen)),
            identities=identities.size,
            fta=_rate(self._failed[chosen], self._overall.fta, identity[chosen]),
            fte=_rate(np.isin(identities, enrolled, invert=True), self._overall.fte, identities),
            fnmr=_rate(missed, self._at.fnmr, identity[self._trials.genuine[genuine, 0]]),
            fmr=_rate(matched, self._at.fmr_measured, identity[self._trials.impostor[impostor]]),
        )


def _rate(wrong: NDArray[np.bool_], overall: float, identities: NDArray[np.integer]) -> CohortRate:
    """Judge one rate; identities: of each trial, as `rate_interval_95` takes them."""
    errors, trials = int(np.count_nonzero(wrong)), wrong.size
    rate = errors / trials if trials else None
    worse = rate is not None and rate > BAR * overall
    intervals = [wilson(errors, trials)]
    by_identity = rate_interval_95(identities, wrong)
    if by_identity is not None:
        intervals.append(by_identity)
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    settled = rate is not None and (low > BAR * overall if worse else high <= BAR * overall)
    return CohortRate(errors, trials, rate, intervals[0], by_identity, overall, worse, settled)
