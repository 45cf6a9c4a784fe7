"""From any grey-scale image to what a small sensor sees: crop about the ridges, 4 bits, moisture."""

from __future__ import annotations

from enum import Enum, unique
from typing import assert_never

import numpy as np

from sensors.fingerprint.models import SensorModel
from sensors.frames import Pixels

_BLOCK = 16  # pixels; two ridge periods at 500 ppi, so a block of ridges always holds dark and light
_MIN_RIDGE_SPREAD = 16.0  # grey levels; platen without a finger has far less, see the tests
_PLATEN = 255


@unique
class Moisture(Enum):
    """How moist the finger is; DRY and WET are so bad that a sensor finds no features."""

    DRY = "dry"
    NORMAL = "normal"
    WET = "wet"


def fit_to_model(image: Pixels, model: SensorModel) -> Pixels:
    """Return (model.height, model.width) uint8 pixels, cut out or padded about the centre of the ridges.

    image: shape (height, width), uint8, dark ridges; it is not scaled, since both are near 500 ppi.
    """
    if image.ndim != 2 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"a finger is (height, width) uint8 pixels, not {image.shape} {image.dtype}")
    size = (model.height, model.width)
    if image.shape == size:
        return image & np.uint8(0xF0)
    shown = np.full(size, _PLATEN, np.uint8)
    sources, targets = [], []
    for centre, available, wanted in zip(_ridge_centre(image), image.shape, size, strict=True):
        start = centre - wanted // 2
        if available >= wanted:
            start = min(max(start, 0), available - wanted)
        begin, end = max(start, 0), min(start + wanted, available)
        sources.append(slice(begin, end))
        targets.append(slice(begin - start, end - start))
    shown[tuple(targets)] = image[tuple(sources)]
    return shown & np.uint8(0xF0)


def with_moisture(pixels: Pixels, moisture: Moisture) -> Pixels:
    """Return `pixels` as a finger of that moisture would look: broken and faint, or merged and dark."""
    match moisture:
        case Moisture.NORMAL:
            return pixels.copy()
        case Moisture.DRY:
            faint = 255.0 - (255.0 - pixels) * 0.35
            # Contact only at the highest points: a fixed pattern breaks the ridges, the same at each call.
            holes = np.random.default_rng(1).random(pixels.shape) < 0.45
            return np.where(holes, 255.0, faint).astype(np.uint8)
        case Moisture.WET:
            padded = np.pad(pixels, 1, mode="edge")
            height, width = pixels.shape
            around = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
            merged: Pixels = np.minimum.reduce(around)
            return (merged * 0.6).astype(np.uint8)
        case never:
            assert_never(never)


def _ridge_centre(image: Pixels) -> tuple[int, int]:
    rows, columns = image.shape[0] // _BLOCK, image.shape[1] // _BLOCK
    middle = (image.shape[0] // 2, image.shape[1] // 2)
    if rows == 0 or columns == 0:
        return middle
    blocks = image[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    ridged = blocks.std(axis=(1, 3)) > _MIN_RIDGE_SPREAD
    if not ridged.any():
        return middle
    row, column = np.argwhere(ridged).mean(axis=0)
    return int((row + 0.5) * _BLOCK), int((column + 0.5) * _BLOCK)
