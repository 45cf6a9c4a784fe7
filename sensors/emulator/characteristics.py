"""Characteristics of an emulated sensor.

This is NOT the vendor's matcher, and no figure about it says anything about a real sensor: it is a small
black-and-white map of the ridges, compared by correlation, so that COMPARE and SEARCH tell the same finger
from others well enough for tests and demonstrations.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sensors.frames import Pixels

_PITCH = 2.5  # pixels from one sample to the next: a ridge period of 9 pixels at 500 ppi has 3.6 samples
_NEIGHBOURHOOD = 9  # pixels, one ridge period: what is darker than its neighbourhood is ridge
_MIN_SPREAD = 14.0  # grey levels about the neighbourhood's mean; an empty platen at 4 bits has less
_MIN_RIDGED = 0.25  # share of the image; less is too small an area
_TURNS_DEGREES = tuple(range(-20, 21, 5))
_MIN_OVERLAP = 0.35  # share of the smaller print
_FULL_SCORE = 600
_VALLEY, _RIDGE = 1, 2  # two bits a sample; 0 is no print


def extract(pixels: Pixels, size_bytes: int) -> bytes | None:
    """Return characteristics of exactly `size_bytes`, or None when too little of the image has ridges."""
    side = _side(size_bytes)
    grey = pixels.astype(np.float32)
    relief = grey - _box_mean(grey, _NEIGHBOURHOOD)
    ridged = _box_mean(np.abs(relief), 2 * _NEIGHBOURHOOD + 1) > _MIN_SPREAD
    if ridged.mean() < _MIN_RIDGED:
        return None
    relief = _box_mean(relief, 3)
    height, width = pixels.shape
    at = (np.arange(side) - (side - 1) / 2) * _PITCH
    y, x = np.rint(at + (height - 1) / 2).astype(int), np.rint(at + (width - 1) / 2).astype(int)
    inside = np.outer((y >= 0) & (y < height), (x >= 0) & (x < width))
    picked = np.ix_(np.clip(y, 0, height - 1), np.clip(x, 0, width - 1))
    codes = np.where(relief[picked] < 0, _RIDGE, _VALLEY) * (ridged[picked] & inside)
    quads = np.zeros(size_bytes * 4, np.uint8)
    quads[: codes.size] = codes.reshape(-1)
    shifted = quads.reshape(-1, 4) << np.array([6, 4, 2, 0], np.uint8)
    return bytes(np.bitwise_or.reduce(shifted, axis=1).astype(np.uint8))


def compare(probe: bytes, reference: bytes) -> int:
    """Return a score from 0 to 600, the best over displacements and small turns; lengths must be equal."""
    return Comparator(probe).score(reference)


class Comparator:
    """One probe, turned once and compared with many references."""

    def __init__(self, probe: bytes) -> None:
        self._size_bytes = len(probe)
        codes = _codes(probe)
        turned = [_turn(codes, degrees) for degrees in _TURNS_DEGREES]
        self._ridges = np.conj(_spectrum(np.stack([_signs(codes) for codes in turned])))
        self._covers = np.conj(_spectrum(np.stack([(codes > 0).astype(np.float32) for codes in turned])))

    def score(self, reference: bytes) -> int:
        """Return a score from 0 to 600."""
        codes = _codes(reference)
        cover = (codes > 0).astype(np.float32)
        shape = (codes.shape[0] * 2, codes.shape[1] * 2)
        agreement = np.fft.irfft2(self._ridges * _spectrum(_signs(codes)), shape)
        overlap = np.fft.irfft2(self._covers * _spectrum(cover), shape)
        enough = overlap > max(_MIN_OVERLAP * float(cover.sum()), 1.0)
        if not enough.any():
            return 0
        likeness = agreement[enough] / overlap[enough] * np.sqrt(overlap[enough] / cover.size)
        return round(_FULL_SCORE * min(max(float(likeness.max()), 0.0), 1.0))


def _side(size_bytes: int) -> int:
    if size_bytes < 128:
        raise ValueError(f"characteristics have at least 128 bytes, not {size_bytes}")
    return math.isqrt(size_bytes * 4)


def _codes(data: bytes) -> NDArray[np.uint8]:
    side = _side(len(data))
    quads = (np.frombuffer(data, np.uint8)[:, None] >> np.array([6, 4, 2, 0], np.uint8)) & np.uint8(0b11)
    return quads.astype(np.uint8).reshape(-1)[: side * side].reshape(side, side)


def _signs(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    signs: NDArray[np.float32] = (codes == _RIDGE).astype(np.float32)
    signs -= codes == _VALLEY
    return signs


def _spectrum(maps: NDArray[np.float32]) -> NDArray[np.complex128]:
    # Padded to twice the side, so that a displacement does not wrap around.
    return np.fft.rfft2(maps, (maps.shape[-2] * 2, maps.shape[-1] * 2))


def _turn(codes: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    side = codes.shape[0]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    from_y = np.rint(cosine * y - sine * x + (side - 1) / 2).astype(int)
    from_x = np.rint(sine * y + cosine * x + (side - 1) / 2).astype(int)
    inside = (from_y >= 0) & (from_y < side) & (from_x >= 0) & (from_x < side)
    return np.where(inside, codes[from_y.clip(0, side - 1), from_x.clip(0, side - 1)], 0).astype(np.uint8)


def _box_mean(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    before, after = size // 2, size - size // 2 - 1
    sums = np.pad(values, ((before + 1, after), (before + 1, after)), mode="edge").astype(np.float64)
    sums = sums.cumsum(axis=0).cumsum(axis=1)
    total = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return (total / size**2).astype(np.float32)
