"""Plain templates to bytes and back: a version byte, then a MessagePack array with packed numbers.

It is what is sealed of a finger, and what stores of earlier versions hold.

The face embedding stays float32: it comes back bit for bit, and 10,000 entries are 5 MB. Minutiae are
rounded to a quarter of a pixel, 0.1 milliradian and 1/255 of confidence, 8 bytes each; a minutia is
never found more exactly than that.
"""

from __future__ import annotations

import math
from typing import Annotated, assert_never

import msgspec
import numpy as np
from msgspec import Meta

from inference.errors import TemplateDamaged
from inference.types import FaceTemplate, FingerPosition, FingerTemplate, Template

VERSION = 1
MAX_BYTES = 16_384  # 1,000 minutiae are 8 KB; ISO/IEC 19794-2 allows 255 in a view
EMBEDDING_LENGTH = 128
NORM_TOLERANCE = 1e-3  # float32 rounding leaves 1e-6; this only tells an embedding from other numbers
UNITS_PER_PIXEL = 4
UNITS_PER_TURN = 65_536
UNITS_OF_CONFIDENCE = 255

PADDED_SIZES = (512, 768)
"""Bytes that 48 and 80 minutiae take with what goes with them: the length of what is sealed tells hardly more
than the number of codes does. A longer one is filled up to a multiple of 512."""
_END = b"\x80"

_MINUTIA = np.dtype([("x", "<u2"), ("y", "<u2"), ("angle", "<u2"), ("kind", "u1"), ("confidence", "u1")])
_Quality = Annotated[int, Meta(ge=0, le=100)]
_Side = Annotated[int, Meta(ge=1, le=4096)]
_Text = Annotated[str, Meta(max_length=256)]


class _Face(msgspec.Struct, frozen=True, tag="face", array_like=True, forbid_unknown_fields=True):
    embedding: Annotated[bytes, Meta(min_length=4 * EMBEDDING_LENGTH, max_length=4 * EMBEDDING_LENGTH)]
    quality: _Quality
    made_by: _Text
    frames: Annotated[int, Meta(ge=1, le=255)] = 1


class _Finger(msgspec.Struct, frozen=True, tag="finger", array_like=True, forbid_unknown_fields=True):
    minutiae: bytes
    width: _Side
    height: _Side
    position: FingerPosition
    sensor: _Text
    quality: _Quality
    made_by: _Text


_DECODER = msgspec.msgpack.Decoder(_Face | _Finger)


def encode(template: Template) -> bytes:
    """Return the template's bytes. Raises TemplateDamaged for one that `decode` would refuse."""
    match template:
        case FaceTemplate():
            packed: _Face | _Finger = _pack_face(template)
        case FingerTemplate():
            packed = _pack_finger(template)
        case _:
            assert_never(template)
    data = bytes([VERSION]) + msgspec.msgpack.encode(packed)
    decode(data)
    return data


def decode(data: bytes) -> Template:
    """Return the template in `data`. Raises TemplateDamaged."""
    packed = _fields(data)
    match packed:
        case _Face():
            return _unpack_face(packed)
        case _Finger():
            return _unpack_finger(packed)
        case _:
            assert_never(packed)


def minutiae_in(data: bytes) -> int:
    """Return how many minutiae a template has, 0 for a face; the rest is not unpacked. Raises as `decode`."""
    packed = _fields(data)
    return len(packed.minutiae) // _MINUTIA.itemsize if isinstance(packed, _Finger) else 0


