"""Compares pictures of people with the models that are loaded, and says whether the answers are right.

Two pictures of one face and two impressions of one finger have to match; another face and another finger must
not. A model, a runtime or a processor that computes something else is found before anybody is served.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from firmware import demo
from firmware.recognition import Recognition
from inference.attack import Unchecked
from inference.errors import InferenceError
from inference.face.pipeline import FaceRecogniser
from inference.finger.pipeline import FingerRecogniser
from inference.types import FaceTemplate, FingerPosition, FingerTemplate
from sensors.camera.image_files import read_image
from sensors.errors import SensorError
from sensors.frames import ColourFrame, DeviceIdentity, FingerFrame, Pixels, Retry

_FOLDER, _FACES = Path(__file__).parent, Path(demo.__file__).parent / "assets" / "faces"
ONE_FINGER = (_FOLDER / "finger_1.png", _FOLDER / "finger_2.png")
ANOTHER_FINGER = _FOLDER / "another_finger.png"
ONE_FACE, ANOTHER_FACE = _FACES / "collins.jpg", _FACES / "hopper.jpg"
SMALLER = 0.8
"""Of the second picture of the face: as of somebody who stands further away."""
POINTS_PER_INCH = 500.0


class _Unusable(Exception):
    """A picture that has always been good enough is not."""


def answers_rightly(recognition: Recognition, sensor: str) -> bool:
    """Compare what is known, in the inference thread; 0.3 s on a PC. sensor: model of the finger reader."""
    try:
        return _faces(recognition) and _fingers(recognition, sensor)
    except (InferenceError, SensorError, _Unusable):
        return False


def _faces(recognition: Recognition) -> bool:
    recogniser, same = recognition.face, recognition.matcher.same_face
    if recogniser is None:
        return True
    picture = read_image(ONE_FACE)
    further = cv2.resize(picture, None, fx=SMALLER, fy=SMALLER, interpolation=cv2.INTER_AREA).astype(np.uint8)
    one, again = _face(recogniser, picture), _face(recogniser, further)
    return same(one, again) and not same(one, _face(recogniser, read_image(ANOTHER_FACE)))


def _fingers(recognition: Recognition, sensor: str) -> bool:
    recogniser, same = recognition.finger, recognition.matcher.same_finger
    if recogniser is None:
        return True
    one, again, other = (_finger(recogniser, path, sensor) for path in (*ONE_FINGER, ANOTHER_FINGER))
    return same(one, again) and not same(one, other)


def _face(recogniser: FaceRecogniser, pixels: Pixels) -> FaceTemplate:
    assessed = recogniser.assess(ColourFrame(pixels, DeviceIdentity("picture", ""), 0.0))
    if isinstance(assessed, Retry):
        raise _Unusable
    return recogniser.template(Unchecked().check(assessed))


def _finger(recogniser: FingerRecogniser, path: Path, sensor: str) -> FingerTemplate:
    pixels = read_image(path)[:, :, 0].copy()
    assessed = recogniser.assess(FingerFrame(pixels, POINTS_PER_INCH, DeviceIdentity(sensor, ""), 0.0))
    if isinstance(assessed, Retry):
        raise _Unusable
    return recogniser.template(Unchecked().check(assessed), FingerPosition.RIGHT_INDEX)
