"""What an evaluation run reports, in the terms of ISO/IEC 19795-1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from inference.evaluation.calibration import MeasuredSet
from inference.evaluation.intervals import wilson
from inference.evaluation.metrics import REPORTED_FMR, ScoreSet
from inference.types import FaceTemplate, FingerTemplate

TemplateT = TypeVar("TemplateT", FaceTemplate, FingerTemplate)


@dataclass(frozen=True, slots=True, eq=False)
class Extracted(Generic[TemplateT]):
    """What became of one image. failure: why there is no template, empty when there is one."""

    name: str
    identity: str
    template: TemplateT | None
    failure: str
    extract_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One data set after all its comparisons."""

    scores: MeasuredSet
    failures: tuple[Failure, ...]
    images: int
    identities: int
    identities_without_template: int
    made_by: tuple[str, ...]
    extract_ms: tuple[float, ...]
    compare_ms: tuple[float, ...]


class Failure(msgspec.Struct, frozen=True):
    """An image without a template (failure to acquire), and why."""

    image: str
    reason: str


class FnmrAtFmr(msgspec.Struct, frozen=True):
    """FNMR at the lowest raw threshold that keeps the FMR; supported by 3 / FMR comparisons or not."""

    fnmr: float
    interval_95: tuple[float, float]
    threshold: float
    fmr_measured: float
    supported: bool


class SetReport(msgspec.Struct, frozen=True):
    """The figures of one data set; all rates are fractions."""

    name: str
    eer: float
    fnmr_at_fmr: dict[str, FnmrAtFmr]
    fmr_bound: dict[str, float]
    fte: float
    fta: float
    fta_interval_95: tuple[float, float]
    images: int
    identities: int
    genuine: int
    impostor: int
    failures: tuple[Failure, ...]


class Report(SetReport, frozen=True):
    """The pooled figures and those of each data set.

    accuracy: LFW's protocol, faces alone; a pair that lacks a template counts as "different".
    accuracy_of_compared: the same without such pairs.
    """

    source: str
    protocol: str
    extract_ms_p50: float
    compare_ms_p50: float
    model_digests: tuple[str, ...]
    data_sets: tuple[SetReport, ...]
    accuracy: float | UnsetType = UNSET
    accuracy_fold_deviation: float | UnsetType = UNSET
    accuracy_pairs: int | UnsetType = UNSET
    accuracy_of_compared: float | UnsetType = UNSET


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A report, and what an operating point is made from: the comparator's name and its raw scores."""

    report: Report
    comparator: str
    sets: tuple[MeasuredSet, ...]


def compared(
    name: str,
    extracted: Sequence[Extracted[TemplateT]],
    genuine: Sequence[float] | NDArray[np.floating],
    impostor: Sequence[float] | NDArray[np.floating],
    compare_ms: Sequence[float],
) -> Compared:
    """Put together what happened to one data set."""
    made = [one for one in extracted if one.template is not None]
    identities = {one.identity for one in extracted}
    with_template = {one.identity for one in made}
    return Compared(
        scores=MeasuredSet(
            name=name,
            identities=len(with_template),
            samples=len(made),
            genuine=np.asarray(genuine, np.float64),
            impostor=np.asarray(impostor, np.float64),
        ),
        failures=tuple(Failure(one.name, one.failure) for one in extracted if one.template is None),
        images=len(extracted),
        identities=len(identities),
        identities_without_template=len(identities - with_template),
        made_by=tuple(sorted({one.template.made_by for one in extracted if one.template is not None})),
        extract_ms=tuple(one.extract_ms for one in made),
        compare_ms=tuple(compare_ms),
    )


def set_report(compared: Compared) -> SetReport:
    """Work out the figures of one data set."""
    scores = ScoreSet(compared.scores.genuine, compared.scores.impostor)
    rows = {_key(fmr): scores.at_fmr(fmr) for fmr in REPORTED_FMR}
    failed = len(compared.failures)
    return SetReport(
        name=compared.scores.name,
        eer=scores.equal_error_rate(),
        fnmr_at_fmr={
            key: FnmrAtFmr(row.fnmr, row.fnmr_interval_95, row.threshold, row.fmr_measured, row.supported)
            for key, row in rows.items()
        },
        fmr_bound={key: row.fmr_upper_bound_95 for key, row in rows.items()},
        fte=compared.identities_without_template / compared.identities,
        fta=failed / compared.images,
        fta_interval_95=wilson(failed, compared.images),
        images=compared.images,
        identities=compared.identities,
        genuine=int(scores.genuine.size),
        impostor=int(scores.impostor.size),
        failures=compared.failures,
    )


def pooled(sets: Sequence[Compared]) -> Compared:
    """Put data sets together; impostors are those within each set."""
    return Compared(
        scores=MeasuredSet(
            name=" + ".join(one.scores.name for one in sets),
            identities=sum(one.scores.identities for one in sets),
            samples=sum(one.scores.samples for one in sets),
            genuine=np.concatenate([one.scores.genuine for one in sets]),
            impostor=np.concatenate([one.scores.impostor for one in sets]),
        ),
        failures=tuple(failure for one in sets for failure in one.failures),
        images=sum(one.images for one in sets),
        identities=sum(one.identities for one in sets),
        identities_without_template=sum(one.identities_without_template for one in sets),
        made_by=tuple(sorted({maker for one in sets for maker in one.made_by})),
        extract_ms=tuple(ms for one in sets for ms in one.extract_ms),
        compare_ms=tuple(ms for one in sets for ms in one.compare_ms),
    )


def report(source: str, protocol: str, sets: Sequence[Compared]) -> Report:
    """Work out the figures of a run."""
    together = pooled(sets)
    total = set_report(together)
    return Report(
        **{name: getattr(total, name) for name in SetReport.__struct_fields__},
        source=source,
        protocol=protocol,
        extract_ms_p50=median(together.extract_ms),
        compare_ms_p50=median(together.compare_ms),
        model_digests=together.made_by,
        data_sets=tuple(set_report(one) for one in sets),
    )


def _key(fmr: float) -> str:
    """Write 0.001 as 1e-3."""
    mantissa, exponent = f"{fmr:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"
