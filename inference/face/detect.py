"""Find faces and their five landmarks with YuNet.

Wu et al., YuNet: a tiny millisecond-level face detector, Machine Intelligence Research 20, 2023. The decoding
is the one that its authors publish for the four heads (class, objectness, box, landmarks) at three strides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.models.catalogue import LoadedModel
from inference.runtime import Floats
from sensors.frames import Pixels

STRIDES = (8, 16, 32)
MIN_SCORE = 0.6
MAX_OVERLAP = 0.3  # intersection over union above which two boxes are one face

CLOSE_UP = 2.0
"""Side of what the second look shows, in sides of the face: it then has 160 of the network's 320 px."""

MIRRORED = [1, 0, 2, 4, 3]
"""Which landmark of a mirrored face is which: right and left change places."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """One face in a frame, in pixels of that frame.

    box: shape (4,), float32: left, top, width, height.
    landmarks: shape (5, 2), float32: the person's right eye, left eye, nose tip, right and left mouth corner.
    score: 0 to 1.
    """

    box: Floats
    landmarks: Floats
    score: float

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float(self.box[2] * self.box[3])

    @property
    def centre(self) -> Floats:
        """Centre of the box, x and y in pixels, shape (2,)."""
        return np.asarray(self.box[:2] + self.box[2:] / 2, np.float32)

    @property
    def eye_distance_px(self) -> float:
        """Inter-eye distance in pixels (ISO/IEC 39794-5), as it would be from the front.

        That is the distance from the eyes to the mouth where it is longer (1.05 of the inter-eye distance
        in the median of LFW): turning the head shortens the one and not the other.
        """
        right_eye, left_eye, _, right_mouth, left_mouth = self.landmarks
        across = float(np.hypot(*(left_eye - right_eye)))
        along = float(np.hypot(*(right_mouth + left_mouth - right_eye - left_eye))) / 2
        return max(across, along / 1.05)


class FaceDetector:
    """Finds all faces in a frame of any size."""

    def __init__(self, model: LoadedModel, min_score: float = MIN_SCORE) -> None:
        self._engine = model.engine
        self._side_px = self._engine.inputs["image"].shape[1]
        self._min_score = min_score

    def detect(self, pixels: Pixels) -> tuple[DetectedFace, ...]:
        """Return the faces in `pixels`, shape (height, width, 3) BGR uint8, the surest first."""
        return self._detect(pixels, mirrored=False)

    def look_again(self, pixels: Pixels, face: DetectedFace) -> DetectedFace:
        """Return `face`, found in `pixels`, with its landmarks averaged with those of a second look.

        The second look is at a mirrored close-up. Each look misplaces landmarks in its own way, by some 6 %
        of the eye distance. Where the second does not find the face, the first stands alone.
        """
        height, width = pixels.shape[:2]
        reach = CLOSE_UP / 2 * float(np.sqrt(face.area))
        left, top = np.floor(face.centre - reach).clip(0).astype(int)
        right, bottom = np.ceil(face.centre + reach).clip(0, (width, height)).astype(int)
        for other in self._detect(pixels[top:bottom, left:right], mirrored=True):
            landmarks = other.landmarks + np.array([left, top], np.float32)
            apart = np.hypot(*(landmarks - face.landmarks).T)
            if apart.max() < face.eye_distance_px / 2:
                mean = np.asarray((face.landmarks + landmarks) / 2, np.float32)
                return replace(face, landmarks=mean)
        return face

    def _detect(self, pixels: Pixels, *, mirrored: bool) -> tuple[DetectedFace, ...]:
        """mirrored: the network is shown a mirror image; what it finds is told in places of `pixels`."""
        canvas, scale = letterbox(pixels, self._side_px)
        # As a view: a copy here would be one more image to wipe.
        heads = self._engine.run({"image": canvas[np.newaxis, :, :: -1 if mirrored else 1]})
        canvas[...] = 0
        candidates = decode(heads, self._side_px, self._min_score)
        kept = candidates[suppress_overlaps(candidates, MAX_OVERLAP)]
        if mirrored:
            kept = mirror(kept, self._side_px)
        kept[:, :14] /= scale
        return tuple(DetectedFace(row[:4], row[4:14].reshape(5, 2), float(row[14])) for row in kept)

    def forget(self) -> None:
        """Overwrite the network's working memory."""
        self._engine.forget()


def letterbox(pixels: Pixels, side_px: int) -> tuple[Pixels, float]:
    """Shrink or grow `pixels` into the top left of a black square; returns it and the scale used."""
    height, width = pixels.shape[:2]
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((side_px, side_px, 3), np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=method)
    return canvas, scale


def decode(heads: dict[str, Floats], side_px: int, min_score: float) -> Floats:
    """Turn the twelve heads into rows, shape (n, 15): left, top, width, height, five times x and y, score."""
    found = []
    for stride in STRIDES:
        columns = side_px // stride
        score = np.sqrt(
            np.clip(heads[f"cls_{stride}"].ravel(), 0, 1) * np.clip(heads[f"obj_{stride}"].ravel(), 0, 1)
        )
        place = np.flatnonzero(score >= min_score)
        corner = np.stack([place % columns, place // columns], axis=1).astype(np.float32)
        box = heads[f"bbox_{stride}"].reshape(-1, 4)[place]
        landmarks = heads[f"kps_{stride}"].reshape(-1, 5, 2)[place]
        size = np.exp(box[:, 2:]) * stride
        rows = np.empty((len(place), 15), np.float32)
        rows[:, :2] = (corner + box[:, :2]) * stride - size / 2
        rows[:, 2:4] = size
        rows[:, 4:14] = ((landmarks + corner[:, np.newaxis]) * stride).reshape(-1, 10)
        rows[:, 14] = score[place]
        found.append(rows)
    return np.concatenate(found)


def mirror(rows: Floats, side_px: int) -> Floats:
    """Return rows of `decode` as a mirror shows them, in a square of `side_px`."""
    mirrored = rows.copy()
    mirrored[:, 0] = side_px - rows[:, 0] - rows[:, 2]
    landmarks = rows[:, 4:14].reshape(-1, 5, 2)[:, MIRRORED]
    landmarks[:, :, 0] = side_px - 1 - landmarks[:, :, 0]
    mirrored[:, 4:14] = landmarks.reshape(-1, 10)
    return mirrored


def suppress_overlaps(rows: Floats, max_overlap: float) -> NDArray[np.intp]:
    """Indices of the rows that are no weaker double of another row, the highest score first."""
    order = np.argsort(-rows[:, 14], kind="stable")
    left, top = rows[:, 0], rows[:, 1]
    right, bottom = left + rows[:, 2], top + rows[:, 3]
    area = rows[:, 2] * rows[:, 3]
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        shared_width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        shared_height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        shared = np.clip(shared_width, 0, None) * np.clip(shared_height, 0, None)
        order = rest[shared <= max_overlap * (area[best] + area[rest] - shared)]
    return np.array(kept, np.intp)