def padded(data: bytes) -> bytes:
    """Fill up to a usual size: one byte 0x80, then zeros (ISO/IEC 7816-4)."""
    least = len(data) + len(_END)
    size = next((size for size in PADDED_SIZES if size >= least), -(-least // 512) * 512)
    return data + _END + bytes(size - least)


def without_padding(data: bytes) -> bytes:
    """Return what `padded` was given. Raises TemplateDamaged."""
    end = data.rfind(_END)
    if end < 0:
        raise TemplateDamaged("what was sealed does not end")
    return data[:end]


def _fields(data: bytes) -> _Face | _Finger:
    if not data or data[0] != VERSION:
        raise TemplateDamaged(f"not a template of version {VERSION}; a newer Aidpost may have written it")
    if len(data) > MAX_BYTES:
        raise TemplateDamaged(f"a template has at most {MAX_BYTES} bytes, not {len(data)}")
    try:
        packed: _Face | _Finger = _DECODER.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, ValueError, RecursionError):
        # From None: the library's own message may quote the bytes.
        raise TemplateDamaged("the template's fields cannot be read") from None
    return packed


def _pack_face(template: FaceTemplate) -> _Face:
    embedding = template.embedding.astype("<f4").tobytes()
    return _Face(embedding, template.quality, template.made_by, template.frames)


def _unpack_face(packed: _Face) -> FaceTemplate:
    embedding = np.frombuffer(packed.embedding, "<f4").astype(np.float32)
    # Written so that NaN fails it too.
    if not abs(float(np.linalg.norm(embedding)) - 1.0) <= NORM_TOLERANCE:
        raise TemplateDamaged("the face embedding is not of length 1: it was wiped or damaged")
    return FaceTemplate(embedding, packed.quality, packed.made_by, packed.frames)


def _pack_finger(template: FingerTemplate) -> _Finger:
    rows = template.minutiae
    if rows.ndim != 2 or rows.shape[1] != 5 or not np.isfinite(rows).all():
        raise TemplateDamaged(f"minutiae have the shape (n, 5) and finite values, not {rows.shape}")
    if (rows[:, :2] < 0).any() or (rows[:, 0] > template.width).any() or (rows[:, 1] > template.height).any():
        raise TemplateDamaged("a minutia lies outside its image")
    if not np.isin(rows[:, 3], (0, 1)).all() or (rows[:, 4] < 0).any() or (rows[:, 4] > 1).any():
        raise TemplateDamaged("a minutia's kind is 0 or 1 and its confidence 0 to 1")
    packed = np.empty(len(rows), _MINUTIA)
    packed["x"] = np.rint(rows[:, 0] * UNITS_PER_PIXEL)
    packed["y"] = np.rint(rows[:, 1] * UNITS_PER_PIXEL)
    packed["angle"] = np.rint(rows[:, 2].astype(np.float64) / math.tau * UNITS_PER_TURN) % UNITS_PER_TURN
    packed["kind"] = rows[:, 3]
    packed["confidence"] = np.rint(rows[:, 4] * UNITS_OF_CONFIDENCE)
    return _Finger(
        packed.tobytes(),
        template.width,
        template.height,
        template.position,
        template.sensor,
        template.quality,
        template.made_by,
    )


def _unpack_finger(packed: _Finger) -> FingerTemplate:
    if len(packed.minutiae) % _MINUTIA.itemsize:
        raise TemplateDamaged("the list of minutiae is cut off")
    rows = np.frombuffer(packed.minutiae, _MINUTIA)
    minutiae = np.empty((len(rows), 5), np.float32)
    minutiae[:, 0] = rows["x"] / UNITS_PER_PIXEL
    minutiae[:, 1] = rows["y"] / UNITS_PER_PIXEL
    minutiae[:, 2] = rows["angle"] / UNITS_PER_TURN * math.tau
    minutiae[:, 3] = rows["kind"]
    minutiae[:, 4] = rows["confidence"] / UNITS_OF_CONFIDENCE
    outside = (minutiae[:, 0] > packed.width) | (minutiae[:, 1] > packed.height) | (rows["kind"] > 1)
    if outside.any():
        raise TemplateDamaged("a minutia lies outside its image or is of an unknown kind")
    return FingerTemplate(
        minutiae,
        packed.width,
        packed.height,
        packed.position,
        packed.sensor,
        packed.quality,
        packed.made_by,
    )
