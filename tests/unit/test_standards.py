"""Records of standards: against other implementations' files, back and forth, and hostile ones."""

from __future__ import annotations

import base64
import json
import math
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import RecordRefused
from inference.standards import cbeff, face_record, finger_record
from inference.standards.cbeff import BdbFormat, Bir
from inference.standards.face_record import FaceImage
from inference.types import FingerPosition, FingerTemplate
from tests.kit.store_values import finger_template

DATA = Path(__file__).parents[1] / "data" / "standards"
WHOLE = (DATA / "mindtct-2005.fmr").read_bytes()
WHOLE_2011 = (DATA / "mindtct-2011.fmr").read_bytes()
FACE = (DATA / "idemia.fac").read_bytes()


def template(
    seed: int = 1, count: int = 40, position: FingerPosition = FingerPosition.LEFT_INDEX
) -> FingerTemplate:
    return replace(finger_template(seed, count), width=256, height=288, position=position)


@pytest.mark.parametrize(
    ("record", "position"), [(WHOLE, FingerPosition.RIGHT_INDEX), (WHOLE_2011, FingerPosition.LEFT_INDEX)]
)
def test_a_record_of_another_implementation_says_what_its_extractor_found(
    record: bytes, position: FingerPosition
) -> None:
    (view,) = finger_record.decode(record)
    found = np.array(json.loads((DATA / "mindtct.json").read_text()))
    assert (view.position, view.width, view.height, view.quality) == (position, 256, 288, 61)
    read = view.minutiae[np.lexsort(view.minutiae[:, :2].T)]
    expected = found[np.lexsort(found[:, :2].T)]
    np.testing.assert_allclose(read[:, :2], expected[:, :2], atol=1e-3)
    turned = np.degrees(read[:, 2]) - expected[:, 2]
    assert np.abs((turned + 180) % 360 - 180).max() <= 0.71  # half of 1.40625 degrees
    np.testing.assert_array_equal(read[:, 3], expected[:, 3])
    if record is WHOLE_2011:
        np.testing.assert_allclose(read[:, 4], expected[:, 4], atol=0.0051)


def test_the_fields_lie_where_the_standard_puts_them() -> None:
    rows = np.array([[100, 14, math.radians(90), 1, 0.9], [7, 250, math.radians(359.9), 0, 0.4]], np.float32)
    record = finger_record.encode([replace(template(), minutiae=rows, quality=55)])
    head = (
        b"FMR\0 20\0" + struct.pack(">I", 42) + b"\0\0" + struct.pack(">HHHH", 256, 288, 197, 197) + b"\1\0"
    )
    view = bytes([7, 0, 55, 2])  # left index, first view of a live plain impression
    minutiae = bytes.fromhex("8064 000e 40 5a") + bytes.fromhex("4007 00fa 00 28")
    assert record == head + view + minutiae + b"\0\0"


@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.sampled_from(FingerPosition))
def test_a_template_comes_back_within_the_records_rounding(
    seed: int, count: int, position: FingerPosition
) -> None:
    first, second = template(seed, count, position), template(seed + 1, count, position)
    views = finger_record.decode(finger_record.encode([first, second]))
    assert [(view.position, view.view) for view in views] == [(position, 0), (position, 1)]
    back = views[0].template(sensor="R503", made_by="m").minutiae
    assert back.shape == first.minutiae.shape
    # The image's last pixel is the largest a record can name.
    assert np.abs(back[:, :2] - first.minutiae[:, :2].clip(0, (255, 287))).max(initial=0) <= 0.5
    turns = (back[:, 2] - first.minutiae[:, 2]) / math.tau * 256
    assert np.abs((turns + 128) % 256 - 128).max(initial=0) <= 0.501
    np.testing.assert_array_equal(back[:, 3], first.minutiae[:, 3])
    assert np.abs(back[:, 4] - first.minutiae[:, 4]).max(initial=0) <= 0.011


def test_another_resolution_is_brought_to_500_ppi() -> None:
    record = bytearray(WHOLE)
    record[18:22] = struct.pack(">HH", 394, 394)  # 1,000 ppi
    (view,), (plain,) = finger_record.decode(bytes(record)), finger_record.decode(WHOLE)
    assert (view.width, view.height) == (128, 144)
    np.testing.assert_allclose(view.minutiae[:, :2], plain.minutiae[:, :2] / 2)


