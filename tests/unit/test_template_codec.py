"""Protected templates to bytes and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import plain_codec, template_codec
from inference.errors import TemplateDamaged
from inference.protection.finger import CODE_WORDS, ROWS
from inference.types import ProtectedFace, ProtectedFinger, ProtectedTemplate
from tests.kit.store_values import face_template, finger_template, protection

ENTRY = b"entry".ljust(16)
FACE = protection().face(face_template())
FINGER = protection().protect(finger_template(), ENTRY)


def test_a_protected_face_comes_back_bit_for_bit() -> None:
    face = replace(FACE, frames=3)
    back = template_codec.decode(template_codec.encode(face))
    assert isinstance(back, ProtectedFace)
    np.testing.assert_array_equal(back.embedding, face.embedding)
    assert (back.quality, back.made_by, back.frames, back.key_id) == (
        *(face.quality, face.made_by, 3),
        protection().key_id,
    )
    back.wipe()


@pytest.mark.parametrize("minutiae", [0, 2, 33, 80, 120])
def test_a_protected_finger_comes_back_and_opens(minutiae: int) -> None:
    plain = finger_template(5, minutiae)
    back = template_codec.decode(template_codec.encode(protection().protect(plain, ENTRY)))
    assert isinstance(back, ProtectedFinger)
    assert back.codes.shape[0] in ROWS
    assert back.codes.shape[1] == CODE_WORDS
    opened = protection().opened(back, ENTRY)
    assert plain_codec.encode(opened) == plain_codec.encode(plain)
    back.wipe()


@given(st.binary(max_size=2000) | st.binary(max_size=2000).map(lambda tail: b"\x02" + tail))
def test_hostile_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TemplateDamaged):
        template_codec.decode(data)


@given(st.sampled_from([FACE, FINGER]), st.data())
def test_a_damaged_template_is_refused_or_still_holds_the_rules(
    template: ProtectedTemplate, data: st.DataObject
) -> None:
    raw = bytearray(template_codec.encode(template))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        back = template_codec.decode(bytes(raw))
    except TemplateDamaged:
        return
    assert len(back.key_id) == len(protection().key_id)
    if isinstance(back, ProtectedFace):
        assert abs(np.linalg.norm(back.embedding) - 1) <= plain_codec.NORM_TOLERANCE
    else:
        assert len(back.codes) in (0, *ROWS)


def test_plain_templates_wiped_ones_and_odd_codes_are_refused() -> None:
    with pytest.raises(TemplateDamaged, match="version 2"):
        template_codec.decode(plain_codec.encode(face_template()))
    wiped = replace(FACE, embedding=np.zeros(128, np.float32))
    assert isinstance(FINGER, ProtectedFinger)
    for broken in (wiped, replace(FINGER, codes=FINGER.codes[:5]), replace(FINGER, key_id=b"short")):
        with pytest.raises(TemplateDamaged):
            template_codec.encode(broken)


def test_a_template_is_small_and_as_long_as_any_other_of_its_kind() -> None:
    assert len(template_codec.encode(FACE)) < 600
    lengths = {
        len(template_codec.encode(protection().protect(finger_template(1, count), ENTRY)))
        for count in (12, 20, 31)
    }
    assert len(lengths) == 1
    assert lengths.pop() < 2_200
