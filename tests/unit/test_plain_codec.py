"""Plain templates to bytes and back: what is sealed of a finger, and what earlier stores hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import plain_codec
from inference.errors import TemplateDamaged
from inference.types import FaceTemplate, FingerPosition, FingerTemplate
from tests.kit.store_values import face_template, finger_template

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_a_face_template_comes_back_bit_for_bit(seed: int) -> None:
    template = replace(face_template(seed), frames=1 + seed % 5)
    back = plain_codec.decode(plain_codec.encode(template))
    assert isinstance(back, FaceTemplate)
    assert back.embedding.dtype == np.float32
    np.testing.assert_array_equal(back.embedding, template.embedding)
    assert (back.quality, back.made_by, back.frames) == (template.quality, template.made_by, template.frames)


@given(SEEDS, st.integers(0, 300), st.sampled_from(FingerPosition))
def test_minutiae_come_back_within_their_rounding(seed: int, count: int, position: FingerPosition) -> None:
    template = finger_template(seed, count)
    template = FingerTemplate(template.minutiae, 256, 288, position, "R503", 7, "m")
    back = plain_codec.decode(plain_codec.encode(template))
    assert isinstance(back, FingerTemplate)
    before, after = template.minutiae, back.minutiae
    assert after.shape == before.shape
    assert after.dtype == np.float32
    assert np.abs(after[:, :2] - before[:, :2]).max(initial=0) <= 0.125
    turns = (after[:, 2] - before[:, 2]) / math.tau
    assert np.abs(turns - np.rint(turns)).max(initial=0) <= 1e-5
    np.testing.assert_array_equal(after[:, 3], before[:, 3])
    assert np.abs(after[:, 4] - before[:, 4]).max(initial=0) <= 0.5 / 255 + 1e-6
    assert (np.diff(after[:, 4]) <= 0).all()
    assert (back.width, back.height, back.position, back.sensor) == (256, 288, position, "R503")


def test_what_comes_back_can_be_wiped() -> None:
    for template in (face_template(), finger_template()):
        plain_codec.decode(plain_codec.encode(template)).wipe()


@given(st.binary(max_size=2000) | st.binary(max_size=2000).map(lambda tail: b"\x01" + tail))
def test_hostile_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TemplateDamaged):
        plain_codec.decode(data)


@given(st.sampled_from([face_template(), finger_template()]), st.data())
def test_a_damaged_template_is_refused_or_still_holds_the_rules(
    template: FaceTemplate | FingerTemplate, data: st.DataObject
) -> None:
    raw = bytearray(plain_codec.encode(template))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        back = plain_codec.decode(bytes(raw))
    except TemplateDamaged:
        return
    match back:
        case FaceTemplate():
            assert abs(np.linalg.norm(back.embedding) - 1) <= plain_codec.NORM_TOLERANCE
        case FingerTemplate():
            assert (back.minutiae[:, 0] <= back.width).all()
            assert (back.minutiae[:, 1] <= back.height).all()
            assert np.isin(back.minutiae[:, 3], (0, 1)).all()


def test_a_wiped_face_and_a_minutia_outside_are_not_stored() -> None:
    face = face_template()
    face.wipe()
    finger = finger_template()
    finger.minutiae[3, 0] = 256.3
    broken = finger_template()
    broken.minutiae[0, 2] = np.nan
    for template in (face, finger, broken):
        with pytest.raises(TemplateDamaged):
            plain_codec.encode(template)


def test_a_template_is_small() -> None:
    assert len(plain_codec.encode(face_template())) < 600
    assert len(plain_codec.encode(finger_template(minutiae=60))) < 560