def changed(record: bytes, at: int, form: str, *values: int) -> bytes:
    return record[:at] + struct.pack(f">{form}", *values) + record[at + struct.calcsize(f">{form}") :]


@pytest.mark.parametrize(
    "record",
    [
        b"",
        WHOLE[:-1],
        WHOLE + b"\0",
        changed(WHOLE, 8, "I", 2**32 - 1),  # a length that lies
        changed(WHOLE, 14, "HH", 0, 288),  # no size
        changed(WHOLE, 14, "HH", 20, 288),  # minutiae outside the image
        changed(WHOLE, 14, "HH", 16383, 16383),
        changed(WHOLE, 18, "HH", 0, 0),  # no resolution
        changed(WHOLE, 22, "B", 0),  # no view
        changed(WHOLE, 22, "B", 255),
        changed(WHOLE, 24, "B", 13),  # four fingers of a hand
        changed(WHOLE, 27, "B", 255),  # 255 minutiae, and not their bytes
        changed(WHOLE, 28, "B", 0xFF),  # an unknown kind
        changed(WHOLE, len(WHOLE) - 2, "H", 0xFFFF),  # extended data that is not there
        changed(WHOLE_2011, 12, "H", 0xFFFF),
        changed(WHOLE_2011, 15, "I", 2**32 - 1),
        changed(WHOLE_2011, 15, "I", 0),
        changed(WHOLE_2011, 33, "B", 255),  # 255 quality blocks
    ],
)
def test_a_finger_record_that_lies_is_refused(record: bytes) -> None:
    with pytest.raises(RecordRefused, match=r"^[a-z0-9 ]"):
        finger_record.decode(record)


def test_views_of_one_record_are_of_one_size_and_few() -> None:
    with pytest.raises(RecordRefused, match="one image size"):
        finger_record.encode([template(), replace(template(), width=255)])
    with pytest.raises(RecordRefused, match="16 views"):
        finger_record.encode([template()] * 17)
    assert len(finger_record.decode(finger_record.encode([template(count=300)]))[0].minutiae) == 255


def test_a_face_record_of_another_implementation_is_read() -> None:
    (image,) = face_record.decode(FACE)
    assert (image.width, image.height) == (144, 192)
    assert image.jpeg.startswith(b"\xff\xd8")
    assert face_record.decode(face_record.encode(image)) == (image,)


@pytest.mark.parametrize(
    "record",
    [
        FACE[:-1],
        changed(FACE, 8, "I", 2**32 - 1),
        changed(FACE, 12, "H", 0),
        changed(FACE, 12, "H", 0xFFFF),
        changed(FACE, 14, "I", 3),
        changed(FACE, 18, "H", 0xFFFF),  # feature points that are not there
        changed(FACE, 43, "B", face_record.JPEG_2000),
        changed(FACE, 44, "HH", 4000, 3000),  # another size than the JPEG's own
        changed(FACE, 54, "H", 0),  # no JPEG
    ],
)
def test_a_face_record_that_lies_is_refused(record: bytes) -> None:
    with pytest.raises(RecordRefused, match=r"^[a-z0-9 ]"):
        face_record.decode(record)


def test_an_image_of_thousands_of_scans_is_not_decoded() -> None:
    (image,) = face_record.decode(FACE)
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 0, 0)
    for scans, taken in ((19, True), (20, False)):  # it has one itself
        jpeg = image.jpeg[:-2] + scan * scans + image.jpeg[-2:]
        if taken:
            face_record.encode(replace(image, jpeg=jpeg))
        else:
            with pytest.raises(RecordRefused, match="more than 20 scans"):
                face_record.encode(replace(image, jpeg=jpeg))


def test_an_image_is_not_decoded_to_learn_that_it_is_too_large() -> None:
    jpeg = b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(9)  # 65,535 by 65,535
    with pytest.raises(RecordRefused, match="pixels"):
        face_record.encode(FaceImage(jpeg, 65535, 65535))


def test_an_envelope_comes_back_and_names_the_finger_as_mosip_does() -> None:
    birs = (
        Bir(BdbFormat.FINGER_MINUTIAE, WHOLE, "Right IndexFinger", "Enroll", "2026-11-25T08:00:00Z", 61),
        Bir(BdbFormat.FACE_IMAGE, FACE, purpose="Enroll"),
    )
    assert cbeff.subtype_of(FingerPosition.RIGHT_INDEX) == "Right IndexFinger"
    assert cbeff.subtype_of(FingerPosition.LEFT_LITTLE) == "Left LittleFinger"
    assert cbeff.decode(cbeff.encode(birs)) == birs


