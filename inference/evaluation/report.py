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

from inference.evaluation.calibration_quality import HeldOut, cllr, held_out, min_cllr
from inference.evaluation.cohort_figures import CohortReport
from inference.evaluation.controls import Controls
from inference.evaluation.discard import DiscardCurve, discard_curve
from inference.evaluation.frames import FramesReport
from inference.evaluation.intervals import wilson
from inference.evaluation.measured import MeasuredSet, Trials, pool_sets
from inference.evaluation.metrics import REPORTED_FMR, NotMeasurable, ScoreSet
from inference.evaluation.resample import Resampled, resample
from inference.types import FaceTemplate, FingerTemplate

TemplateT = TypeVar("TemplateT", FaceTemplate, FingerTemplate)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Raw scores, and the two templates of each comparison as their numbers, shapes (n,) and (n, 2)."""

    raw: Sequence[float] | NDArray[np.floating]
    pairs: NDArray[np.integer]


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
    """One data set after all its comparisons.

    images: every image that was tried; `MeasuredSet.trials` counts them in this order.
    """

    scores: MeasuredSet
    images: tuple[Image, ...]
    made_by: tuple[str, ...]
    extract_ms: tuple[float, ...]
    compare_ms: tuple[float, ...]

    @property
    def identities(self) -> frozenset[tuple[str, str]]:
        """Everybody, or every finger, that was tried to enrol."""
        return frozenset((image.data_set, image.identity) for image in self.images)

    @property
    def enrolled(self) -> frozenset[tuple[str, str]]:
        """Those with at least one template."""
        return frozenset((image.data_set, image.identity) for image in self.images if not image.failure)


def unexpected(fault: Exception) -> str:
    """Say why an image gave nothing when its extraction failed in a way that nobody foresaw."""
    return f"fails unexpectedly ({type(fault).__name__}: {fault})"


class Image(msgspec.Struct, frozen=True):
    """One image that was tried. failure: why there is no template, empty when there is one."""

    data_set: str
    name: str
    identity: str
    failure: str


class Failure(msgspec.Struct, frozen=True):
    """An image without a template (failure to acquire), and why."""

    image: str
    reason: str


class FnmrAtFmr(msgspec.Struct, frozen=True):
    """FNMR at the lowest raw threshold that keeps the FMR.

    interval_95: takes comparisons as independent (Wilson). interval_95_by_identity: identities drawn anew
    (`resample`), None where that cannot be done or no error was seen. fmr_upper_bound_95: 3 / N where no
    false match was seen at the threshold, else after Clopper and Pearson. supported: there are at least
    3 / FMR impostor comparisons.
    """

    fnmr: float
    interval_95: tuple[float, float]
    interval_95_by_identity: tuple[float, float] | None
    threshold: float
    fmr_measured: float
    fmr_upper_bound_95: float
    supported: bool


class SetReport(msgspec.Struct, frozen=True):
    """The figures of one data set; all rates are fractions, all intervals two-sided 95 %.

    fnmr_at_fmr: "1e-2", "1e-3" and "1e-4" in any case, "1e-5" where the data support it.
    fmr_bound: one-sided 95 % upper bound of the FMR at the threshold for 1e-4, by the rule of three where no
    false match was seen.
    """

    name: str
    eer: float
    eer_interval_95_by_identity: tuple[float, float] | None
    fnmr_at_fmr: dict[str, FnmrAtFmr]
    fmr_bound: float
    fte: float
    fte_interval_95: tuple[float, float]
    fta: float
    fta_interval_95: tuple[float, float]
    images: int
    identities: int
    genuine: int
    impostor: int
    failures: tuple[Failure, ...]


class CalibrationQuality(msgspec.Struct, frozen=True):
    """What calibrated scores are worth on held-out data, in bits (`calibration_quality`)."""

    cllr: float
    min_cllr: float
    held_out: str


class Report(SetReport, frozen=True):
    """The pooled figures and those of each data set.

    calibration: None where the data are too few to hold any out. discard: None where quality does not differ.
    accuracy: LFW's protocol, faces alone; a pair that lacks a template counts as "different".
    accuracy_of_compared: the same without such pairs. frames: faces alone, where asked for.
    """

    source: str
    protocol: str
    extract_ms_p50: float
    compare_ms_p50: float
    model_digests: tuple[str, ...]
    data_sets: tuple[SetReport, ...]
    calibration: CalibrationQuality | None
    discard: DiscardCurve | None
    accuracy: float | UnsetType = UNSET
    accuracy_fold_deviation: float | UnsetType = UNSET
    accuracy_pairs: int | UnsetType = UNSET
    accuracy_of_compared: float | UnsetType = UNSET
    frames: FramesReport | UnsetType = UNSET
    cohorts: CohortReport | UnsetType = UNSET
    controls: Controls | UnsetType = UNSET


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A report, and what operating points, plots and cohorts are made from.

    unseen: all comparisons that a calibration of the others could be tried on; None where they are too few.
    """

    report: Report
    comparator: str
    sets: tuple[Compared, ...]
    unseen: HeldOut | None

    @property
    def scores(self) -> tuple[MeasuredSet, ...]:
        """The raw scores of each data set."""
        return tuple(one.scores for one in self.sets)


