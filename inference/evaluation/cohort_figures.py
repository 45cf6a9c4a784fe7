"""What is reported of cohorts (`cohorts` works it out)."""

from __future__ import annotations

import msgspec

BAR = 1.25
"""A cohort is worse when its rate is more than this many times the rate of all people."""


class CohortRate(msgspec.Struct, frozen=True):
    """One rate of one cohort beside that of all people.

    rate: None where nothing was tried. interval_95: Wilson, takes trials as independent.
    interval_95_by_identity: identities drawn anew, None where they are too few or no error was seen. worse:
    more than `BAR` times the overall rate. settled: both intervals lie on that side of the bar; otherwise the
    data are too few to say.
    """

    errors: int
    trials: int
    rate: float | None
    interval_95: tuple[float, float]
    interval_95_by_identity: tuple[float, float] | None
    overall: float
    worse: bool
    settled: bool


class Cohort(msgspec.Struct, frozen=True):
    """The figures of one cohort: failure to acquire and to enrol, FNMR and FMR at the common threshold."""

    images: int
    identities: int
    fta: CohortRate
    fte: CohortRate
    fnmr: CohortRate
    fmr: CohortRate


class CohortReport(msgspec.Struct, frozen=True):
    """All attributes of a cohort file: attribute, then value, then figures.

    fmr, threshold: the common threshold and the overall FMR that it stands for. rows_unused: rows of the file
    that name no image or identity of the data.
    """

    file: str
    bar: float
    fmr: str
    threshold: float
    rows_unused: int
    attributes: dict[str, dict[str, Cohort]]
