"""Measures the attack detector for faces on given presentations, as ISO/IEC 30107-3 reports it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

from inference.evaluation.attack_metrics import AttackScores, AtThreshold, Rate, rate
from inference.evaluation.datasets import read_colour
from inference.evaluation.metrics import NotMeasurable
from inference.evaluation.parallel import Progress, run_all
from inference.evaluation.presentations import PresentationFiles, read_presentations, read_species
from inference.evaluation.report import Failure
from inference.face.attack import DETECTOR, HELD_BACK_FROM, attack_score
from inference.face.pipeline import FaceRecogniser, FaceSample, build_face_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import Floats, RuntimeName
from inference.types import Assessed
from sensors.frames import ColourFrame, DeviceIdentity, Retry

BPCER_POINTS = {"1e-2": 0.01, "5e-2": 0.05}
APCER_POINTS = {"5e-2": 0.05, "1e-1": 0.1}
BONA_FIDE = "bona fide"
STATEMENT = (
    "These figures hold for the given presentations, this camera and these models alone; no resistance is "
    "claimed beyond them, nor conformance with ISO/IEC 30107-3."
)


class GroupReport(msgspec.Struct, frozen=True):
    """One species, or the bona fide presentations. fta: those without a usable face, by reason in `failures`.

    ISO/IEC 30107-3 calls this rate APNRR for a species and BPNRR for bona fide presentations. It is apart
    from APCER and BPCER, which are over the presentations that gave a sample.
    """

    name: str
    presentations: int
    frames: int
    sequences: int
    fta: Rate
    failures: dict[str, int]


class AttackReport(msgspec.Struct, frozen=True):
    """What a run reports; `threshold` and the rates beside it are those of the detector as it is shipped."""

    statement: str
    detector: str
    model_digests: tuple[str, ...]
    threshold: float
    bpcer: Rate
    apcer: dict[str, Rate]
    apcer_worst_species: str
    apcer_worst: Rate
    apcer_at_bpcer: dict[str, AtThreshold]
    bpcer_at_apcer: dict[str, AtThreshold]
    bona_fide: GroupReport
    attacks: tuple[GroupReport, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AttackEvaluation:
    """The report, and the scores that it was made from."""

    report: AttackReport
    scores: AttackScores


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of one presentation. failure: why there is no score, empty when there is one."""

    name: str
    score: float | None
    failure: str


@dataclass(frozen=True, slots=True)
class _Task:
    files: PresentationFiles
    runtime: RuntimeName


def evaluate_attacks(
    bona_fide: Path, attacks: Path, runtime: RuntimeName, jobs: int, progress: Progress, *, each_image: bool
) -> AttackEvaluation:
    """Score every presentation and report the rates. Raises DataSetRefused and NotMeasurable."""
    groups = {BONA_FIDE: read_presentations(bona_fide, each_image=each_image)}
    for species, files in read_species(attacks, each_image=each_image).items():
        if species == BONA_FIDE:
            raise NotMeasurable(
                f"{attacks / species} is named as if it held bona fide presentations; rename it"
            )
        groups[species] = files
    tasks = [_Task(each, runtime) for files in groups.values() for each in files]
    scored = iter(run_all(_score, tasks, jobs, "presentations", progress))
    results = {name: [next(scored) for _ in files] for name, files in groups.items()}
    return evaluation(groups, results, (_recogniser(runtime).found_by,))


def evaluation(
    groups: Mapping[str, Sequence[PresentationFiles]],
    results: Mapping[str, Sequence[Scored]],
    model_digests: tuple[str, ...],
) -> AttackEvaluation:
    """Report on scored presentations; both mappings hold bona fide ones and each species in one order."""
    values = {
        name: [one.score for one in scored if one.score is not None] for name, scored in results.items()
    }
    for name, scored in results.items():
        if not values[name]:
            raise NotMeasurable(
                f"none of the {len(scored)} presentations of {name} gave a usable face; "
                f"the first: {scored[0].name}: {scored[0].failure}"
            )
    scores = AttackScores(values.pop(BONA_FIDE), values)
    shipped = scores.at(HELD_BACK_FROM)
    reports = [_group(name, groups[name], results[name]) for name in groups]
    failures = tuple(
        Failure(f"{name}/{one.name}", one.failure)
        for name, scored in results.items()
        for one in scored
        if one.score is None
    )
    report = AttackReport(
        statement=STATEMENT,
        detector=DETECTOR,
        model_digests=model_digests,
        threshold=HELD_BACK_FROM,
        bpcer=shipped.bpcer,
        apcer=shipped.apcer,
        apcer_worst_species=shipped.apcer_worst.species,
        apcer_worst=shipped.apcer_worst.apcer,
        apcer_at_bpcer={key: scores.at_bpcer(bpcer) for key, bpcer in BPCER_POINTS.items()},
        bpcer_at_apcer={key: scores.at_apcer(apcer) for key, apcer in APCER_POINTS.items()},
        bona_fide=next(group for group in reports if group.name == BONA_FIDE),
        attacks=tuple(group for group in reports if group.name != BONA_FIDE),
        failures=failures,
    )
    return AttackEvaluation(report, scores)


def _group(name: str, files: Sequence[PresentationFiles], scored: Sequence[Scored]) -> GroupReport:
    failures = Counter(one.failure for one in scored if one.score is None)
    return GroupReport(
        name=name,
        presentations=len(files),
        frames=sum(len(each.frames) for each in files),
        sequences=sum(len(each.frames) > 1 for each in files),
        fta=rate(failures.total(), len(files)),
        failures=dict(failures.most_common()),
    )


@cache
def _recogniser(runtime: RuntimeName) -> FaceRecogniser:
    """One recogniser for each process."""
    return build_face_recogniser(Catalogue(), runtime)


def _score(task: _Task) -> Scored:
    """Score a presentation by its best frame, with the motion over all of them."""
    recogniser = _recogniser(task.runtime)
    course: list[Floats] = []
    best: Assessed[FaceSample] | None = None
    failure = ""
    for path in task.files.frames:
        pixels = read_colour(path)
        if pixels is None:
            failure = failure or "does not decode"
            continue
        frame = ColourFrame(pixels, DeviceIdentity("file", "evaluation"), taken_at_s=0.0)
        face = recogniser.find(frame)
        assessed = face if isinstance(face, Retry) else recogniser.judge(frame, face)
        if not isinstance(face, Retry):
            course.append(face.landmarks)
        if isinstance(assessed, Retry):
            failure = failure or assessed.reason.value
        elif best is None or assessed.quality.score > best.quality.score:
            best = assessed
    if best is None:
        return Scored(task.files.name, None, failure)
    return Scored(task.files.name, attack_score(replace(best.sample, course=tuple(course))), "")
