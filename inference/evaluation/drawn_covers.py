"""Covers drawn over aligned faces: dark glasses, a mask over nose and mouth, the fingers of a hand.

Drawings, not photographs: they show whether the occlusion measures see what they are made for, not how often
real covers are seen. Colours, sizes and places vary, seeded by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.frames import Pixels

_EYES_PX = ((38, 53), (74, 53))  # about the reference points of `inference.face.align`
_NOISE_LEVELS = 2.0
_MASK_COLOURS = ((210, 190, 150), (230, 230, 230), (40, 40, 40), (180, 160, 120))
_MASK_OUTLINE_PX = (
    *((20, 68), (40, 66), (56, 62), (72, 66), (92, 68)),
    *((90, 90), (78, 108), (56, 114), (34, 108), (22, 90)),
)


def dark_glasses(crop: Pixels, random: np.random.Generator) -> Pixels:
    """Return the crop, shape (112, 112, 3) BGR uint8, with two dark lenses and a bridge over the eyes."""
    drawn = crop.copy()
    for centre in _EYES_PX:
        axes = (int(random.uniform(13, 16)), int(random.uniform(9, 12)))
        colour = random.uniform(10, 45) + random.uniform(-5, 5, 3)
        cv2.ellipse(drawn, centre, axes, 0, 0, 360, tuple(map(float, colour)), -1, cv2.LINE_AA)
    cv2.line(drawn, (50, 49), (62, 49), (20, 20, 20), 2, cv2.LINE_AA)
    return _noisy(cv2.GaussianBlur(drawn, (0, 0), 0.6), random)


def mask(crop: Pixels, random: np.random.Generator) -> Pixels:
    """Return the crop with a folded cloth over nose, mouth and chin."""
    colour = np.array(_MASK_COLOURS[random.integers(len(_MASK_COLOURS))]) * random.uniform(0.7, 1.05)
    outline = np.array(_MASK_OUTLINE_PX, np.int32) + random.integers(-2, 3, (len(_MASK_OUTLINE_PX), 2))
    cover = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(cover, [outline.astype(np.int32)], 255)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    shade = 1 - 0.25 * np.abs(columns - 56) / 40 - 0.08 * np.sin(rows / 3)
    return _laid_over(crop, cover, 0.8, colour * shade[..., np.newaxis], random)


def fingers(crop: Pixels, random: np.random.Generator) -> Pixels:
    """Return the crop with four fingers in the colour of the cheeks across the mouth."""
    skin = np.median(crop[60:75, 28:84].reshape(-1, 3), axis=0) * random.uniform(0.8, 1.15)
    cover = np.zeros(crop.shape[:2], np.uint8)
    height_px = int(random.integers(80, 95))
    for finger in range(4):
        centre = (25 + 5 * finger, int(height_px + (finger - 1.5) * 11))
        cv2.ellipse(cover, centre, (48, 6), float(random.uniform(-8, 8)), 0, 360, 255, -1, cv2.LINE_AA)
    rows = np.arange(crop.shape[0])[:, np.newaxis, np.newaxis]
    return _laid_over(crop, cover, 1.0, skin * (0.75 + 0.25 * np.sin(rows / 2.5)), random)


COVERS: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = MappingProxyType(
    {"dark glasses": dark_glasses, "mask": mask, "fingers": fingers}
)


def _laid_over(
    crop: Pixels,
    cover: NDArray[np.uint8],
    edge_px: float,
    colours: NDArray[np.float64],
    random: np.random.Generator,
) -> Pixels:
    """edge_px: how soft the edge is. colours: of the cover, broadcast to the shape of the crop."""
    share = cv2.GaussianBlur(cover, (0, 0), edge_px)[..., np.newaxis] / 255
    return _noisy(crop * (1 - share) + colours * share, random)


def _noisy(image: NDArray[np.generic], random: np.random.Generator) -> Pixels:
    noise = random.normal(0, _NOISE_LEVELS, image.shape)
    return np.asarray(np.clip(np.asarray(image, np.float64) + noise, 0, 255), np.uint8)
