"""Where in the image a finger's ridges are: contrast, one direction, and a ridge's period, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.frames import Pixels

Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]

BLOCK_PX = 8
"""At 500 ppi, about one ridge period (0.4 to 0.5 mm)."""

# Measured on 368 prints of four readers at 4 bits, as the mean over a print: contrast 8 and more (median 11
# to 36), coherence 0.36 and more (median 0.65 to 0.74). Sensor noise and isotropic stains: coherence to 0.2.
LEAST_CONTRAST = 6.0
RELATIVE_CONTRAST = 0.35
LEAST_COHERENCE = 0.3
DARK_SHARE = (0.1, 0.85)
LEAST_EDGES = 0.19
"""Ridge borders for each pixel of the area: 0.21 to 0.36 for prints, dry ones too (a ridge period of 9 px has
0.22 to 0.31); 0.08 to 0.18 for stains and for up to 30 scratches across an empty platen."""


@dataclass(frozen=True, slots=True, eq=False)
class RidgeArea:
    """The ridge area of one image, on a grid of blocks of `BLOCK_PX` pixels.

    mask: shape (rows, columns), whether a block shows ridges.
    contrast: deviation of the grey levels within a ridge's band of periods, in grey levels.
    coherence: 0 (no direction) to 1 (one direction). dark: share of dark pixels.
    """

    mask: Flags
    contrast: Floats
    coherence: Floats
    dark: Floats

    @property
    def pixels(self) -> int:
        """Size of the area in pixels."""
        return int(self.mask.sum()) * BLOCK_PX**2

    def centroid(self) -> tuple[float, float]:
        """Centre of the area in pixels, x and y; raises `ValueError` for an empty area."""
        rows, columns = self._blocks()
        return float(columns.mean() + 0.5) * BLOCK_PX, float(rows.mean() + 0.5) * BLOCK_PX

    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the area in pixels; raises `ValueError` for an empty area."""
        rows, columns = self._blocks()
        left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return int(left) * BLOCK_PX, int(top) * BLOCK_PX, int(right) * BLOCK_PX, int(bottom) * BLOCK_PX

    def _blocks(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        rows, columns = np.nonzero(self.mask)
        if not len(rows):
            raise ValueError("an empty ridge area has no place: look at `pixels` first")
        return rows, columns


def ridge_area(pixels: Pixels) -> RidgeArea:
    """Find the ridges in an image at 500 ppi, shape (height, width), uint8."""
    grey = pixels.astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.2)
    band = smooth - cv2.GaussianBlur(grey, (0, 0), 4.0)
    # OpenCV's running sums leave -1e-6 where the image is flat.
    contrast = np.sqrt(np.maximum(_over_blocks(band * band), 0))
    along_x, along_y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    xx, yy, xy = (_over_blocks(p) for p in (along_x * along_x, along_y * along_y, along_x * along_y))
    # Over 56 px: within a single ridge period, stains have a direction too.
    xx, yy, xy = (_blurred(p, 5) for p in (xx, yy, xy))
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (xx + yy + np.float32(1))
    window = np.ones((15, 15), np.uint8)
    middle = (cv2.dilate(smooth, window) + cv2.erode(smooth, window)) / 2
    dark = _over_blocks((smooth < middle).astype(np.float32))
    floor = max(LEAST_CONTRAST, RELATIVE_CONTRAST * float(np.percentile(contrast, 90)))
    ridges = (
        (contrast > floor) & (coherence > LEAST_COHERENCE) & (dark > DARK_SHARE[0]) & (dark < DARK_SHARE[1])
    )
    mask = _largest_whole(ridges)
    if mask.any() and _edges(band, contrast)[mask].mean() < LEAST_EDGES:
        mask = np.zeros_like(mask)
    return RidgeArea(mask, contrast, coherence, dark)


def _edges(band: Floats, contrast: Floats) -> Floats:
    """How many borders of ridges there are for each pixel, counted along rows and along columns."""
    level = cv2.resize(contrast, (band.shape[1], band.shape[0]))
    ridge = (band < -0.25 * level).astype(np.uint8)
    borders = np.zeros(band.shape, np.float32)
    borders[:, 1:] = ridge[:, 1:] ^ ridge[:, :-1]
    borders[1:] += ridge[1:] ^ ridge[:-1]
    return _over_blocks(borders)


def _over_blocks(values: Floats) -> Floats:
    """Mean over each block and its eight neighbours."""
    rows, columns = -(-values.shape[0] // BLOCK_PX), -(-values.shape[1] // BLOCK_PX)
    bottom, right = rows * BLOCK_PX - values.shape[0], columns * BLOCK_PX - values.shape[1]
    whole = cv2.copyMakeBorder(values, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    means = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return _blurred(np.asarray(means, np.float32), 3)


def _blurred(values: Floats, side: int) -> Floats:
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _largest_whole(ridges: Flags) -> Flags:
    """The largest connected part, with small gaps and holes closed."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    closed = cv2.morphologyEx(ridges.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return np.zeros(ridges.shape, np.bool_)
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    contours, _ = cv2.findContours(
        (labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    filled = np.zeros(ridges.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return filled.astype(np.bool_)
