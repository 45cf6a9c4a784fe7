"""The attack detector for faces, on simulated attacks: what it sees, and what it lets pass."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.demo.build_assets import load_face
from firmware.demo.views import ViewCondition, face_view
from inference.face.attack import FaceAttackDetector
from inference.face.detect import DetectedFace
from inference.face.picture_signs import picture_signs
from inference.face.pipeline import FaceRecogniser, FaceSample, build_face_recogniser
from inference.face.pose import flatness, head_pose
from inference.models.catalogue import Catalogue
from inference.runtime import Floats, RuntimeName
from inference.types import Assessed, Live, Suspect
from sensors.frames import ColourFrame, DeviceIdentity, Pixels
from tests.kit.simulated_attacks import print_frame, replay_frame

PEOPLE = ("collins", "hopper", "obama", "giunchedi")
FACE = np.array([[-30, -30], [30, -30], [0, 0], [-25, 35], [25, 35]], np.float32)
"""Right eye, left eye, nose, right and left mouth corner of a face from the front, in pixels."""
DEPTHS = np.array([0, 0, 38, 0, 0], np.float32)


@pytest.fixture(scope="module")
def recogniser() -> FaceRecogniser:
    return build_face_recogniser(Catalogue(), RuntimeName.LITERT)


def assessed(recogniser: FaceRecogniser, pixels: Pixels) -> Assessed[FaceSample]:
    result = recogniser.assess(ColourFrame(pixels, DeviceIdentity("replay", "test"), taken_at_s=0.0))
    assert isinstance(result, Assessed), result
    return result


def turned(yaw_deg: float, depths: Floats) -> Floats:
    """The face turned to the person's left, seen from a metre away (a millimetre is a pixel)."""
    yaw = np.deg2rad(yaw_deg)
    across = FACE[:, 0] * np.cos(yaw) + depths * np.sin(yaw)
    nearer = depths * np.cos(yaw) - FACE[:, 0] * np.sin(yaw)
    return np.asarray(np.stack([across, FACE[:, 1]], axis=1) * (1000 / (1000 - nearer))[:, None], np.float32)


@pytest.mark.parametrize("person", PEOPLE)
def test_a_person_passes_with_a_score(recogniser: FaceRecogniser, person: str) -> None:
    view = face_view(load_face(f"{person}.jpg"), 1, ViewCondition(tilt_deg=6, side_light=0.4))
    live = FaceAttackDetector().check(assessed(recogniser, view))
    assert isinstance(live, Live)
    assert live.attack_score is not None
    assert live.attack_score < 0.4


@pytest.mark.parametrize("simulate", [print_frame, replay_frame])
def test_a_simulated_print_or_screen_is_held_back(recogniser: FaceRecogniser, simulate: object) -> None:
    assert callable(simulate)
    for seed, person in enumerate(PEOPLE):
        sample = assessed(recogniser, simulate(load_face(f"{person}.jpg"), seed))
        assert isinstance(FaceAttackDetector().check(sample), Suspect), person


def test_each_sign_is_seen_on_what_shows_it_and_on_nothing_else(recogniser: FaceRecogniser) -> None:
    def signs(pixels: Pixels) -> tuple[bool, bool, bool]:
        sample = assessed(recogniser, pixels).sample
        found = picture_signs(sample.scene, sample.box)
        return found.pattern_nats > 5, found.glare > 0.02, found.border_sides >= 3

    photo = load_face("hopper.jpg")
    assert signs(face_view(photo, 1)) == (False, False, False)
    assert signs(print_frame(photo, 1)) == (True, False, True)
    assert signs(replay_frame(photo, 1))[1:] == (True, True)


def test_black_padding_about_a_photograph_is_no_border(recogniser: FaceRecogniser) -> None:
    padded = face_view(load_face("collins.jpg"), 1)
    padded[:40] = padded[-40:] = 0
    padded[:, :150] = padded[:, -150:] = 0
    sample = assessed(recogniser, padded).sample
    assert picture_signs(sample.scene, sample.box).border_sides < 3


def test_a_head_that_turns_shows_parallax_and_a_picture_that_turns_does_not() -> None:
    head = flatness([turned(0, DEPTHS), turned(15, DEPTHS), turned(30, DEPTHS)])
    picture = flatness([turned(0, 0 * DEPTHS), turned(45, 0 * DEPTHS)])
    assert head == 0
    assert picture == 1


def test_motion_that_says_nothing_has_no_flatness() -> None:
    assert flatness([]) is None
    assert flatness([FACE]) is None
    assert flatness([FACE, 1.4 * FACE + 20]) is None, "coming closer moves every point alike"


@pytest.mark.parametrize("yaw_deg", [-30, -15, 0, 15, 30])
def test_yaw_is_read_from_the_nose(yaw_deg: float) -> None:
    face = DetectedFace(np.array([0, 0, 100, 120], np.float32), turned(yaw_deg, DEPTHS), 1.0)
    assert head_pose(face).yaw_deg == pytest.approx(yaw_deg, abs=4)
    flat = DetectedFace(np.array([0, 0, 100, 120], np.float32), turned(yaw_deg, 0 * DEPTHS), 1.0)
    assert head_pose(flat).yaw_deg == pytest.approx(0, abs=3), (
        "a picture that turns has its nose in its plane"
    )
