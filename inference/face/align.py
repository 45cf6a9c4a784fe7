"""Bring a face into the place that the embedding network was trained on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.runtime import Floats
from sensors.frames import Pixels

CROP_PX = 112

REFERENCE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float64,
)
"""Right eye, left eye, nose tip, right and left mouth corner in the 112x112 crop, pixels (x, y).

Deng et al., ArcFace, CVPR 2019 (the reference points of InsightFace); SFace was trained on the same ones.
Right and left are the person's own.
"""

MAX_OVERSAMPLING = 4
"""Enough for 140 px between the eyes; more is too close to the camera anyway."""


def similarity(points: Floats) -> NDArray[np.float64]:
    """Return the rotation, scale and shift, shape (2, 3), that best takes five points to the reference.

    points: shape (5, 2), float32. Least squares without reflection: Umeyama, IEEE TPAMI 13(4), 1991. In the
    plane it is a linear regression of complex numbers, since one complex factor is a rotation with a scale.
    Raises `ValueError` when all points are one.
    """
    source = points[:, 0].astype(np.float64) + 1j * points[:, 1]
    target = REFERENCE_POINTS[:, 0] + 1j * REFERENCE_POINTS[:, 1]
    centred = source - source.mean()
    spread = np.vdot(centred, centred).real
    if spread == 0:
        raise ValueError("all five landmarks lie on one point")
    factor = np.vdot(centred, target - target.mean()) / spread
    shift = target.mean() - factor * source.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def align(pixels: Pixels, landmarks: Floats) -> Pixels:
    """Cut the face out of `pixels`, shape (height, width, 3), as a crop of shape (112, 112, 3), uint8.

    A large face is sampled finer and averaged down: plain bilinear sampling would skip most of its pixels.
    """
    matrix = similarity(landmarks)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    finer = int(np.clip(np.rint(1 / scale), 1, MAX_OVERSAMPLING))
    # Pixel centres stay in place when the grid gets finer: x' = finer * (x + 0.5) - 0.5.
    matrix *= finer
    matrix[:, 2] += (finer - 1) / 2
    crop = cv2.warpAffine(pixels, matrix, (CROP_PX * finer, CROP_PX * finer), flags=cv2.INTER_LINEAR)
    if finer > 1:
        large, crop = crop, cv2.resize(crop, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
        large[...] = 0
    return np.asarray(crop, np.uint8)
