"""Measures face recognition on LFW's layout: the pairs protocol, and all pairs of the same images."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from inference.attack import Unchecked
from inference.comparators import COMPARATORS
from inference.evaluation.cohort_file import CohortFile
from inference.evaluation.datasets import DataSetRefused, Pair, read_colour, read_pairs
from inference.evaluation.frames import Looks, frames_report
from inference.evaluation.parallel import Progress, run_all
from inference.evaluation.report import Evaluation, Extracted, Image, Scored, compared, evaluation, unexpected
from inference.face.embed import Sides
from inference.face.pipeline import FaceRecogniser, build_face_recogniser
from inference.models.catalogue import FOLDER as MODELS
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import FaceTemplate, Modality
from sensors.frames import ColourFrame, DeviceIdentity, Retry

SOURCE = "face"
_PROTOCOL = (
    "genuine and impostors: all pairs of the images that the pairs file names, of one person and of "
    "different people; accuracy: the pairs file, each threshold from the other folds, a pair that cannot "
    "be compared counts as different"
)
_STAGE = "faces: templates"
_ROWS_PER_BLOCK = 512


@dataclass(frozen=True, slots=True)
class _Image:
    folder: Path
    name: str
    runtime: RuntimeName
    models: Path
    sides: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """What one image gave. looks: None where there is no template, or one side alone is not asked for."""

    extracted: Extracted[FaceTemplate]
    looks: Looks | None


def evaluate_faces(
    images: Path,
    pairs_file: Path,
    runtime: RuntimeName,
    jobs: int,
    progress: Progress,
    models: Path = MODELS,
    frames: int = 1,
    cohorts: CohortFile | None = None,
) -> Evaluation:
    """Make a template of each image that the pairs name, and compare all of them.

    models: folder of the networks and their cards. frames: besides, measure probes of up to so many images.
    cohorts: refused before any template is made where it names nobody here.
    Raises DataSetRefused, NotMeasurable, and ModelRefused where a network is not the one of its card.
    """
    pairs, tasks = _tasks(images, pairs_file, runtime, models, sides=frames > 1)
    recogniser = _recogniser(runtime, models)
    if cohorts is not None:
        cohorts.place([Image(images.resolve().name, task.name, _person(task), "") for task in tasks])
    made = run_all(_extract, tasks, jobs, _STAGE, progress)
    extracted = [one.extracted for one in made]
    templates = {one.name: one.template for one in extracted if one.template is not None}
    if not templates:
        raise DataSetRefused(f"no image in {images} gave a template; the first: {extracted[0].failure}")
    pair_scores, compare_ms = _compare_pairs(pairs, templates, recogniser)
    if len({pair.fold for pair, score in zip(pairs, pair_scores, strict=True) if np.isfinite(score)}) < 2:
        raise DataSetRefused(
            f"{pairs_file}: accuracy takes pairs that can be compared in two folds or more, and only "
            f"{len(templates)} of {len(tasks)} images gave a template; the first failure: "
            f"{next(one.failure for one in extracted if one.failure)}"
        )
    embeddings = np.stack([template.embedding for template in templates.values()])
    people = np.unique([name.rpartition("/")[0] for name in templates], return_inverse=True)[1]
    genuine, impostor = all_pairs(embeddings, people)
    _check_shortcut(pairs, pair_scores, templates)
    measured = compared(images.resolve().name, extracted, genuine, impostor, compare_ms)
    result = evaluation(SOURCE, _PROTOCOL, COMPARATORS[Modality.FACE], [measured])
    folds = fold_accuracies(pair_scores, pairs)
    there = np.isfinite(pair_scores)
    of_compared = fold_accuracies(pair_scores[there], list(itertools.compress(pairs, there)))
    looks = [one.looks for one in made if one.looks is not None]
    thresholds = {key: at.threshold for key, at in result.report.fnmr_at_fmr.items() if at.supported}
    figures = msgspec.structs.replace(
        result.report,
        frames=frames_report(looks, frames, thresholds) if frames > 1 else UNSET,
        accuracy=float(np.mean(folds)),
        accuracy_fold_deviation=float(np.std(folds, ddof=1)),
        accuracy_pairs=len(pairs),
        accuracy_of_compared=float(np.mean(of_compared)),
    )
    return replace(result, report=figures)


def extract_faces(
    images: Path,
    pairs_file: Path,
    runtime: RuntimeName,
    jobs: int,
    progress: Progress,
    models: Path = MODELS,
) -> list[Extracted[FaceTemplate]]:
    """Make a template of each image that the pairs name, sorted by name. Raises DataSetRefused."""
    _, tasks = _tasks(images, pairs_file, runtime, models, sides=False)
    return [one.extracted for one in run_all(_extract, tasks, jobs, _STAGE, progress)]


def fold_accuracies(scores: NDArray[np.float64], pairs: Sequence[Pair]) -> list[float]:
    """Return the accuracy of each fold at the threshold that is best on all other folds (LFW's protocol).

    scores: shape (pairs,); -inf for a pair that could not be compared.
    """
    fold = np.array([pair.fold for pair in pairs])
    genuine = np.array([pair.genuine for pair in pairs])
    accuracies = []
    for number in np.unique(fold):
        rest, here = fold != number, fold == number
        threshold = _best_threshold(scores[rest], genuine[rest])
        accuracies.append(float(np.mean((scores[here] >= threshold) == genuine[here])))
    return accuracies


def _tasks(
    images: Path, pairs_file: Path, runtime: RuntimeName, models: Path, *, sides: bool
) -> tuple[list[Pair], list[_Image]]:
    pairs = read_pairs(images, pairs_file)
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    return pairs, [_Image(images, name, runtime, models, sides) for name in names]


def _best_threshold(scores: NDArray[np.float64], genuine: NDArray[np.bool_]) -> float:
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], genuine[order]
    right = np.cumsum(np.where(hits, 1, -1))
    # A threshold lies between two different scores only.
    between = np.append(ranked[:-1] > ranked[1:], True)
    best = int(np.argmax(np.where(between, right, right.min())))
    if best + 1 == ranked.size or not np.isfinite(ranked[best + 1]):
        return float(ranked[best])
    return float(ranked[best] + ranked[best + 1]) / 2


def _compare_pairs(
    pairs: Sequence[Pair], templates: Mapping[str, FaceTemplate], recogniser: FaceRecogniser
) -> tuple[NDArray[np.float64], list[float]]:
    """Return the raw scores, -inf where a template is missing, and the milliseconds of each comparison."""
    scores = np.full(len(pairs), -np.inf)
    compare_ms = []
    for index, pair in enumerate(pairs):
        first, second = templates.get(pair.first), templates.get(pair.second)
        if first is not None and second is not None:
            began = time.perf_counter()
            scores[index] = recogniser.compare(first, second).raw
            compare_ms.append(1e3 * (time.perf_counter() - began))
    return scores, compare_ms


def all_pairs(embeddings: NDArray[np.float32], people: NDArray[np.intp]) -> tuple[Scored, Scored]:
    """Return the genuine and the impostor cosines over all pairs; embeddings: shape (n, length), norm 1."""
    number = np.min_scalar_type(len(embeddings))
    raw: tuple[list[NDArray[np.float32]], ...] = ([], [])
    pairs: tuple[list[NDArray[np.integer]], ...] = ([], [])
    for start in range(0, len(embeddings), _ROWS_PER_BLOCK):
        rows = np.arange(start, min(start + _ROWS_PER_BLOCK, len(embeddings)))
        cosines = embeddings[rows] @ embeddings.T
        after = np.arange(len(embeddings)) > rows[:, None]
        same = people[rows][:, None] == people[None, :]
        for kind, chosen in enumerate((after & same, after & ~same)):
            first, second = np.nonzero(chosen)
            raw[kind].append(cosines[chosen])
            pairs[kind].append(np.stack([rows[first], second], axis=1).astype(number))
    genuine, impostor = (Scored(np.concatenate(raw[kind]), np.concatenate(pairs[kind])) for kind in (0, 1))
    return genuine, impostor


def _check_shortcut(
    pairs: Sequence[Pair], scores: NDArray[np.float64], templates: Mapping[str, FaceTemplate]
) -> None:
    """Make sure that the products of `all_pairs` are what the comparator itself gives."""
    for pair, score in zip(pairs, scores, strict=True):
        if np.isfinite(score):
            cosine = float(templates[pair.first].embedding @ templates[pair.second].embedding)
            if abs(cosine - score) > 1e-4:
                raise RuntimeError(
                    f"the face comparator gives {score:.6f} where the cosine is {cosine:.6f}: bring "
                    "inference.evaluation.face in line with FaceRecogniser.compare"
                )


@cache
def _recogniser(runtime: RuntimeName, models: Path) -> FaceRecogniser:
    """One recogniser for each process."""
    return build_face_recogniser(Catalogue(models), runtime)


def _extract(task: _Image) -> _Made:
    recogniser = _recogniser(task.runtime, task.models)  # a model that does not load ends the run
    try:
        return _attempt(recogniser, task)
    except Exception as fault:  # noqa: BLE001 -- one image must not cost a run of hours
        return _failed(task, unexpected(fault))


def _failed(task: _Image, why: str) -> _Made:
    return _Made(Extracted(task.name, _person(task), None, why, 0.0), None)


def _person(task: _Image) -> str:
    return task.name.rpartition("/")[0]


def _attempt(recogniser: FaceRecogniser, task: _Image) -> _Made:
    person = _person(task)
    pixels = read_colour(task.folder / task.name)
    if pixels is None:
        return _failed(task, "does not decode")
    frame = ColourFrame(pixels, DeviceIdentity("file", "evaluation"), taken_at_s=0.0)
    began = time.perf_counter()
    assessed = recogniser.assess(frame)
    if isinstance(assessed, Retry):
        return _failed(task, assessed.reason.value)
    live = Unchecked().check(assessed)
    template = recogniser.template(live)
    extracted = Extracted(task.name, person, template, "", 1e3 * (time.perf_counter() - began))
    if not task.sides:
        return _Made(extracted, None)
    as_seen, mirrored = (recogniser.template(live, sides) for sides in (Sides.AS_SEEN, Sides.MIRRORED))
    return _Made(extracted, Looks(person, template, as_seen, mirrored))
