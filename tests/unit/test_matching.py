"""Evidence and policy: when a claim is settled, when more is asked for. Real extractor, synthetic fingers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from firmware.config import Config, Device, Fingerprint, Keys
from firmware.protection import TemplateProtection
from firmware.recognition import Recognition, build_recognition
from firmware.session.comparison import Comparison
from firmware.session.machine import Weight
from firmware.session.matching import Matcher, Policy
from firmware.store.reference import Reference
from inference.attack import Unchecked
from inference.face.compare import fmr_ratio
from inference.face.pipeline import build_face_recogniser
from inference.models.catalogue import Catalogue
from inference.operating_point import DEFAULT, Strength, Threshold, load
from inference.runtime import RuntimeName
from inference.synthesis import Condition, make_finger
from inference.types import Assessed, FaceTemplate, FingerPosition, FingerTemplate, Modality, Template
from sensors.frames import DeviceIdentity, FingerFrame
from tests.kit.store_values import protection
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey

RIGHT, LEFT = FingerPosition.RIGHT_INDEX, FingerPosition.LEFT_INDEX
ENTRY, OTHER = b"entry-1".ljust(16), b"entry-2".ljust(16)


@pytest.fixture(scope="module")
def recognition(tmp_path_factory: pytest.TempPathFactory) -> Recognition:
    device = Device(id="x", site="x", purpose=Purpose.DISTRIBUTION, data=tmp_path_factory.getbasetemp())
    fingerprint, keys = Fingerprint(model="R503", port="none"), Keys(guard=GuardKind.FILE)
    return build_recognition(Config(device=device, keys=keys, fingerprint=fingerprint), protection())


@pytest.fixture
def matcher(recognition: Recognition) -> Matcher:
    for entry_id in (ENTRY, OTHER):
        recognition.matcher.remove(entry_id)
    return recognition.matcher


def enrol(matcher: Matcher, entry_id: bytes, templates: Sequence[Template]) -> None:
    matcher.add(entry_id, matcher.protect(entry_id, templates))


def template(recognition: Recognition, seed: int, take: int, position: FingerPosition) -> FingerTemplate:
    assert recognition.finger is not None
    pixels = make_finger(seed).impression(take, Condition(), (192, 192))
    assessed = recognition.finger.assess(FingerFrame(pixels, 500.0, DeviceIdentity("R503", "x"), 0.0))
    assert isinstance(assessed, Assessed)
    return recognition.finger.template(Unchecked().check(assessed), position)


def test_one_finger_speaks_for_a_claim_and_two_settle_it(recognition: Recognition, matcher: Matcher) -> None:
    enrol(matcher, ENTRY, [template(recognition, 31, 1, RIGHT), template(recognition, 32, 1, LEFT)])
    comparison = Comparison(matcher, [ENTRY])
    right, left = template(recognition, 31, 2, RIGHT), template(recognition, 32, 2, LEFT)
    first = comparison.weigh([right])
    assert first.weight is Weight.SPEAKS_FOR
    assert isinstance(first.threshold, Threshold)
    assert not first.threshold.supported
    assert comparison.weigh([right, left]).weight is Weight.SUFFICIENT


def test_another_persons_fingers_speak_against_the_claim(recognition: Recognition, matcher: Matcher) -> None:
    enrol(matcher, ENTRY, [template(recognition, 31, 1, RIGHT)])
    verdict = Comparison(matcher, [ENTRY]).weigh([template(recognition, 40, 1, RIGHT)])
    assert verdict.weight is Weight.SPEAKS_AGAINST
    assert verdict.candidates == ()


def test_a_finger_counts_only_against_the_same_finger_of_an_entry(
    recognition: Recognition, matcher: Matcher
) -> None:
    enrol(matcher, ENTRY, [template(recognition, 31, 1, RIGHT)])
    verdict = Comparison(matcher, [ENTRY]).weigh([template(recognition, 31, 2, LEFT)])
    assert verdict.best is None


def test_a_claim_with_more_entries_behind_it_needs_a_higher_score(matcher: Matcher) -> None:
    sources = ("finger/R503", "finger/R503")
    one, five = matcher.threshold(sources, claimed=1), matcher.threshold(sources, claimed=5)
    assert isinstance(one, Threshold)
    assert isinstance(five, Threshold)
    assert five.llr > one.llr


def test_a_search_puts_the_right_entry_first_and_forgets_an_erased_one(
    recognition: Recognition, matcher: Matcher
) -> None:
    enrol(matcher, ENTRY, [template(recognition, 31, 1, RIGHT)])
    enrol(matcher, OTHER, [template(recognition, 33, 1, RIGHT)])
    probe = template(recognition, 33, 2, RIGHT)
    assert [candidate.entry_id for candidate in Comparison(matcher, None).weigh([probe]).candidates] == [
        OTHER
    ]
    matcher.remove(OTHER)
    assert OTHER not in [c.entry_id for c in Comparison(matcher, None).weigh([probe]).candidates]


@pytest.fixture(scope="module")
def faces() -> Matcher:
    """126 faces that resemble nobody, at the operating point of this distribution."""
    face = build_face_recogniser(Catalogue(), RuntimeName.LITERT)
    point = load(DEFAULT, {Modality.FACE: face.made_by})
    matcher = Matcher(face, None, point, Policy(fmr=1e-4, fpir=0.01), ["face"], protection())
    for number, direction in enumerate(np.eye(128, dtype=np.float32)[2:]):
        enrol(matcher, number.to_bytes(16, "big"), [FaceTemplate(direction, 90, face.made_by)])
    return matcher


@pytest.mark.parametrize("claimed", [[ENTRY], None], ids=["1:1", "1:few"])
def test_a_face_of_several_frames_must_score_higher(faces: Matcher, claimed: list[bytes] | None) -> None:
    reference = FaceTemplate(np.eye(128, dtype=np.float32)[0], 90, faces.models[0])
    enrol(faces, ENTRY, [reference])
    threshold = faces.threshold(["face"], None if claimed is None else 1)
    assert isinstance(threshold, Threshold)
    calibration = load(DEFAULT, {Modality.FACE: faces.models[0]}).source("face").calibration
    cosine = (threshold.llr + 0.1 - calibration.intercept) / calibration.slope
    probe = replace(reference, embedding=np.zeros(128, np.float32))
    probe.embedding[:2] = cosine, np.sqrt(1 - cosine**2)

    one, two = (Comparison(faces, claimed).weigh([replace(probe, frames=frames)]) for frames in (1, 2))

    assert one.weight is Weight.SUFFICIENT
    assert two.weight is Weight.SPEAKS_FOR
    assert one.best is not None
    assert two.best is not None
    paid = one.best.llr - two.best.llr
    assert paid >= np.log(fmr_ratio(2, 1))
    if claimed is not None:
        assert [faces.strength(verdict.best) for verdict in (one, two) if verdict.best] == [
            Strength.STRONG,
            Strength.FAIR,
        ]
    # The one who was registered with several frames pays as well.
    enrol(faces, ENTRY, [replace(reference, frames=2)])
    assert Comparison(faces, claimed).weigh([probe]).best == two.best


def test_entries_that_were_moved_or_are_of_another_gallery_are_refused_and_the_others_served(
    recognition: Recognition, matcher: Matcher
) -> None:
    with SecretKey.taken_from(bytearray(32)) as key:
        elsewhere = TemplateProtection(key)
    plain = template(recognition, 31, 1, RIGHT)
    ours = matcher.protect(ENTRY, [plain])
    entries = [
        Reference(OTHER, "moved", ours, Purpose.DISTRIBUTION, "x"),
        Reference(OTHER, "foreign", (elsewhere.protect(plain, OTHER),), Purpose.DISTRIBUTION, "x"),
        Reference(ENTRY, "own", matcher.protect(ENTRY, [plain]), Purpose.DISTRIBUTION, "x"),
    ]
    moved, foreign = matcher.take_up_all(entries)
    assert OTHER.hex() in moved
    assert elsewhere.key_id.hex() in foreign
    assert not ours[0].codes.any()  # type: ignore[union-attr]
    assert not matcher.has(OTHER)
    assert Comparison(matcher, [ENTRY]).weigh([template(recognition, 31, 2, RIGHT)]).weight is not (
        Weight.SPEAKS_AGAINST
    )
