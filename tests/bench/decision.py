"""One face or one finger decision, for callgrind: `python -m tests.bench.decision face PROBES`.

`tests.bench.instructions` starts it under valgrind with instrumentation off; it is switched on for the
decision alone, so that neither Python's start nor the loading of the models is counted. The decision is the
first of its process: valgrind needs half a minute for each run of a network, so none is spent on a warm-up.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.ma  # else the first decision loads it, and compiles it where nobody did: a third of the count

from firmware.demo.cast import FACES
from firmware.protection import TemplateProtection
from inference.attack import Unchecked
from inference.face.pipeline import FaceRecogniser, build_face_recogniser
from inference.finger.pipeline import FingerRecogniser, build_finger_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.synthesis import make_finger
from inference.template_codec import decode, encode
from inference.types import (
    Assessed,
    FaceTemplate,
    FingerPosition,
    FingerTemplate,
    ProtectedFace,
    ProtectedFinger,
)
from sensors.camera.image_files import read_image
from sensors.frames import ColourFrame, DeviceIdentity, FingerFrame, Pixels
from tests.bench.callgrind import counted
from trust.keys.secret import SecretKey

DECISIONS = ("face", "finger")
DEVICE = DeviceIdentity("R503", "bench")
FACE_SIZE = (240, 320)
ENTRY = bytes(16)


@dataclass(frozen=True, slots=True)
class Decision:
    """probe: what the device delivers; reference: an encoded, protected template of the same person."""

    probe: Pixels
    reference: bytes


def make_decisions(folder: Path) -> None:
    """Write the probe and the reference of each decision; outside of valgrind it takes a second."""
    photo = read_image(FACES / "collins.jpg")
    pixels = np.asarray(cv2.resize(photo, FACE_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
    face = face_template(build_face_recogniser(Catalogue(), RuntimeName.LITERT), pixels)
    master = make_finger(11)
    finger = finger_template(
        build_finger_recogniser(Catalogue(), RuntimeName.LITERT), master.impression(2, size=(192, 192))
    )
    for name, probe, template in (
        ("face", pixels, face),
        ("finger", master.impression(1, size=(192, 192)), finger),
    ):
        np.save(folder / f"{name}.npy", probe)
        (folder / f"{name}.template").write_bytes(encode(protection().protect(template, ENTRY)))


def main() -> None:
    """Make the decision that is named first, from the files in the folder that is named second."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    decision = Decision(np.load(folder / f"{name}.npy"), (folder / f"{name}.template").read_bytes())
    cv2.setNumThreads(1)
    decide = face_decision(decision) if name == "face" else finger_decision(decision)
    # A collection comes when Python's counters say so, not where the pipeline asks for it.
    gc.collect()
    gc.disable()
    with counted():
        decide()


def face_decision(decision: Decision) -> Callable[[], object]:
    """Load the face models; the decision is from the camera frame to the score of one comparison."""
    recogniser = build_face_recogniser(Catalogue(), RuntimeName.LITERT)
    reference, keyed = decode(decision.reference), protection()
    if not isinstance(reference, ProtectedFace):
        raise TypeError("the reference is no face")
    return lambda: recogniser.compare(keyed.face(face_template(recogniser, decision.probe)), reference)


def finger_decision(decision: Decision) -> Callable[[], object]:
    """Load the finger model; the decision is from the sensor's image to the score of one comparison."""
    recogniser = build_finger_recogniser(Catalogue(), RuntimeName.LITERT)
    reference, keyed = decode(decision.reference), protection()
    if not isinstance(reference, ProtectedFinger):
        raise TypeError("the reference is no finger")
    return lambda: recogniser.compare(
        recogniser.prepare(finger_template(recogniser, decision.probe)),
        recogniser.prepare(keyed.opened(reference, ENTRY)),
    )


def protection() -> TemplateProtection:
    """The transforms of one gallery, the same in each process."""
    with SecretKey.taken_from(bytearray(32)) as key:
        return TemplateProtection(key)


def face_template(recogniser: FaceRecogniser, pixels: Pixels) -> FaceTemplate:
    """From a camera frame to a template."""
    assessed = recogniser.assess(ColourFrame(pixels, DEVICE, taken_at_s=0.0))
    if not isinstance(assessed, Assessed):
        raise TypeError(f"the face is refused: {assessed}")
    return recogniser.template(Unchecked().check(assessed))


def finger_template(recogniser: FingerRecogniser, pixels: Pixels) -> FingerTemplate:
    """From a sensor's image to a template."""
    assessed = recogniser.assess(FingerFrame(pixels, 500.0, DEVICE, taken_at_s=0.0))
    if not isinstance(assessed, Assessed):
        raise TypeError(f"the finger is refused: {assessed}")
    return recogniser.template(Unchecked().check(assessed), FingerPosition.RIGHT_INDEX)


if __name__ == "__main__":
    main()
