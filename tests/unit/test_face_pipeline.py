"""From a frame to a score on openly licensed photographs, in good views and in bad ones."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from firmware.demo.build_assets import load_face
from firmware.demo.views import ViewCondition, empty_room, face_view, too_dark
from inference.attack import Unchecked
from inference.errors import ComparisonRefused
from inference.face.compare import COMPARATOR, FMR_RATIO_OF_FRAMES, combine, compare, fmr_ratio
from inference.face.detect import DetectedFace
from inference.face.pipeline import FaceRecogniser, FaceSample, build_face_recogniser
from inference.models.catalogue import Catalogue
from inference.runtime import RuntimeName
from inference.types import Assessed, FaceTemplate, Modality
from sensors.frames import ColourFrame, DeviceIdentity, Pixels, Retry, RetryReason

PEOPLE = ("collins", "hopper", "obama", "giunchedi", "photographer")
CAMERA = DeviceIdentity("replay", "test")
GOOD_VIEW = ViewCondition()


@pytest.fixture(scope="module")
def recogniser() -> FaceRecogniser:
    return build_face_recogniser(Catalogue(), RuntimeName.LITERT)


def view(person: str, condition: ViewCondition = GOOD_VIEW, seed: int = 1) -> Pixels:
    return face_view(load_face(f"{person}.jpg"), seed, condition)


def assess(recogniser: FaceRecogniser, pixels: Pixels) -> Assessed[FaceSample] | Retry:
    return recogniser.assess(ColourFrame(pixels, CAMERA, taken_at_s=0.0))


def sample(recogniser: FaceRecogniser, pixels: Pixels) -> Assessed[FaceSample]:
    assessed = assess(recogniser, pixels)
    assert isinstance(assessed, Assessed), assessed
    return assessed


def template(recogniser: FaceRecogniser, pixels: Pixels) -> FaceTemplate:
    return recogniser.template(Unchecked().check(sample(recogniser, pixels)))


def test_views_of_one_person_score_higher_than_any_of_two_people(recogniser: FaceRecogniser) -> None:
    hurried = ViewCondition(size=0.8, shift_px=(40, 0), tilt_deg=8, brightness=0.7, side_light=0.4)
    references = [template(recogniser, view(person)) for person in PEOPLE]
    probes = [template(recogniser, view(person, hurried, seed=2)) for person in PEOPLE]
    scores = np.array([[recogniser.compare(p, r).raw for r in references] for p in probes])
    genuine, impostor = scores.diagonal(), scores[~np.eye(len(PEOPLE), dtype=bool)]
    assert genuine.min() > 0.6
    assert impostor.max() < 0.4


def test_a_template_is_a_unit_vector_that_names_its_origin(recogniser: FaceRecogniser) -> None:
    made = template(recogniser, view("hopper"))
    assert made.embedding.shape == (128,)
    assert made.embedding.dtype == np.float32
    assert np.linalg.norm(made.embedding) == pytest.approx(1, abs=1e-5)
    assert made.made_by == recogniser.made_by
    assert made.made_by.startswith("sface-")
    assert made.made_by.endswith("/litert")
    score = recogniser.compare(made, made)
    assert (score.modality, score.source) == (Modality.FACE, "face")
    assert score.raw == pytest.approx(1, abs=1e-5)


def test_face_scores_are_those_that_the_operating_points_were_measured_with() -> None:
    """Where they have changed on purpose: give `COMPARATOR` a new name, then `make operating-points`."""
    probe, reference = np.zeros((2, 128), np.float32)
    probe[[3, 90]], reference[[3, 7]] = (0.6, 0.8), (-0.28, 0.96)
    score = compare(FaceTemplate(probe, 90, "sface-test"), FaceTemplate(reference, 10, "sface-test"))
    assert COMPARATOR == "cosine-1"
    assert score.raw == pytest.approx(-0.168, abs=1e-6)


@pytest.mark.parametrize(("width", "height"), [(320, 240), (1296, 972), (1920, 1080), (480, 640)])
def test_a_person_is_the_same_in_frames_of_any_size(
    recogniser: FaceRecogniser, width: int, height: int
) -> None:
    reference = template(recogniser, view("obama"))
    picture = view("obama")
    scale = min(width / 640, height / 480)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: small.shape[0], : small.shape[1]] = small
    assert recogniser.compare(template(recogniser, frame), reference).raw > 0.85


def test_what_is_no_usable_face_says_what_to_change(recogniser: FaceRecogniser) -> None:
    assert assess(recogniser, empty_room(1)) == Retry(RetryReason.NO_FACE)
    blurred = cv2.GaussianBlur(view("collins"), (0, 0), 7)
    assert assess(recogniser, np.asarray(blurred)) == Retry(RetryReason.HOLD_STILL)
    for gain in (2, 4):
        bright = np.clip(view("collins").astype(np.float32) * gain, 0, 255).astype(np.uint8)
        assert assess(recogniser, bright) == Retry(RetryReason.LESS_LIGHT)
    dim = (view("collins") * 0.2).astype(np.uint8)
    assert assess(recogniser, dim) == Retry(RetryReason.MORE_LIGHT)
    for person in PEOPLE:
        assert assess(recogniser, too_dark(view(person))) == Retry(RetryReason.MORE_LIGHT)
    far = np.full((480, 640, 3), 90, np.uint8)
    far[200:296, 260:388] = cv2.resize(view("collins"), (128, 96), interpolation=cv2.INTER_AREA)
    assert assess(recogniser, far) == Retry(RetryReason.COME_CLOSER)


def test_two_people_before_the_camera_are_told_apart_from_one(recogniser: FaceRecogniser) -> None:
    left, right = view("hopper")[:, 160:480], view("collins")[:, 160:480]
    assert assess(recogniser, np.concatenate([left, right], axis=1)) == Retry(RetryReason.SEVERAL_FACES)


def test_a_worse_view_has_a_lower_quality_and_names_what_to_change(recogniser: FaceRecogniser) -> None:
    good = sample(recogniser, view("collins"))
    dim = sample(recogniser, (view("collins") * 0.35).astype(np.uint8))
    soft = sample(recogniser, view("collins", replace(GOOD_VIEW, blur_px=2.8)))
    assert good.quality.reasons == ()
    assert dim.quality.reasons[0] is RetryReason.MORE_LIGHT
    assert soft.quality.reasons[0] is RetryReason.HOLD_STILL
    assert max(dim.quality.score, soft.quality.score) < good.quality.score <= 100
    made = [recogniser.template(Unchecked().check(assessed)).quality for assessed in (good, soft)]
    assert made[0] > made[1]


def drawn_over(recogniser: FaceRecogniser, pixels: Pixels, what: str) -> Pixels:
    """Dark glasses, or a cloth mask, drawn over the face in a frame."""
    face = recogniser.find(ColourFrame(pixels, CAMERA, taken_at_s=0.0))
    assert isinstance(face, DetectedFace)
    covered, unit = pixels.copy(), face.eye_distance_px
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    if what == "glasses":
        for eye in (right_eye, left_eye):
            centre = (round(float(eye[0])), round(float(eye[1])))
            cv2.ellipse(covered, centre, (round(0.42 * unit), round(0.3 * unit)), 0, 0, 360, (25, 22, 24), -1)
    else:
        mouth = (right_mouth + left_mouth) / 2
        shape = np.array([(-1.1, 0), (0, -0.25), (1.1, 0), (0.6, 0.7), (0, 0.7), (-0.6, 0.7)])
        outline = np.where(shape[:, 1:] > 0, mouth, nose) + shape * unit
        cv2.fillPoly(covered, [np.rint(outline).astype(np.int32)], (200, 180, 150))
    return np.asarray(cv2.GaussianBlur(covered, (0, 0), 0.7))


@pytest.mark.parametrize(
    ("what", "reason"), [("glasses", RetryReason.SHOW_EYES), ("mask", RetryReason.SHOW_MOUTH)]
)
def test_what_covers_a_face_is_named(recogniser: FaceRecogniser, what: str, reason: RetryReason) -> None:
    for person in PEOPLE:
        free = sample(recogniser, view(person)).quality.reasons
        assert not {RetryReason.SHOW_EYES, RetryReason.SHOW_MOUTH} & set(free), person
        found = assess(recogniser, drawn_over(recogniser, view(person), what))
        reasons = (found.reason,) if isinstance(found, Retry) else found.quality.reasons
        assert reason in reasons, person


def test_light_from_one_side_is_named(recogniser: FaceRecogniser) -> None:
    shade = np.where(np.arange(640) < 320, 1.0, 0.22)[np.newaxis, :, np.newaxis]
    half_dark = (view("collins") * shade).astype(np.uint8)
    found = assess(recogniser, half_dark)
    reasons = (found.reason,) if isinstance(found, Retry) else found.quality.reasons
    assert RetryReason.EVEN_LIGHT in reasons


def test_a_mirror_image_has_nearly_the_same_template(recogniser: FaceRecogniser) -> None:
    """Two looks at the landmarks and the mean over both sides leave little of which side is which."""
    for person in PEOPLE:
        seen = template(recogniser, view(person))
        mirrored = template(recogniser, np.ascontiguousarray(view(person)[:, ::-1]))
        assert recogniser.compare(seen, mirrored).raw > 0.94, person


def test_low_light_is_not_taken_for_blur(recogniser: FaceRecogniser) -> None:
    soft = view("collins", replace(GOOD_VIEW, blur_px=2.2, noise=0))
    bright, dim = sample(recogniser, soft), sample(recogniser, (soft * 0.4).astype(np.uint8))
    assert dim.quality.components["sharpness"] == pytest.approx(
        bright.quality.components["sharpness"], rel=0.2
    )


def test_the_network_sees_the_colours_that_it_was_trained_on(recogniser: FaceRecogniser) -> None:
    qualities = []
    for swapped in (False, True):
        made = 0
        for person in PEOPLE:
            assessed = sample(recogniser, view(person))
            if swapped:
                assessed.sample.crop[...] = assessed.sample.crop[..., ::-1].copy()
            made += recogniser.template(Unchecked().check(assessed)).quality
        qualities.append(made)
    assert qualities[0] > qualities[1]


def test_templates_of_other_models_or_runtimes_are_not_compared(recogniser: FaceRecogniser) -> None:
    made = template(recogniser, view("hopper"))
    other = replace(made, made_by=made.made_by.replace("/litert", "/tflite-runtime"))
    with pytest.raises(ComparisonRefused, match="enrol the person anew"):
        recogniser.compare(made, other)
    with pytest.raises(ComparisonRefused, match="tflite-runtime"):
        recogniser.combine([made, other])


def test_a_combined_template_leans_to_the_better_sample(recogniser: FaceRecogniser) -> None:
    first, second = np.eye(128, dtype=np.float32)[:2]
    strong, weak = FaceTemplate(first, 90, "one"), FaceTemplate(second, 30, "one")
    both = recogniser.combine([strong, weak])
    assert np.linalg.norm(both.embedding) == pytest.approx(1, abs=1e-6)
    assert both.embedding[0] == pytest.approx(3 * both.embedding[1])
    assert (both.quality, both.made_by) == (90, "one")
    with pytest.raises(ValueError, match="no template"):
        recogniser.combine([])


def test_a_mean_of_frames_says_so_and_its_scores_say_what_it_costs() -> None:
    one = FaceTemplate(np.eye(128, dtype=np.float32)[0], 90, "one")
    two, many = combine([one, one]), combine([one] * 7)
    assert (two.frames, combine([two, one]).frames) == (2, 3)
    assert compare(one, one).fmr_ratio == 1
    assert compare(two, one).fmr_ratio == compare(one, two).fmr_ratio == FMR_RATIO_OF_FRAMES[1][0]
    assert compare(two, two).fmr_ratio == FMR_RATIO_OF_FRAMES[1][1]
    assert compare(many, two).fmr_ratio == compare(many, many).fmr_ratio == FMR_RATIO_OF_FRAMES[-1][1]
    ratios = np.array([[fmr_ratio(probe, reference) for probe in range(1, 9)] for reference in range(1, 9)])
    assert (np.diff(ratios) >= 0).all()
    np.testing.assert_array_equal(ratios, ratios.T)


def test_a_sample_outlives_its_frame_and_can_be_wiped(recogniser: FaceRecogniser) -> None:
    frame = ColourFrame(view("hopper"), CAMERA, taken_at_s=0.0)
    assessed = recogniser.assess(frame)
    assert isinstance(assessed, Assessed)
    frame.wipe()
    assert assessed.sample.crop.any()
    made = recogniser.template(Unchecked().check(assessed))
    assessed.sample.wipe()
    assert not assessed.sample.crop.any()
    recogniser.forget()
    assert made.embedding.any()
    made.wipe()
    assert not made.embedding.any()
