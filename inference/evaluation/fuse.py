"""Measures face and fingers together, on virtual subjects, by the sum of held-out log-likelihood ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import msgspec
import numpy as np

from inference.evaluation.calibration import source_point
from inference.evaluation.calibration_quality import HeldOut
from inference.evaluation.measured import MeasuredSet, Scores, Trials, pool_sets
from inference.evaluation.metrics import REPORTED_FMR
from inference.evaluation.record import with_source
from inference.evaluation.report import Compared, Evaluation, Report, fmr_key, pooled, report
from inference.evaluation.virtual import (
    Half,
    Subject,
    compare_subjects,
    face_and_finger,
    halves,
    two_fingers,
)
from inference.operating_point import OperatingPoint

SEED = 3
PAIRINGS = 10
FUSED = "face + finger"
HOW = "calibrated and thresholds set on one half of the subjects, tried on the other; both ways"
PROTOCOL = (
    "virtual subjects: fingers of one person and the face of another, put together at random, seeded; face "
    "and fingers of a person are taken as independent; scores: log-likelihood ratios, summed; " + HOW
)
Pairing = Callable[[Half, np.random.Generator], list[Subject]]


class AtHeldOut(msgspec.Struct, frozen=True):
    """What the threshold for an FMR, set on the other half of the subjects, gave on this one.

    threshold_llr: of the two ways. supported: the comparisons of the other half could state the FMR.
    """

    threshold_llr: tuple[float, ...]
    fmr_measured: float
    fnmr: float
    supported: bool


class PartReport(Report, frozen=True, kw_only=True):
    """The figures of one modality, or of several together."""

    at_held_out_threshold: dict[str, AtHeldOut]


class FusionReport(PartReport, frozen=True, kw_only=True):
    """The figures of face and one finger together, and those of each part.

    pairings: how often subjects were put together anew; bounds and intervals count all of them as one.
    """

    parts: dict[str, PartReport]
    pairings: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """The report, and the LLRs of each part for the plot."""

    report: FusionReport
    scores: dict[str, MeasuredSet]


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """One half of the subjects, and what the other half says of the scores."""

    tested: Half
    point: OperatingPoint


def fuse_evaluations(face: Evaluation, finger: Evaluation, pairings: int, seed: int) -> Fusion:
    """Put together what `evaluate_faces` and `evaluate_fingers` measured. Raises NotMeasurable."""
    random = np.random.default_rng(seed)
    faces, fingers = pooled(face.sets), pooled(finger.sets)
    one, other = halves(faces.scores, finger.scores, random)
    ways = [
        _Way(tested, operating_point_of(calibrated_on, face, finger))
        for tested, calibrated_on in ((other, one), (one, other))
    ]
    face_source, finger_source = face.report.source, finger.report.source
    parts: dict[str, PartReport] = {}
    scores: dict[str, MeasuredSet] = {}

    def add(
        name: str, sources: Sequence[str], measured: Sequence[MeasuredSet], of: Sequence[Compared]
    ) -> None:
        scores[name] = _joined(name, measured)
        thresholds = _held_out_thresholds(measured, [way.point for way in ways], sources)
        parts[name] = _part(name, scores[name], of, thresholds)

    add("face", [face_source], [_alone(way.tested.face, way, face_source) for way in ways], [faces])
    add(
        "finger",
        [finger_source],
        [_alone(pool_sets(way.tested.fingers), way, finger_source) for way in ways],
        [fingers],
    )
    for name, pair, sources, of in (
        (FUSED, face_and_finger, [face_source, finger_source], [faces, fingers]),
        ("two fingers", two_fingers, [finger_source] * 2, [fingers]),
    ):
        add(name, sources, [_fused(way, pair, sources, pairings, random) for way in ways], of)
    whole = {name: getattr(parts[FUSED], name) for name in PartReport.__struct_fields__}
    return Fusion(FusionReport(**whole, parts=parts, pairings=pairings, seed=seed), scores)


def operating_point_of(half: Half, face: Evaluation, finger: Evaluation) -> OperatingPoint:
    """Make an operating point of half of the subjects, as `--operating-point` would."""
    content = None
    for evaluation, sets in ((face, [half.face]), (finger, half.fingers)):
        figures = evaluation.report
        point = source_point(figures.model_digests[0], evaluation.comparator, figures.protocol, sets)
        content = with_source(content, "half", "", figures.source, point)
    if content is None:
        raise AssertionError("two sources were added")
    return OperatingPoint(content)


def _alone(measured: MeasuredSet, way: _Way, source: str) -> MeasuredSet:
    llr = way.point.source(source).calibration.llrs
    return replace(measured, genuine=llr(measured.genuine), impostor=llr(measured.impostor))


def _fused(
    way: _Way, pair: Pairing, sources: Sequence[str], pairings: int, random: np.random.Generator
) -> MeasuredSet:
    """Sum the LLRs of virtual subjects that are put together anew `pairings` times."""
    made = [compare_subjects(way.tested, pair(way.tested, random), random) for _ in range(pairings)]
    calibrations = [way.point.source(source).calibration for source in sources]

    def sums(columns: Scores) -> Scores:
        llrs = [one.llrs(raw) for one, raw in zip(calibrations, columns.T, strict=True)]
        return np.asarray(np.sum(llrs, axis=0), np.float64)

    subjects = way.tested.identities
    genuine = np.concatenate([one.genuine_subject for one in made])
    return MeasuredSet(
        name="half",
        identities=np.unique(genuine).size,
        samples=0,
        genuine=sums(np.concatenate([one.genuine for one in made])),
        impostor=sums(np.concatenate([one.impostor for one in made])),
        trials=Trials(
            identity=np.arange(subjects),
            quality=np.full(subjects, np.nan),
            genuine=np.stack([genuine, genuine], axis=1),
            impostor=np.concatenate([one.impostor_subjects for one in made]),
        ),
        repeats=pairings,
    )


def _joined(name: str, sides: Sequence[MeasuredSet]) -> MeasuredSet:
    """Put the two halves together again; both count images and identities alike."""
    trials = [one.trials for one in sides if one.trials is not None]
    return MeasuredSet(
        name=name,
        identities=sum(one.identities for one in sides),
        samples=sum(one.samples for one in sides),
        genuine=np.concatenate([one.genuine for one in sides]),
        impostor=np.concatenate([one.impostor for one in sides]),
        trials=Trials(
            trials[0].identity,
            trials[0].quality,
            np.concatenate([one.genuine for one in trials]),
            np.concatenate([one.impostor for one in trials]),
        ),
        repeats=sides[0].repeats,
    )


def _held_out_thresholds(
    sides: Sequence[MeasuredSet], points: Sequence[OperatingPoint], sources: Sequence[str]
) -> dict[str, AtHeldOut]:
    genuine = sum(side.genuine.size for side in sides)
    impostor = sum(side.impostor.size for side in sides)
    rates = {}
    for fmr in REPORTED_FMR:
        thresholds = [point.threshold(sources, fmr) for point in points]
        missed = matched = 0
        for side, threshold in zip(sides, thresholds, strict=True):
            missed += int(np.count_nonzero(side.genuine < threshold.llr))
            matched += int(np.count_nonzero(side.impostor >= threshold.llr))
        rates[fmr_key(fmr)] = AtHeldOut(
            threshold_llr=tuple(threshold.llr for threshold in thresholds),
            fmr_measured=matched / impostor,
            fnmr=missed / genuine,
            supported=all(threshold.supported for threshold in thresholds),
        )
    return rates


def _part(
    name: str, scores: MeasuredSet, of: Sequence[Compared], thresholds: dict[str, AtHeldOut]
) -> PartReport:
    """Work out one part; the time of an attempt is that of all its modalities."""
    together = Compared(
        scores=scores,
        images=tuple(image for one in of for image in one.images),
        made_by=tuple(maker for one in of for maker in one.made_by),
        extract_ms=(sum(median(one.extract_ms) for one in of),),
        compare_ms=(sum(median(one.compare_ms) for one in of),),
    )
    figures = report(name, PROTOCOL, [together], HeldOut(HOW, scores.genuine, scores.impostor))
    whole = {field: getattr(figures, field) for field in Report.__struct_fields__}
    return PartReport(**whole, at_held_out_threshold=thresholds)
