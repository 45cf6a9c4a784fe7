"""`python -m inference.build.finger_comparisons DIR...`: collect what the finger score is trained on.

Compares the prints of each data set, as two readers send them and cut down to difficult parts, and synthetic
ones, and keeps the eight numbers that the score sees of each comparison: no image, no minutia. The result is
committed, so that the score can be built and tried, with any set left out, without the images.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.attack import Unchecked
from inference.build.comparison_file import FILE, SYNTHETIC, Comparisons, Origin, save
from inference.evaluation.datasets import read_fingers, read_grey
from inference.evaluation.parallel import run_all
from inference.evaluation.sensor_like import SENSOR_SIZE, sensor_like
from inference.finger.compare import compare
from inference.finger.cylinders import PreparedFinger, prepare
from inference.finger.minutiae import LEAST_CONFIDENCE
from inference.finger.pipeline import FingerRecogniser, build_finger_recogniser
from inference.finger.score import features
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.synthesis import Condition, make_finger
from inference.types import FingerPosition, FingerTemplate
from sensors.frames import DeviceIdentity, FingerFrame, Pixels, Retry

SENSORS = ("R503", "AS608")
SYNTHETIC_FINGERS, FIRST_SYNTHETIC_SEED = 60, 50_000
SYNTHETIC_IMPRESSIONS, SYNTHETIC_SIZE = 6, (320, 360)
SYNTHETIC_IMPOSTORS = 6_000
CUTS = 3
CUT_IMPOSTORS = 4_000
CELL_PX, LEAST_CELLS = 16, 9
MOST_LOST, MOST_WARP_PX, TURN_RAD, CONFIDENCE = 0.2, 5.0, 0.08, 0.05
"""How much a cut loses of its minutiae, and how far they move, turn and change in confidence."""

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """One impression of one finger of one data set."""

    finger: str
    template: FingerTemplate


@dataclass(frozen=True, slots=True, eq=False)
class _Finger:
    """Work for one process: the images of one finger at full size."""

    name: str
    images: tuple[Path, ...]
    seed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    pairs: Sequence[tuple[FingerTemplate, FingerTemplate]]


def main() -> int:
    """Collect the comparisons of the named folders and of synthetic prints."""
    parser = argparse.ArgumentParser(prog="python -m inference.build.finger_comparisons", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="of FINGER_IMPRESSION.png")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=FILE)
    arguments = parser.parse_args()
    parts = []
    for folder in arguments.folders:
        by_finger = itertools.groupby(read_fingers(folder), key=lambda impression: impression.finger)
        tasks = [_Finger(name, tuple(one.path for one in group), None) for name, group in by_finger]
        parts += list(_of_set(folder.name, tasks, arguments.jobs))
    tasks = [_Finger(str(number), (), FIRST_SYNTHETIC_SEED + number) for number in range(SYNTHETIC_FINGERS)]
    parts += list(_of_set(SYNTHETIC, tasks, arguments.jobs))
    save(parts, arguments.output)
    _say(f"{arguments.output}: {sum(len(part.genuine) for part in parts):,} comparisons")
    return 0


def _of_set(name: str, tasks: Sequence[_Finger], jobs: int) -> Iterator[Comparisons]:
    extracted = run_all(_extract, tasks, jobs, name, _progress)
    for number, sensor in enumerate(SENSORS):
        prints = [
            Print(task.name, t) for task, found in zip(tasks, extracted, strict=True) for t in found[number]
        ]
        pairs = list(itertools.combinations(range(len(prints)), 2))
        if name == SYNTHETIC:
            pairs = _thinned(prints, pairs)
        chosen = [(prints[i], prints[j]) for i, j in pairs]
        yield _compared(Origin(name, sensor), chosen, jobs)
    if name != SYNTHETIC:
        yield _compared(Origin(name, "cut"), _cut_pairs(prints), jobs)


def _thinned(prints: Sequence[Print], pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """All genuine pairs and some impostors."""
    genuine = [(i, j) for i, j in pairs if prints[i].finger == prints[j].finger]
    impostor = [(i, j) for i, j in pairs if prints[i].finger != prints[j].finger]
    order = np.random.default_rng(1).permutation(len(impostor))[:SYNTHETIC_IMPOSTORS]
    return genuine + [impostor[place] for place in order]


def _cut_pairs(prints: Sequence[Print]) -> list[tuple[Print, Print]]:
    """Pairs of cuts: the genuine pairs three times, and some impostors."""
    rng = np.random.default_rng(5)
    cuts = [[Print(one.finger, _cut(rng, one.template)) for _ in range(CUTS)] for one in prints]
    pairs = []
    for first, second in itertools.combinations(range(len(prints)), 2):
        if prints[first].finger == prints[second].finger:
            pairs += [_one_of_each(rng, cuts[first], cuts[second]) for _ in range(CUTS)]
    impostors = 0
    while impostors < CUT_IMPOSTORS:
        first, second = (int(place) for place in rng.integers(0, len(prints), 2))
        if prints[first].finger != prints[second].finger:
            pairs.append(_one_of_each(rng, cuts[first], cuts[second]))
            impostors += 1
    return pairs


def _one_of_each(
    rng: np.random.Generator, one: Sequence[Print], other: Sequence[Print]
) -> tuple[Print, Print]:
    return one[int(rng.integers(len(one)))], other[int(rng.integers(len(other)))]


def _cut(rng: np.random.Generator, template: FingerTemplate) -> FingerTemplate:
    """Part of a print as a smaller contact would show it, with stretched skin and minutiae lost."""
    rows = template.minutiae.copy()
    across, down = -(-template.width // CELL_PX), -(-template.height // CELL_PX)
    width, height = _length(rng, across), _length(rng, down)
    left, top = (
        CELL_PX * int(rng.integers(0, all_ - some + 1)) for all_, some in ((across, width), (down, height))
    )
    kept = (rows[:, 0] >= left) & (rows[:, 0] < left + CELL_PX * width)
    kept &= (rows[:, 1] >= top) & (rows[:, 1] < top + CELL_PX * height)
    kept &= rng.random(len(rows)) > rng.uniform(0, MOST_LOST)
    rows = rows[kept]
    rows[:, 0], rows[:, 1] = _warped(rng, rows[:, 0], rows[:, 1], rng.uniform(0, MOST_WARP_PX))
    rows[:, 2] += rng.normal(0, TURN_RAD, len(rows))
    rows[:, 4] = np.clip(rows[:, 4] + rng.normal(0, CONFIDENCE, len(rows)), LEAST_CONFIDENCE, 1)
    return replace(template, minutiae=rows[np.argsort(-rows[:, 4], kind="stable")])


def _length(rng: np.random.Generator, cells: int) -> int:
    return int(rng.integers(min(LEAST_CELLS, cells), cells + 1))


def _warped(rng: np.random.Generator, x: Floats, y: Floats, amplitude_px: float) -> tuple[Floats, Floats]:
    """Two slow waves of displacement along each axis."""
    along, across = np.zeros_like(x), np.zeros_like(y)
    for displacement in (along, across):
        for _ in range(2):
            wave = rng.normal(0, 1, 2)
            wave *= 2 * np.pi / rng.uniform(200, 500) / np.hypot(*wave)
            height = amplitude_px * rng.normal()
            displacement += height * np.sin(wave[0] * x + wave[1] * y + rng.uniform(0, 6.28))
    return x + along, y + across


def _compared(origin: Origin, pairs: Sequence[tuple[Print, Print]], jobs: int) -> Comparisons:
    templates = [(first.template, second.template) for first, second in pairs]
    blocks = [_Block(templates[start : start + 500]) for start in range(0, len(templates), 500)]
    found = run_all(_compare, blocks, jobs, f"{origin.data}, {origin.form}", _progress)
    genuine = np.array([first.finger == second.finger for first, second in pairs])
    return Comparisons(origin, np.concatenate(found), genuine)


def _compare(block: _Block) -> NDArray[np.float64]:
    prepared: dict[int, PreparedFinger] = {}
    rows = []
    for pair in block.pairs:
        one, other = (prepared.setdefault(id(t), prepare(t)) for t in pair)
        rows.append(features(compare(one, other)))
    return np.stack(rows).astype(np.float64)


@cache
def _recogniser() -> FingerRecogniser:
    return build_finger_recogniser(Catalogue(), RuntimeName.LITERT)


def _extract(task: _Finger) -> tuple[list[FingerTemplate], ...]:
    """Templates of all impressions of one finger, for each of SENSORS."""
    found: tuple[list[FingerTemplate], ...] = tuple([] for _ in SENSORS)
    for pixels in _impressions(task):
        for sensor, templates in zip(SENSORS, found, strict=True):
            frame = FingerFrame(
                sensor_like(pixels, *SENSOR_SIZE[sensor]), 500.0, DeviceIdentity(sensor, "build"), 0.0
            )
            assessed = _recogniser().assess(frame)
            if not isinstance(assessed, Retry):
                live = Unchecked().check(assessed)
                templates.append(_recogniser().template(live, FingerPosition.UNKNOWN))
    return found


def _impressions(task: _Finger) -> Iterator[Pixels]:
    if task.seed is not None:
        finger = make_finger(task.seed)
        for number in range(SYNTHETIC_IMPRESSIONS):
            rng = np.random.default_rng([7, int(task.name), number])
            condition = Condition.random(rng, severity=float(rng.uniform(0.3, 1)))
            yield finger.impression(number, condition, size=SYNTHETIC_SIZE)
    for path in task.images:
        pixels = read_grey(path)
        if pixels is not None:
            yield pixels


def _progress(stage: str, done: int, total: int) -> None:
    if done in (0, total):
        _say(f"{stage}: {done} of {total}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
