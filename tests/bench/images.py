"""The images and pairs of one run, written as files that every peer reads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from firmware.demo.cast import FACES
from firmware.demo.views import face_view
from inference.evaluation.datasets import read_fingers, read_grey, read_pairs
from inference.evaluation.sensor_like import sensor_like
from inference.synthesis import Condition, make_finger
from sensors.camera.image_files import read_image
from sensors.frames import Pixels

SIZES = ((256, 288), (192, 192))
"""Width and height in pixels of the AS608 and the R503."""
MOST_IMPOSTORS = 3_000  # supports FMR 1e-3 (rule of three)
SEED = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images, and whether they are of one person or finger."""

    first: Path
    second: Path
    genuine: bool


@dataclass(frozen=True, slots=True)
class ImageSet:
    """What every peer of one modality is given. source: where it comes from, for the page."""

    name: str
    source: str
    images: Sequence[Path]
    pairs: Sequence[Pair]


def lfw_faces(data: Path, quick: bool) -> ImageSet:
    """Return fold 1 of LFW's protocol (quick: every sixth of its pairs)."""
    images = data / "faces" / "lfw"
    pairs = [pair for pair in read_pairs(images, data / "faces" / "pairs.txt") if pair.fold == 0]
    kept = [Pair(images / one.first, images / one.second, one.genuine) for one in pairs[:: 6 if quick else 1]]
    return _image_set("LFW", f"LFW deep-funneled, fold 1, {len(kept)} pairs", kept)


def demo_faces(folder: Path, quick: bool) -> ImageSet:
    """Several views of each demonstration photograph; they say nothing about error rates."""
    photographs = sorted(FACES.glob("*.jpg"))[: 4 if quick else None]
    views = {
        photo.stem: [
            _write(folder / f"{photo.stem}-{take}.png", face_view(read_image(photo), take))
            for take in range(2 if quick else 4)
        ]
        for photo in photographs
    }
    return _image_set("demonstration", "views of the demonstration's photographs", _all_pairs(views))


def finger_sets(data: Path, folder: Path, quick: bool) -> list[ImageSet]:
    """Return FVC2002 DB1_B and UPEK, cut to each sensor's size and 4 bits (quick: four fingers of one)."""
    sets = []
    for name, (width, height) in itertools.product(("fvc2002_db1b", "upek"), SIZES):
        fingers: dict[str, list[Path]] = {}
        for impression in read_fingers(data / "fingers" / name):
            pixels = read_grey(impression.path)
            if pixels is None:
                raise ValueError(f"{impression.path} does not decode")
            target = folder / f"{name}-{width}-{impression.path.stem}.png"
            fingers.setdefault(impression.finger, []).append(
                _write(target, sensor_like(pixels, width, height))
            )
        if quick:
            fingers = {finger: paths[:4] for finger, paths in list(fingers.items())[:4]}
        title = f"{name} {width}×{height}"
        sets.append(
            _image_set(
                title, f"{name}, {len(fingers)} fingers, cut to {width}×{height}, 4 bits", _all_pairs(fingers)
            )
        )
        if quick:
            break
    return sets


def synthetic_fingers(folder: Path, quick: bool) -> list[ImageSet]:
    """Made-up prints from seeds; they say nothing about error rates."""
    sets = []
    for width, height in SIZES[-1:] if quick else SIZES:
        fingers = {}
        for seed in range(3 if quick else 10):
            master, rng = make_finger(seed), np.random.default_rng(seed)
            fingers[str(seed)] = [
                _write(
                    folder / f"synthetic-{width}-{seed}-{take}.png",
                    master.impression(take, Condition.random(rng, 0.4), (width, height)),
                )
                for take in range(2 if quick else 4)
            ]
        sets.append(
            _image_set(
                f"synthetic {width}×{height}", f"{len(fingers)} synthetic fingers", _all_pairs(fingers)
            )
        )
    return sets


def _all_pairs(groups: dict[str, list[Path]]) -> list[Pair]:
    genuine = [
        Pair(first, second, True)
        for paths in groups.values()
        for first, second in itertools.combinations(paths, 2)
    ]
    impostor = [
        Pair(first, second, False)
        for one, other in itertools.combinations(groups.values(), 2)
        for first, second in itertools.product(one, other)
    ]
    if len(impostor) > MOST_IMPOSTORS:
        kept = np.random.default_rng(SEED).choice(len(impostor), MOST_IMPOSTORS, replace=False)
        impostor = [impostor[place] for place in np.sort(kept)]
    return genuine + impostor


def _image_set(name: str, source: str, pairs: Sequence[Pair]) -> ImageSet:
    images = sorted({image for pair in pairs for image in (pair.first, pair.second)})
    return ImageSet(name, source, images, pairs)


def _write(path: Path, pixels: Pixels) -> Path:
    cv2.imwrite(str(path), pixels)
    return path
