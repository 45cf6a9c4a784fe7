"""From the maps of LEADER to minutiae."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

LEAST_CONFIDENCE = 0.3
"""pyfing's own 0.6 is for clean full prints; on 4-bit partial ones the comparison gains by more minutiae."""
SUPPRESSION_PX = 7
ENDING = 0.5
_BLUR = np.array([1, 4, 6, 4, 1], np.float32) / 16


def from_maps(maps: Mapping[str, Floats]) -> Floats:
    """Find the minutiae, most confident first, in the pixels of the maps.

    maps: LEADER's `pos`, `dir` and `typ`, each shape (1, height, width, n), as its model card says.
    Returns shape (n, 5), float32: the columns of `FingerTemplate.minutiae`.
    """
    # The three steps that LEADER's network does after its heads; here, they cost no quantised operator.
    blurred = cv2.sepFilter2D(maps["pos"][0, :, :, 0], -1, _BLUR, _BLUR, borderType=cv2.BORDER_CONSTANT)
    peaks = cv2.dilate(blurred, np.ones((SUPPRESSION_PX, SUPPRESSION_PX), np.uint8))
    y, x = np.nonzero((blurred == peaks) & (blurred >= LEAST_CONFIDENCE))
    cosine, sine = maps["dir"][0, y, x].T
    confidence = np.minimum(blurred[y, x], 1)
    bifurcation = maps["typ"][0, y, x, 0] < ENDING
    minutiae = np.stack([x, y, np.arctan2(sine, cosine), bifurcation, confidence], axis=1)
    return minutiae[np.argsort(-confidence, kind="stable")].astype(np.float32)
