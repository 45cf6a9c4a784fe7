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
from inference.evaluation.report import Compared, Report, strictest_supported


def cohort_report(figures: Report, sets: Sequence[Compared], file: CohortFile) -> CohortReport:
    """Work out the rates of every cohort. Raises DataSetRefused when the file names nobody in the data."""
    placed = file.place([image for one in sets for image in one.images])
    key = strictest_supported(figures)
    threshold = figures.fnmr_at_fmr[key].threshold
    tallies = [_Tally(one, threshold) for one in sets]
    offsets = np.cumsum([0, *(len(one.images) for one in sets)])
    attributes = {}
    for attribute, values in placed.values.items():
        cohorts = sorted(set(values), key=lambda value: (value == NOT_STATED, value))
        attributes[attribute] = {
            cohort: _cohort(
                [
                    tally.count(np.array([value == cohort for value in values[first:last]], np.bool_))
                    for tally, first, last in zip(tallies, offsets[:-1], offsets[1:], strict=True)
                ],
                figures,
                key,
            )
            for cohort in cohorts
        }
    return CohortReport(
        file=file.path.name,
        bar=BAR,
        fmr=key,
        threshold=threshold,
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


class _Tally:
    """Counts errors and trials of one data set within any choice of its images."""

    def __init__(self, compared: Compared, threshold: float) -> None:
        if compared.scores.trials is None:
            raise ValueError("cohorts need to know which images were compared")
        self._trials: Trials = compared.scores.trials
        self._missed = compared.scores.genuine < threshold
        self._matched = compared.scores.impostor >= threshold
        self._failed = np.array([bool(image.failure) for image in compared.images])

    def count(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return images, identities, failed images, identities without any template, missed and all genuine,
        matched and all impostor comparisons.
        """
        genuine = chosen[self._trials.genuine].all(axis=1)
        impostor = chosen[self._trials.impostor].all(axis=1)
        identities = np.unique(self._trials.identity[chosen])
        enrolled = np.unique(self._trials.identity[chosen & ~self._failed])
        return np.array(
            [
                np.count_nonzero(chosen),
                identities.size,
                np.count_nonzero(chosen & self._failed),
                identities.size - enrolled.size,
                np.count_nonzero(self._missed & genuine),
                np.count_nonzero(genuine),
                np.count_nonzero(self._matched & impostor),
                np.count_nonzero(impostor),
            ],
            np.int64,
        )


def _cohort(counts: Sequence[NDArray[np.int64]], figures: Report, key: str) -> Cohort:
    total = np.sum(counts, axis=0).tolist()
    images, identities, failed, not_enrolled, missed, genuine, matched, impostor = total
    at = figures.fnmr_at_fmr[key]
    return Cohort(
        images=images,
        identities=identities,
        fta=_rate(failed, images, figures.fta),
        fte=_rate(not_enrolled, identities, figures.fte),
        fnmr=_rate(missed, genuine, at.fnmr),
        fmr=_rate(matched, impostor, at.fmr_measured),
    )


def _rate(errors: int, trials: int, overall: float) -> CohortRate:
    low, high = wilson(errors, trials)
    rate = errors / trials if trials else None
    worse = rate is not None and rate > BAR * overall
    settled = rate is not None and (low > BAR * overall if worse else high <= BAR * overall)
    return CohortRate(errors, trials, rate, (low, high), overall, worse, settled)
