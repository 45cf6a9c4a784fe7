"""How useful a face image is, and what the person can change (components after ISO/IEC 29794-5).

Each component runs linearly from 0 at its `worst` to 100 at its `best` value; the unified score is the
weakest one, since light does not make up for blur. The ends were set on 3,811 press photographs (LFW), of
which 3.0 % fall below `GOOD` in sharpness, 1.4 % in the mouth and at most 0.7 % in any other component, and
at most 0.13 % below `LEAST` (`make face-quality`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.face.detect import DetectedFace
from inference.face.occlusion import eye_contrast, mouth_detail
from inference.face.pose import NOSE_DEPTH, head_pose
from inference.types import Quality
from sensors.frames import Pixels, RetryReason

LEAST = 20
"""Below it a component makes the sample unusable, or has the person asked to uncover eyes or mouth."""

GOOD = 50
"""Below it a component is named to the person as a thing to change."""

# Upright frontal faces: the nose tip lies 0.57 of the way from the eyes to the mouth (median of LFW).
UPRIGHT_NOSE = 0.57

_INNER = slice(20, 100)  # rows and columns of the aligned crop that show skin, not hair or background


@dataclass(frozen=True, slots=True)
class _Scale:
    worst: float
    best: float

    def of(self, value: float) -> float:
        return float(np.clip(100 * (value - self.worst) / (self.best - self.worst), 0, 100))


_EYE_DISTANCE_PX = _Scale(10, 60)  # LEAST is 20 px; GOOD is 35 px, the resolution of the crop
_YAW_DEG = _Scale(80, 10)
_PITCH_DEG = _Scale(45, 10)
_ROLL_DEG = _Scale(50, 10)
_SHARPNESS = _Scale(0.03, 0.30)
_DARK = _Scale(30, 90)  # mean grey level
_BRIGHT = _Scale(240, 190)
_BURNT_OUT = _Scale(0.35, 0.02)  # share of pixels above 250
_BLACK = _Scale(0.45, 0.05)  # share of pixels below 8
_UNEVEN = _Scale(1.4, 0.4)  # difference of the two halves of the face, in their mean
_EYE_CONTRAST = _Scale(0.05, 0.25)
_MOUTH_DETAIL = _Scale(0.4, 1.2)
_CERTAINTY = _Scale(0.75, 0.93)  # the detector's own score: falls when a face is covered or turned


def assess_face(face: DetectedFace, crop: Pixels) -> Quality:
    """Judge one detected face; crop: shape (112, 112, 3) BGR uint8, aligned."""
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.float32)
    components = {
        "size": _EYE_DISTANCE_PX.of(face.eye_distance_px),
        **_pose(face),
        "sharpness": _SHARPNESS.of(_sharpness(grey)),
        **_light(grey[_INNER, _INNER]),
        "eyes": _EYE_CONTRAST.of(eye_contrast(crop)),
        "mouth": _MOUTH_DETAIL.of(mouth_detail(crop)),
        "certainty": _CERTAINTY.of(face.score),
    }
    poor = sorted((value, name) for name, value in components.items() if value < GOOD)
    return Quality(
        score=int(min(components.values())),
        components=components,
        reasons=tuple(dict.fromkeys(_REASONS[name] for _, name in poor)),
    )


def unusable(quality: Quality) -> RetryReason | None:
    """Return why nothing can be made of a sample, or None. What covers a face does not make it useless."""
    return _weakest(quality, quality.components.keys() - {*_COVERED, "even light"})


def covered(quality: Quality) -> RetryReason | None:
    """Return what the person should uncover before the sample is taken, or None."""
    return _weakest(quality, _COVERED)


def _weakest(quality: Quality, names: Collection[str]) -> RetryReason | None:
    name = min(names, key=quality.components.__getitem__)
    return _REASONS[name] if quality.components[name] < LEAST else None


_COVERED = ("eyes", "mouth")

_REASONS = {
    "size": RetryReason.COME_CLOSER,
    "yaw": RetryReason.FACE_CAMERA,
    "pitch": RetryReason.FACE_CAMERA,
    "roll": RetryReason.FACE_CAMERA,
    "sharpness": RetryReason.HOLD_STILL,
    "dark": RetryReason.MORE_LIGHT,
    "bright": RetryReason.LESS_LIGHT,
    "even light": RetryReason.EVEN_LIGHT,
    "eyes": RetryReason.SHOW_EYES,
    "mouth": RetryReason.SHOW_MOUTH,
    "certainty": RetryReason.FACE_CAMERA,
}


def _pose(face: DetectedFace) -> dict[str, float]:
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks.astype(np.float64)
    across = left_eye - right_eye
    distance = max(float(np.hypot(*across)), 1e-6)
    across /= distance
    down = np.array([-across[1], across[0]])
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    face_length = float((mouth - eyes) @ down)
    if face_length <= 0:
        return {"yaw": 0.0, "pitch": 0.0, "roll": 0.0}
    along = float((nose - eyes) @ down) / face_length - UPRIGHT_NOSE
    return {
        "yaw": _YAW_DEG.of(abs(head_pose(face).yaw_deg)),
        "pitch": _PITCH_DEG.of(abs(float(np.degrees(np.arctan(along / NOSE_DEPTH))))),
        "roll": _ROLL_DEG.of(abs(float(np.degrees(np.arctan2(across[1], across[0]))))),
    }


def _sharpness(grey: NDArray[np.float32]) -> float:
    """Strength of the finest detail against the contrast of the face, so that low light is no blur."""
    detail = cv2.Laplacian(grey, cv2.CV_32F)[_INNER, _INNER]
    return float(detail.std() / max(float(grey[_INNER, _INNER].std()), 1.0))


def _light(skin: NDArray[np.float32]) -> dict[str, float]:
    mean = float(skin.mean())
    half = skin.shape[1] // 2
    apart = abs(float(skin[:, :half].mean() - skin[:, half:].mean()))
    return {
        "dark": min(_DARK.of(mean), _BLACK.of(float((skin < 8).mean()))),
        "bright": min(_BRIGHT.of(mean), _BURNT_OUT.of(float((skin > 250).mean()))),
        "even light": _UNEVEN.of(apart / max(mean, 1.0)),
    }
