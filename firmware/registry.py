"""What a registry hands over for one person, and what is handed to one, as records of standards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

from firmware.recognition import Recognition
from inference.attack import Unchecked
from inference.errors import RecordRefused
from inference.standards import cbeff, face_record, finger_record
from inference.standards.cbeff import BdbFormat, Bir
from inference.standards.face_record import FaceImage
from inference.standards.finger_record import FingerView
from inference.types import FaceTemplate, FingerPosition, FingerTemplate, Template
from sensors.frames import ColourFrame, DeviceIdentity, Retry

DEVICE = "registry"
LEAST_MINUTIAE = 12
"""Own limit: with fewer, a handful that agree by chance weighs too much."""
MAX_TEMPLATES = 32


@dataclass(frozen=True, slots=True)
class Received:
    """One file. form: what it is, for people and the audit log. passed_over: what of it is not used here."""

    form: str
    fingers: tuple[FingerView, ...] = ()
    faces: tuple[FaceImage, ...] = ()
    passed_over: tuple[str, ...] = ()


def read(data: bytes) -> Received:
    """Tell what a file is and read it. Raises RecordRefused."""
    if data.startswith(finger_record.MAGIC):
        return Received("finger minutiae record", fingers=finger_record.decode(data))
    if data.startswith(face_record.MAGIC):
        return Received("face image record", faces=face_record.decode(data))
    fingers: list[FingerView] = []
    faces: list[FaceImage] = []
    passed_over: list[str] = []
    for bir in cbeff.decode(data):
        match bir.form:
            case BdbFormat.FINGER_MINUTIAE:
                fingers += finger_record.decode(bir.data)
            case BdbFormat.FACE_IMAGE:
                faces += face_record.decode(bir.data)
            case _:
                passed_over.append(bir.form.name.lower().replace("_", " ") if bir.form else "unknown format")
    if not fingers and not faces:
        raise RecordRefused(
            "the envelope holds no finger minutiae and no face image: nothing of it is used here"
        )
    return Received("CBEFF envelope", tuple(fingers), tuple(faces), tuple(passed_over))


def templates(received: Received, recognition: Recognition, reader: str) -> tuple[Template, ...]:
    """Make templates of what was received, faces first; the caller wipes them.

    reader: model of the appliance's own, by whose calibration a finger is compared with others.

    Raises RecordRefused, ComparisonRefused.
    """
    if len(received.faces) + len(received.fingers) > MAX_TEMPLATES:
        raise RecordRefused(
            f"the file holds more than {MAX_TEMPLATES} images and views: one person has fewer"
        )
    faces = tuple(_face(image, recognition) for image in received.faces)
    fingers = tuple(_finger(view, recognition, reader) for view in received.fingers)
    for one, other in combinations(fingers, 2):
        same = recognition.matcher.same_finger(one, other)
        if same and one.position is not other.position:
            raise RecordRefused(
                f"the file names one finger as {_words(one.position)} and as {_words(other.position)}: "
                "have the registry correct it"
            )
        if not same and one.position is other.position:
            raise RecordRefused(
                f"the file gives two fingers that do not match as the {_words(one.position)}: have the "
                "registry correct it"
            )
    for face, another in combinations(faces, 2):
        if not recognition.matcher.same_face(face, another):
            raise RecordRefused("the file's face images do not match: have the registry correct it")
    return (*faces, *fingers)


def _finger(view: FingerView, recognition: Recognition, reader: str) -> FingerTemplate:
    if recognition.finger is None:
        raise RecordRefused(
            "this appliance has no fingerprint reader: nothing would be compared with a finger"
        )
    if view.position is FingerPosition.UNKNOWN:
        raise RecordRefused("the file does not say which finger a view is of")
    if len(view.minutiae) < LEAST_MINUTIAE:
        raise RecordRefused(
            f"the {_words(view.position)} has {len(view.minutiae)} minutiae, and {LEAST_MINUTIAE} are needed"
        )
    return view.template(sensor=reader, made_by=recognition.finger.made_by)


def _face(image: FaceImage, recognition: Recognition) -> FaceTemplate:
    if recognition.face is None:
        raise RecordRefused("this appliance has no camera: nothing would be compared with a face")
    pixels = cv2.imdecode(
        np.frombuffer(image.jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if pixels is None or pixels.shape[:2] != (image.height, image.width):
        raise RecordRefused("the record's image cannot be decoded as it says")
    frame = ColourFrame(np.asarray(pixels, np.uint8), DeviceIdentity(DEVICE, DEVICE), taken_at_s=0.0)
    try:
        assessed = recognition.face.assess(frame)
        if isinstance(assessed, Retry):
            raise RecordRefused(f"the record's image gives no usable face: {assessed.reason.value}")
        # It is a picture by its nature: who answers for it is the registry that is named in the audit log.
        live = Unchecked().check(assessed)
        try:
            return recognition.face.template(live)
        finally:
            assessed.sample.wipe()
    finally:
        frame.wipe()
        recognition.face.forget()


def written(fingers: Sequence[FingerTemplate], form: str, created: str) -> bytes:
    """Return a finger minutiae record (form "iso") or an envelope of one for each finger ("cbeff").

    created: ISO 8601. Raises RecordRefused.
    """
    if form == "iso":
        return finger_record.encode(fingers)
    birs = [
        Bir(
            BdbFormat.FINGER_MINUTIAE,
            finger_record.encode([each]),
            cbeff.subtype_of(each.position),
            created=created,
            quality=each.quality,
        )
        for each in fingers
    ]
    return cbeff.encode(birs)


def _words(position: FingerPosition) -> str:
    return position.name.lower().replace("_", " ")
