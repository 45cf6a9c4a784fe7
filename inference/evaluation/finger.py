"""Measures finger recognition: all pairs within each data set."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.attack import Unchecked
from inference.comparators import COMPARATORS
from inference.evaluation.cohort_file import CohortFile
from inference.evaluation.controls import controls, to_swap
from inference.evaluation.datasets import DataSetRefused, Impression, read_fingers, read_grey
from inference.evaluation.parallel import Progress, run_all
from inference.evaluation.report import (
    Compared,
    Evaluation,
    Extracted,
    Image,
    Scored,
    compared,
    evaluation,
    unexpected,
)
from inference.evaluation.sensor_like import SensorLike
from inference.finger.pipeline import FingerRecogniser, build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import FingerPosition, FingerTemplate, Modality
from sensors.frames import DeviceIdentity, FingerFrame, Retry

_PAIRS_PER_TASK = 1000


@dataclass(frozen=True, slots=True)
class _Image:
    impression: Impression
    sensor: SensorLike
    runtime: RuntimeName


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    templates: Sequence[FingerTemplate]
    pairs: Sequence[tuple[int, int]]
    runtime: RuntimeName


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """One data set, and by how much some raw scores changed with probe and reference swapped."""

    compared: Compared
    swapped_changes: NDArray[np.float64]


def evaluate_fingers(
    folders: Sequence[Path],
    sensor: SensorLike,
    runtime: RuntimeName,
    jobs: int,
    progress: Progress,
    cohorts: CohortFile | None = None,
) -> Evaluation:
    """Compare every pair of impressions within each folder.

    cohorts: refused before any template is made where it names nobody here. Raises DataSetRefused.
    """
    listed = _listed(folders)
    if cohorts is not None:
        cohorts.place(
            [Image(folder.name, str(one.path), one.finger, "") for folder, images in listed for one in images]
        )
    scored_by = (_recogniser(runtime).scored_by,)
    measured = [
        _evaluate_set(folder.name, images, sensor, runtime, jobs, progress) for folder, images in listed
    ]
    sets = tuple(replace(one.compared, made_by=scored_by) for one in measured)
    protocol = (
        f"images {sensor.described}; genuine: all pairs of impressions of a finger; impostors: all pairs of "
        "impressions of different fingers of the same data set; one impression against one"
    )
    made = evaluation(f"finger/{sensor.name}", protocol, COMPARATORS[Modality.FINGER], sets)
    checked = controls([one.scores for one in sets], [one.swapped_changes for one in measured])
    return replace(made, report=msgspec.structs.replace(made.report, controls=checked))


def extract_fingers(
    folders: Sequence[Path], sensor: SensorLike, runtime: RuntimeName, jobs: int, progress: Progress
) -> list[tuple[str, list[Extracted[FingerTemplate]]]]:
    """Make a template of each impression; returns them by data set. Raises DataSetRefused."""
    return [
        (folder.name, _extract_set(folder.name, images, sensor, runtime, jobs, progress))
        for folder, images in _listed(folders)
    ]


def _listed(folders: Sequence[Path]) -> list[tuple[Path, list[Impression]]]:
    folders = [folder.resolve() for folder in folders]
    if len({folder.name for folder in folders}) != len(folders):
        raise DataSetRefused("two of the folders have the same name; each data set is given once")
    return [(folder, read_fingers(folder)) for folder in folders]


def _extract_set(
    name: str,
    images: Sequence[Impression],
    sensor: SensorLike,
    runtime: RuntimeName,
    jobs: int,
    progress: Progress,
) -> list[Extracted[FingerTemplate]]:
    tasks = [_Image(image, sensor, runtime) for image in images]
    return run_all(_extract, tasks, jobs, f"{name}: templates", progress)


def _evaluate_set(
    name: str,
    images: Sequence[Impression],
    sensor: SensorLike,
    runtime: RuntimeName,
    jobs: int,
    progress: Progress,
) -> _Measured:
    extracted = _extract_set(name, images, sensor, runtime, jobs, progress)
    made = [(one.identity, one.template) for one in extracted if one.template is not None]
    templates = [template for _, template in made]
    pairs = list(itertools.combinations(range(len(made)), 2))
    swapped = to_swap(len(pairs))
    again = [(pairs[place][1], pairs[place][0]) for place in swapped]
    blocks = [
        _Block(templates, some[start : start + _PAIRS_PER_TASK], runtime)
        for some in (pairs, again)
        for start in range(0, len(some), _PAIRS_PER_TASK)
    ]
    found = [
        pair for block in run_all(_compare, blocks, jobs, f"{name}: comparisons", progress) for pair in block
    ]
    measured, measured_again = found[: len(pairs)], found[len(pairs) :]
    raw = np.array([score for score, _ in measured])
    numbers = np.array(pairs, np.intp).reshape(-1, 2)
    finger = np.array([identity for identity, _ in made])
    same = finger[numbers[:, 0]] == finger[numbers[:, 1]]
    figures = compared(
        name,
        extracted,
        genuine=Scored(raw[same], numbers[same]),
        impostor=Scored(raw[~same], numbers[~same]),
        compare_ms=[ms for _, ms in measured],
    )
    return _Measured(figures, np.array([score for score, _ in measured_again]) - raw[swapped])


@cache
def _recogniser(runtime: RuntimeName) -> FingerRecogniser:
    """One recogniser for each process."""
    return build_finger_recogniser(Catalogue(), runtime)


def _extract(task: _Image) -> Extracted[FingerTemplate]:
    recogniser = _recogniser(task.runtime)  # a model that does not load ends the run
    try:
        return _attempt(recogniser, task)
    except Exception as fault:  # noqa: BLE001 -- one image must not cost a run of hours
        image = task.impression
        return Extracted(str(image.path), image.finger, None, unexpected(fault), 0.0)


def _attempt(recogniser: FingerRecogniser, task: _Image) -> Extracted[FingerTemplate]:
    image = task.impression
    pixels = read_grey(image.path)
    if pixels is None:
        return Extracted(str(image.path), image.finger, None, "does not decode", 0.0)
    pixels, ppi = task.sensor.apply(pixels)
    frame = FingerFrame(pixels, ppi, DeviceIdentity(task.sensor.name, "evaluation"), taken_at_s=0.0)
    began = time.perf_counter()
    assessed = recogniser.assess(frame)
    if isinstance(assessed, Retry):
        return Extracted(str(image.path), image.finger, None, assessed.reason.value, 0.0)
    template = recogniser.template(Unchecked().check(assessed), FingerPosition.UNKNOWN)
    taken_ms = 1e3 * (time.perf_counter() - began)
    return Extracted(str(image.path), image.finger, template, "", taken_ms)


def _compare(block: _Block) -> list[tuple[float, float]]:
    """Return the raw score and the milliseconds of each pair."""
    recogniser = _recogniser(block.runtime)
    needed = {index for pair in block.pairs for index in pair}
    prepared = {index: recogniser.prepare(block.templates[index]) for index in needed}
    measured = []
    for first, second in block.pairs:
        began = time.perf_counter()
        score = recogniser.compare(prepared[first], prepared[second])
        measured.append((score.raw, 1e3 * (time.perf_counter() - began)))
    return measured
