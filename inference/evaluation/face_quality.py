"""`python -m inference.evaluation.face_quality`: how often each component of face quality speaks up.

On the images of a pairs file as they are, where most complaints are false alarms, and with covers drawn over
the faces, where each silence is a miss. Run by `make face-quality`; docs/recognition.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from inference.errors import InferenceError
from inference.evaluation.datasets import read_colour, read_pairs
from inference.evaluation.drawn_covers import COVERS
from inference.evaluation.parallel import run_all
from inference.face.align import align
from inference.face.choose import choose_face
from inference.face.detect import FaceDetector
from inference.face.occlusion import eye_contrast, mouth_detail
from inference.face.quality import GOOD, LEAST, assess_face
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from sensors.frames import Retry

SEED = 29_794
PERCENTILES = (0.3, 1.0, 50.0, 99.0, 99.7)
MEASURES = ("eye contrast", "mouth detail")
AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class _Judged:
    """Components and occlusion measures of one face, as it is and under each cover, by name."""

    components: dict[str, dict[str, float]]
    measures: dict[str, dict[str, float]]


@cache
def _detector() -> FaceDetector:
    return FaceDetector(Catalogue().load("yunet", RuntimeName.LITERT))


def _judge(task: tuple[Path, int]) -> _Judged | None:
    path, number = task
    pixels = read_colour(path)
    if pixels is None:
        return None
    found = choose_face(_detector().detect(pixels), pixels)
    if isinstance(found, Retry):
        return None
    face = _detector().look_again(pixels, found)
    crop = align(pixels, face.landmarks)
    random = np.random.default_rng([SEED, number])
    crops = {AS_IT_IS: crop} | {name: draw(crop, random) for name, draw in COVERS.items()}
    return _Judged(
        components={name: assess_face(face, one).components for name, one in crops.items()},
        measures={
            name: dict(zip(MEASURES, (eye_contrast(one), mouth_detail(one)), strict=True))
            for name, one in crops.items()
        },
    )


def main() -> int:
    """Print the tables; returns 1 with a sentence where the data cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m inference.evaluation.face_quality", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder in LFW's layout")
    parser.add_argument("--pairs", type=Path, required=True, help="pairs in LFW's form; names the images")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    arguments = parser.parse_args()
    try:
        pairs = read_pairs(arguments.images, arguments.pairs)
    except InferenceError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    tasks = [(arguments.images / name, number) for number, name in enumerate(names)]
    judged = run_all(_judge, tasks, arguments.jobs, "faces", lambda *_: None)
    sys.stdout.write(_tables([one for one in judged if one is not None], len(names)))
    return 0


def _tables(judged: list[_Judged], images: int) -> str:
    """Return the tables as Markdown."""
    covers = (AS_IT_IS, *COVERS)
    lines = [
        f"{len(judged)} faces in {images} images; % below {GOOD} (named) / below {LEAST} (asked for)",
        "",
    ]
    lines += [f"| component | {' | '.join(covers)} |", "|---" * (1 + len(covers)) + "|"]
    for component in judged[0].components[AS_IT_IS]:
        cells = []
        for cover in covers:
            values = np.array([one.components[cover][component] for one in judged])
            cells.append(" / ".join(f"{100 * np.mean(values < level):.2f}" for level in (GOOD, LEAST)))
        lines.append(f"| {component} | {' | '.join(cells)} |")
    lines += ["", "Percentiles " + ", ".join(f"{each:g}" for each in PERCENTILES) + " %:", ""]
    for measure in MEASURES:
        for cover in covers:
            found = np.percentile([one.measures[cover][measure] for one in judged], PERCENTILES)
            lines.append(f"* {measure}, {cover}: " + ", ".join(f"{value:.2f}" for value in found))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