def test_an_envelope_as_mosips_documentation_has_it_is_read() -> None:
    data = base64.b64encode(WHOLE).decode()
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
    <BIR xmlns="http://standards.iso.org/iso-iec/19785/-3/ed-2/">
      <BIRInfo><Integrity>false</Integrity></BIRInfo>
      <!-- right index finger -->
      <BIR>
        <Version><Major>1</Major><Minor>1</Minor></Version>
        <BIRInfo><Integrity>false</Integrity></BIRInfo>
        <BDBInfo>
          <Format><Organization>Mosip</Organization><Type>2</Type></Format>
          <CreationDate>2019-06-27T13:40:06.209Z</CreationDate>
          <Type>Finger</Type><Subtype>Right IndexFinger</Subtype><Level>Raw</Level><Purpose>Enroll</Purpose>
          <Quality><Algorithm><Organization>HMAC</Organization><Type>SHA-256</Type></Algorithm>
            <Score>100</Score></Quality>
        </BDBInfo>
        <BDB>{data[:76]}
             {data[76:]}</BDB>
      </BIR>
    </BIR>"""
    (bir,) = cbeff.decode(text.encode())
    assert (bir.form, bir.subtype, bir.quality) == (BdbFormat.FINGER_MINUTIAE, "Right IndexFinger", 100)
    assert bir.data == WHOLE


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE BIR [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefg", "bcdefgh", strict=True))
    + f']><BIR xmlns="{cbeff.NAMESPACE}"><BDB>&h;</BDB></BIR>'
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<BIR/>",
        BOMB,
        f'<!DOCTYPE BIR SYSTEM "file:///etc/passwd"><BIR xmlns="{cbeff.NAMESPACE}"/>',
        f'<BIR xmlns="{cbeff.NAMESPACE}"/>',
        f'<BIR xmlns="{cbeff.NAMESPACE}"><BDB>no base64!</BDB></BIR>',
        f'<BIR xmlns="{cbeff.NAMESPACE}"><BDB>AA==</BDB><BDB>AA==</BDB></BIR>',
        f'<BIR xmlns="{cbeff.NAMESPACE}">' + "<BIR>" * 100,
        f'<BIR xmlns="{cbeff.NAMESPACE}">' + "<BIR><BDB>AA==</BDB></BIR>" * 65 + "</BIR>",
        f'<BIR xmlns="{cbeff.NAMESPACE}"><BDBInfo><Subtype>' + "x" * 9999 + "</Subtype></BDBInfo></BIR>",
    ],
)
def test_a_hostile_envelope_is_refused(text: str) -> None:
    with pytest.raises(RecordRefused, match=r"^[a-z ]"):
        cbeff.decode(text.encode())


def test_not_even_a_harmless_entity_is_expanded() -> None:
    block = f'<BIR xmlns="{cbeff.NAMESPACE}"><BDB>&a;</BDB></BIR>'
    for declared in (
        '<!DOCTYPE BIR [<!ENTITY a "AAAA">]>',
        '<!DOCTYPE BIR SYSTEM "file:///etc/hostname">',
        BOMB,
    ):
        text = declared if declared is BOMB else declared + block
        with pytest.raises(RecordRefused, match="document type or entities"):
            cbeff.decode(text.encode())


@pytest.mark.parametrize(
    ("decode", "whole"),
    [
        (finger_record.decode, WHOLE),
        (finger_record.decode, WHOLE_2011),
        (face_record.decode, FACE[:400]),
        (cbeff.decode, cbeff.encode([Bir(BdbFormat.FINGER_MINUTIAE, WHOLE)])),
    ],
)
@given(
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6), cut=st.integers(0, 500)
)
def test_damaged_records_are_read_or_refused_in_little_memory(
    decode: Callable[[bytes], object], whole: bytes, flips: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(whole)
    for at, value in flips:
        damaged[at % len(damaged)] = value
    damaged = damaged[: len(damaged) - cut if cut < 100 else None]
    tracemalloc.start()
    try:
        decode(bytes(damaged))
    except RecordRefused:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000
