"""How useful a face image is, and what the person can change (components after ISO/IEC 29794-5).

Each component runs linearly from 0 at its `worst` to 100 at its `best` value; the unified score is the
weakest one, since light does not make up for blur. The ends were set on 3,811 press photographs (LFW): what
falls below `LEAST` is hardly usable (0.1 % of them), what falls below `GOOD` can be better (4 %).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference.face.detect import DetectedFace
from inference.types import Quality
from sensors.frames import Pixels, RetryReason

LEAST = 20
"""Below it a component makes the sample unusable."""

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
_NOSE_ASIDE = _Scale(1.2, 0.1)  # of the eye distance; about 0.3 at 25 degrees of yaw
_NOSE_ALONG = _Scale(0.30, 0.05)  # difference from UPRIGHT_NOSE
_ROLL_DEGREES = _Scale(50, 10)
_SHARPNESS = _Scale(0.03, 0.30)
_DARK = _Scale(30, 90)  # mean grey level
_BRIGHT = _Scale(240, 190)
_BURNT_OUT = _Scale(0.35, 0.02)  # share of pixels above 250
_BLACK = _Scale(0.45, 0.05)  # share of pixels below 8
_CERTAINTY = _Scale(0.75, 0.93)  # the detector's own score: falls when a face is covered or turned


def assess_face(face: DetectedFace, crop: Pixels) -> Quality:
    """Judge one detected face; crop: shape (112, 112, 3) BGR uint8, aligned."""
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.float32)
    too_dark, too_bright = _light(grey[_INNER, _INNER])
    components = {
        "size": _EYE_DISTANCE_PX.of(face.eye_distance_px),
        "pose": _pose(face),
        "sharpness": _SHARPNESS.of(_sharpness(grey)),
        "dark": too_dark,
        "bright": too_bright,
        "certainty": _CERTAINTY.of(face.score),
    }
    poor = sorted((value, name) for name, value in components.items() if value < GOOD)
    return Quality(
        score=int(min(components.values())),
        components=components,
        reasons=tuple(dict.fromkeys(_REASONS[name] for _, name in poor)),
    )


_REASONS = {
    "size": RetryReason.COME_CLOSER,
    "pose": RetryReason.FACE_CAMERA,
    "sharpness": RetryReason.HOLD_STILL,
    "dark": RetryReason.MORE_LIGHT,
    "bright": RetryReason.LESS_LIGHT,
    "certainty": RetryReason.FACE_CAMERA,
}


def _pose(face: DetectedFace) -> float:
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks.astype(np.float64)
    across = left_eye - right_eye
    distance = max(float(np.hypot(*across)), 1e-6)
    across /= distance
    down = np.array([-across[1], across[0]])
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    face_length = float((mouth - eyes) @ down)
    if face_length <= 0:
        return 0.0
    aside = abs(float((nose - eyes) @ across)) / distance
    along = abs(float((nose - eyes) @ down) / face_length - UPRIGHT_NOSE)
    roll_degrees = abs(float(np.degrees(np.arctan2(across[1], across[0]))))
    return min(_NOSE_ASIDE.of(aside), _NOSE_ALONG.of(along), _ROLL_DEGREES.of(roll_degrees))


def _sharpness(grey: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    """Strength of the finest detail against the contrast of the face, so that low light is no blur."""
    detail = cv2.Laplacian(grey, cv2.CV_32F)[_INNER, _INNER]
    return float(detail.std() / max(float(grey[_INNER, _INNER].std()), 1.0))


def _light(skin: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float]:
    mean = float(skin.mean())
    dark = min(_DARK.of(mean), _BLACK.of(float((skin < 8).mean())))
    bright = min(_BRIGHT.of(mean), _BURNT_OUT.of(float((skin > 250).mean())))
    return dark, bright
