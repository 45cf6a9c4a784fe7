"""Whose face it is that stands before the camera, when there are several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.face.detect import DetectedFace
from sensors.frames import Pixels, Retry, RetryReason

CENTRE_REACH = 0.35
"""Of the frame's shorter side: at this distance from the centre a face counts for 1/e of its area."""

MAX_RIVAL = 0.75
"""A second face that is this prominent beside the first one makes it unclear who is presented."""


DARK_FRAME, GLARING_FRAME = 30, 215
"""Mean grey levels of a whole frame beyond which light is the likely reason for finding nobody."""


def choose_face(faces: Sequence[DetectedFace], pixels: Pixels) -> DetectedFace | Retry:
    """Return the most prominent face of a frame: large and near the centre; bystanders do not count.

    pixels: the frame, shape (height, width, 3), uint8.

    The queue behind a person must not stop the lane. Of 3,811 press photographs (LFW) 2 hold two that are
    equally prominent, while 226 hold a second face of half the area of the largest.
    """
    if not faces:
        return Retry(_why_nobody(pixels))
    height_px, width_px = pixels.shape[:2]
    ranked = sorted(faces, key=lambda face: -_prominence(face, height_px, width_px))
    if len(ranked) > 1:
        first, second = (_prominence(face, height_px, width_px) for face in ranked[:2])
        if second > MAX_RIVAL * first:
            return Retry(RetryReason.SEVERAL_FACES)
    return ranked[0]


def _why_nobody(pixels: Pixels) -> RetryReason:
    level = float(pixels.mean())
    if level < DARK_FRAME:
        return RetryReason.MORE_LIGHT
    return RetryReason.LESS_LIGHT if level > GLARING_FRAME else RetryReason.NO_FACE


def _prominence(face: DetectedFace, height_px: int, width_px: int) -> float:
    offset = face.centre - np.array([width_px, height_px], np.float32) / 2
    distance = float(np.hypot(*offset)) / (CENTRE_REACH * min(height_px, width_px))
    return face.area * float(np.exp(-(distance**2)))
