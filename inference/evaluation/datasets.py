"""Readers of the data sets that recognition is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.errors import InferenceError
from sensors.frames import Pixels

FINGER_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
FACE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
_FOLDS = 10


class DataSetRefused(InferenceError, ValueError):
    """A data set is missing, empty or not laid out as stated."""


@dataclass(frozen=True, slots=True, order=True)
class Impression:
    """One image of one finger, named FINGER_IMPRESSION."""

    finger: str
    impression: int
    path: Path


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of the LFW protocol, relative to the image folder, and the fold that they belong to."""

    first: str
    second: str
    genuine: bool
    fold: int


def read_fingers(folder: Path) -> list[Impression]:
    """List the impressions in a folder of FINGER_IMPRESSION.png|tif|bmp. Raises DataSetRefused."""
    _check_folder(folder)
    images = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in FINGER_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not images:
        raise DataSetRefused(
            f"{folder} holds no image; it needs files named FINGER_IMPRESSION.png, .tif or .bmp"
        )
    impressions: dict[tuple[str, int], Impression] = {}
    for path in images:
        finger, separator, number = path.stem.rpartition("_")
        if not separator or not finger or not number.isdecimal():
            raise DataSetRefused(
                f"{path} is not named FINGER_IMPRESSION{path.suffix}, as in 101_1{path.suffix}"
            )
        twin = impressions.setdefault((finger, int(number)), Impression(finger, int(number), path))
        if twin.path != path:
            raise DataSetRefused(f"{path} and {twin.path.name} are the same impression of the same finger")
    if len({finger for finger, _ in impressions}) < 2:
        raise DataSetRefused(f"{folder} shows a single finger; impostor comparisons need at least two")
    return sorted(impressions.values())


def read_pairs(images: Path, pairs_file: Path) -> list[Pair]:
    """Read a pairs file in LFW's form and check that every image is there. Raises DataSetRefused.

    The first line is ``folds<TAB>pairs`` (or ``pairs`` alone, one fold); each fold has that many genuine
    lines ``name<TAB>n<TAB>m``, then as many impostor lines ``name<TAB>n<TAB>name<TAB>m``. A single fold is
    dealt out to ten, pair by pair, since accuracy takes its threshold from the other folds.
    """
    _check_folder(images)
    try:
        lines = pairs_file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as fault:
        raise DataSetRefused(f"{pairs_file} is no UTF-8 text; save it as UTF-8: {fault}") from fault
    except OSError as fault:
        raise DataSetRefused(f"{pairs_file} cannot be read as text: {fault}") from fault
    header = lines[0].split() if lines else []
    if len(header) not in (1, 2) or not all(field.isdecimal() and int(field) > 0 for field in header):
        raise DataSetRefused(f"{pairs_file}, line 1: expected the number of folds and of pairs in each")
    folds, size = (1, int(header[0])) if len(header) == 1 else (int(header[0]), int(header[1]))
    body = [(number, line) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    if len(body) != 2 * folds * size:
        raise DataSetRefused(
            f"{pairs_file}, line {len(lines)}: {len(body)} pairs, but line 1 announces {2 * folds * size}"
        )
    pairs = []
    for index, (number, line) in enumerate(body):
        genuine = index % (2 * size) < size
        fold = index // (2 * size) if folds > 1 else index % size % _FOLDS
        pair = _parse_pair(images, line, genuine, fold)
        if pair is None:
            form = "name, number, number" if genuine else "name, number, name, number"
            raise DataSetRefused(f"{pairs_file}, line {number}: expected {form}, separated by tabs: {line!r}")
        for image in (pair.first, pair.second):
            if not (images / image).is_file():
                raise DataSetRefused(f"{pairs_file}, line {number}: {images / image} does not exist")
        pairs.append(pair)
    if folds * size < 2:
        raise DataSetRefused(f"{pairs_file}, line 1: accuracy takes at least two pairs of each kind")
    return pairs


def read_grey(path: Path) -> Pixels | None:
    """Decode an image as grey values, shape (height, width), uint8; None when it does not decode."""
    return _decode(path, cv2.IMREAD_GRAYSCALE)


def read_colour(path: Path) -> Pixels | None:
    """Decode an image, shape (height, width, 3), uint8, blue, green, red; None when it does not decode."""
    return _decode(path, cv2.IMREAD_COLOR)


def _decode(path: Path, mode: int) -> Pixels | None:
    try:
        content = np.fromfile(path, np.uint8)
        # An empty buffer is an error of OpenCV's, a damaged one gives None.
        decoded = cv2.imdecode(content, mode) if content.size else None
    except (OSError, cv2.error):
        return None
    return None if decoded is None else np.asarray(decoded, np.uint8)


def _parse_pair(images: Path, line: str, genuine: bool, fold: int) -> Pair | None:
    fields = line.split("\t") if "\t" in line else line.split()
    numbers = fields[1:3] if genuine else fields[1::2]
    if len(fields) != (3 if genuine else 4) or not all(number.strip().isdecimal() for number in numbers):
        return None
    first, second = (fields[0], fields[0]) if genuine else (fields[0], fields[2])
    if not genuine and first == second:
        return None
    return Pair(_lfw_image(images, first, numbers[0]), _lfw_image(images, second, numbers[1]), genuine, fold)


def _lfw_image(images: Path, name: str, number: str) -> str:
    """Return NAME/NAME_0001.jpg, or the form of it that is there; LFW's own where none is."""
    stem = f"{name}/{name}_{int(number):04d}"
    there = (suffix for suffix in FACE_SUFFIXES if (images / f"{stem}{suffix}").is_file())
    return f"{stem}{next(there, FACE_SUFFIXES[0])}"


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DataSetRefused(f"the folder {folder} does not exist")
