"""Accuracy of the shipped models on a fixed tenth of LFW's pairs: a floor, so that no loss stays unseen."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.attack import Unchecked
from inference.face.pipeline import FaceRecogniser, build_face_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import Assessed, FaceTemplate
from sensors.frames import ColourFrame, DeviceIdentity

EVERY = 10
THRESHOLD = 0.363
"""OpenCV's published threshold for SFace; fixed, so that the test tunes nothing on its own data."""


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
    templates = {name: embed(recogniser, images / name) for name in names}

    found = {name: made for name, made in templates.items() if made is not None}
    assert len(found) >= len(names) - 3, sorted(templates.keys() - found.keys())

    right, missed_quality = 0, []
    for first, second, genuine in pairs:
        if first in found and second in found:
            score = recogniser.compare(found[first], found[second]).raw
            right += (score >= THRESHOLD) == genuine
            if genuine and score < THRESHOLD:
                missed_quality.append(min(found[first].quality, found[second].quality))
    assert right / len(pairs) >= 0.98
    # Quality tells which comparisons fail: those samples are worse than most.
    if missed_quality:
        assert np.mean(missed_quality) < np.median([made.quality for made in found.values()])
