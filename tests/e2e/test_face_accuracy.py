"""Accuracy of the shipped models on a fixed tenth of LFW's pairs: a floor, so that no loss stays unseen."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.attack import Unchecked
from inference.face.compare import SOURCE
from inference.face.pipeline import FaceRecogniser, build_face_recogniser
from inference.models.catalogue import Catalogue
from inference.operating_point import DEFAULT, load
from inference.runtime import RuntimeName
from inference.types import Assessed, FaceTemplate, Modality
from sensors.frames import ColourFrame, DeviceIdentity

EVERY = 10
# Measured on this tenth: accuracy 99.67 %, TAR 97.65 %, FMR 8.4e-5 in 166,006. Two errors more of each are
# what the rounding of another processor may bring.
LEAST_ACCURACY = 0.99
LEAST_TAR = 0.964
MOST_FMR = 1e-4


def read_pairs(path: Path) -> list[tuple[str, str, bool]]:
    def image(name: str, number: str) -> str:
        return f"{name}/{name}_{int(number):04d}.jpg"

    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        match line.split("\t"):
            case [name, first, second]:
                pairs.append((image(name, first), image(name, second), True))
            case [one, first, other, second]:
                pairs.append((image(one, first), image(other, second), False))
            case _:
                pass
    return pairs


@pytest.fixture(scope="module")
def recogniser() -> FaceRecogniser:
    return build_face_recogniser(Catalogue(), RuntimeName.LITERT)


def embed(recogniser: FaceRecogniser, path: Path) -> FaceTemplate | None:
    pixels = np.asarray(cv2.imread(str(path)), np.uint8)
    assessed = recogniser.assess(ColourFrame(pixels, DeviceIdentity("file", "test"), taken_at_s=0.0))
    return recogniser.template(Unchecked().check(assessed)) if isinstance(assessed, Assessed) else None


def test_faces_are_found_and_told_apart(shared_data: Path, recogniser: FaceRecogniser) -> None:
    images = shared_data / "faces" / "lfw"
    held = [
        pair
        for pair in read_pairs(shared_data / "faces" / "pairs.txt")
        if (images / pair[0]).exists() and (images / pair[1]).exists()
    ]
    pairs = held[::EVERY]
    assert len(pairs) >= 300
    names = sorted({name for first, second, _ in pairs for name in (first, second)})
    made = {name: embed(recogniser, images / name) for name in names}
    found = {name: template for name, template in made.items() if template is not None}
    assert len(found) >= len(names) - 1, sorted(made.keys() - found.keys())

    source = load(DEFAULT, {Modality.FACE: recogniser.made_by}).source(SOURCE)
    threshold = {row.fmr: row.threshold_llr for row in source.rows}
    right = sum(
        (source.calibration.llr(recogniser.compare(found[first], found[second]).raw) >= threshold[1e-3])
        == genuine
        for first, second, genuine in pairs
        if first in found and second in found
    )
    assert right / len(pairs) >= LEAST_ACCURACY

    person = np.array([name.partition("/")[0] for name in found])
    embeddings = np.stack([template.embedding for template in found.values()])
    quality = np.array([template.quality for template in found.values()])
    rows, columns = np.triu_indices(len(found), 1)
    llrs = source.calibration.llrs(np.asarray((embeddings @ embeddings.T)[rows, columns], np.float64))
    same, matches = person[rows] == person[columns], llrs >= threshold[1e-4]
    assert np.count_nonzero(~same) >= 3 / 1e-4
    assert matches[~same].mean() <= MOST_FMR
    assert matches[same].mean() >= LEAST_TAR
    # Quality tells which comparisons fail: those samples are worse than most.
    of_pair = np.minimum(quality[rows], quality[columns])
    assert of_pair[same & ~matches].mean() < np.median(quality)