def compared(
    name: str,
    extracted: Sequence[Extracted[TemplateT]],
    genuine: Scored,
    impostor: Scored,
    compare_ms: Sequence[float],
) -> Compared:
    """Put together what happened to one data set; scores are of pairs of templates, counted in order."""
    made = [(index, one.template) for index, one in enumerate(extracted) if one.template is not None]
    image = np.array([index for index, _ in made], np.min_scalar_type(len(extracted)))
    quality = np.full(len(extracted), np.nan)
    quality[image] = [template.quality for _, template in made]
    identity = np.unique([one.identity for one in extracted], return_inverse=True)[1]
    return Compared(
        scores=MeasuredSet(
            name=name,
            identities=np.unique(identity[image]).size,
            samples=len(made),
            genuine=np.asarray(genuine.raw, np.float64),
            impostor=np.asarray(impostor.raw, np.float64),
            trials=Trials(identity, quality, image[genuine.pairs], image[impostor.pairs]),
        ),
        images=tuple(Image(name, one.name, one.identity, one.failure) for one in extracted),
        made_by=tuple(sorted({template.made_by for _, template in made})),
        extract_ms=tuple(one.extract_ms for one in extracted if one.template is not None),
        compare_ms=tuple(compare_ms),
    )


def set_report(compared: Compared) -> SetReport:
    """Work out the figures of one data set. Raises NotMeasurable."""
    try:
        scores = ScoreSet(compared.scores.genuine, compared.scores.impostor, compared.scores.repeats)
    except NotMeasurable as fault:
        raise NotMeasurable(f"{compared.scores.name}: {fault}") from fault
    rows = {fmr_key(fmr): scores.at_fmr(fmr) for fmr in scores.reported_fmr()}
    eer = scores.equal_error_rate()
    drawn = resample(compared.scores, eer, scores.reported_fmr())
    failures = tuple(Failure(image.name, image.failure) for image in compared.images if image.failure)
    identities, enrolled = len(compared.identities), len(compared.enrolled)
    return SetReport(
        name=compared.scores.name,
        eer=eer,
        eer_interval_95_by_identity=None if drawn is None else Resampled.interval_95(drawn.eer),
        fnmr_at_fmr={
            key: FnmrAtFmr(
                fnmr=row.fnmr,
                interval_95=row.fnmr_interval_95,
                interval_95_by_identity=(
                    None if drawn is None else Resampled.interval_95(drawn.fnmr[:, column])
                ),
                threshold=row.threshold,
                fmr_measured=row.fmr_measured,
                fmr_upper_bound_95=row.fmr_upper_bound_95,
                supported=row.supported,
            )
            for column, (key, row) in enumerate(rows.items())
        },
        fmr_bound=rows[fmr_key(min(REPORTED_FMR))].fmr_upper_bound_95,
        fte=(identities - enrolled) / identities,
        fte_interval_95=wilson(identities - enrolled, identities),
        fta=len(failures) / len(compared.images),
        fta_interval_95=wilson(len(failures), len(compared.images)),
        images=len(compared.images),
        identities=identities,
        genuine=int(scores.genuine.size),
        impostor=int(scores.impostor.size),
        failures=failures,
    )


def pooled(sets: Sequence[Compared]) -> Compared:
    """Put data sets together; impostors are those within each set."""
    return Compared(
        scores=pool_sets([one.scores for one in sets]),
        images=tuple(image for one in sets for image in one.images),
        made_by=tuple(sorted({maker for one in sets for maker in one.made_by})),
        extract_ms=tuple(ms for one in sets for ms in one.extract_ms),
        compare_ms=tuple(ms for one in sets for ms in one.compare_ms),
    )


def evaluation(source: str, protocol: str, comparator: str, sets: Sequence[Compared]) -> Evaluation:
    """Work out the figures of a run. Raises NotMeasurable."""
    unseen = _held_out([one.scores for one in sets])
    return Evaluation(report(source, protocol, sets, unseen), comparator, tuple(sets), unseen)


def report(source: str, protocol: str, sets: Sequence[Compared], unseen: HeldOut | None) -> Report:
    """Work out the figures of data sets; unseen: their held-out LLRs. Raises NotMeasurable."""
    data_sets = tuple(set_report(one) for one in sets)
    together = pooled(sets)
    total = data_sets[0] if len(sets) == 1 else set_report(together)
    key = strictest_supported(total)
    return Report(
        **{name: getattr(total, name) for name in SetReport.__struct_fields__},
        source=source,
        protocol=protocol,
        extract_ms_p50=median(together.extract_ms),
        compare_ms_p50=median(together.compare_ms),
        model_digests=together.made_by,
        data_sets=data_sets,
        calibration=_calibration_quality(unseen),
        discard=discard_curve(together.scores, key, total.fnmr_at_fmr[key].threshold),
    )


def strictest_supported(figures: SetReport) -> str:
    """Return the key of the smallest of `REPORTED_FMR` that the data support, or of the largest."""
    keys = [fmr_key(fmr) for fmr in REPORTED_FMR]
    supported = [key for key in keys if figures.fnmr_at_fmr[key].supported]
    return supported[-1] if supported else keys[0]


def fmr_key(fmr: float) -> str:
    """Write 0.001 as 1e-3."""
    mantissa, exponent = f"{fmr:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _held_out(sets: Sequence[MeasuredSet]) -> HeldOut | None:
    try:
        return held_out(sets)
    except NotMeasurable:
        return None


def _calibration_quality(unseen: HeldOut | None) -> CalibrationQuality | None:
    if unseen is None:
        return None
    return CalibrationQuality(
        cllr=cllr(unseen.genuine, unseen.impostor),
        min_cllr=min_cllr(unseen.genuine, unseen.impostor),
        held_out=unseen.how,
    )
