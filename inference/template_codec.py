"""Protected templates to bytes and back: a version byte, then a MessagePack array with packed numbers.

Version 1 were plain templates (`plain_codec`); a store makes them protected when it is opened. The embedding
stays float32: a rotation keeps scores, and 10,000 entries are 5 MB.
"""

from __future__ import annotations

import math
import sys
from typing import Annotated, assert_never

import msgspec
import numpy as np
from msgspec import Meta

from inference.errors import TemplateDamaged
from inference.plain_codec import EMBEDDING_LENGTH, NORM_TOLERANCE
from inference.protection.finger import CODE_BYTES, CODE_WORDS, ROWS
from inference.protection.key_stream import KEY_ID_BYTES
from inference.types import FingerPosition, ProtectedFace, ProtectedFinger, ProtectedTemplate

VERSION = 2
MAX_BYTES = 16_384  # 1,000 sealed minutiae are 8 KB, 80 codes 2.5 KB

_Quality = Annotated[int, Meta(ge=0, le=100)]
_Text = Annotated[str, Meta(max_length=256)]
_KeyId = Annotated[bytes, Meta(min_length=KEY_ID_BYTES, max_length=KEY_ID_BYTES)]


class _Face(msgspec.Struct, frozen=True, tag="face", array_like=True, forbid_unknown_fields=True):
    embedding: Annotated[bytes, Meta(min_length=4 * EMBEDDING_LENGTH, max_length=4 * EMBEDDING_LENGTH)]
    quality: _Quality
    made_by: _Text
    key_id: _KeyId
    frames: Annotated[int, Meta(ge=1, le=255)] = 1


class _Finger(msgspec.Struct, frozen=True, tag="finger", array_like=True, forbid_unknown_fields=True):
    codes: Annotated[bytes, Meta(max_length=ROWS[-1] * CODE_BYTES)]
    sealed: Annotated[bytes, Meta(min_length=1)]
    position: FingerPosition
    sensor: _Text
    made_by: _Text
    key_id: _KeyId


_FLOATS, _WORDS = np.dtype("<f4"), np.dtype("<u8")
_DECODER = msgspec.msgpack.Decoder(_Face | _Finger)


def encode(template: ProtectedTemplate) -> bytes:
    """Return the template's bytes. Raises TemplateDamaged for one that `decode` would refuse."""
    match template:
        case ProtectedFace():
            packed: _Face | _Finger = _pack_face(template)
        case ProtectedFinger():
            packed = _pack_finger(template)
        case _:
            assert_never(template)
    data = bytes([VERSION]) + msgspec.msgpack.encode(packed)
    decode(data)
    return data


def decode(data: bytes) -> ProtectedTemplate:
    """Return the template in `data`. Raises TemplateDamaged."""
    if not data or data[0] != VERSION:
        raise TemplateDamaged(f"not a template of version {VERSION}; a newer Aidpost may have written it")
    if len(data) > MAX_BYTES:
        raise TemplateDamaged(f"a template has at most {MAX_BYTES} bytes, not {len(data)}")
    try:
        packed = _DECODER.decode(memoryview(data)[1:])
    except (msgspec.DecodeError, ValueError, RecursionError):
        # From None: the library's own message may quote the bytes.
        raise TemplateDamaged("the template's fields cannot be read") from None
    match packed:
        case _Face():
            return _unpack_face(packed)
        case _Finger():
            return _unpack_finger(packed)
        case _:
            assert_never(packed)


def _pack_face(template: ProtectedFace) -> _Face:
    embedding = template.embedding.astype("<f4").tobytes()
    return _Face(embedding, template.quality, template.made_by, template.key_id, template.frames)


def _unpack_face(packed: _Face) -> ProtectedFace:
    embedding = np.frombuffer(packed.embedding, _FLOATS).astype(np.float32)
    # Written so that NaN fails it too. At a start 20,000 are read: `np.linalg.norm` takes four times as long.
    if not abs(math.sqrt(embedding @ embedding) - 1.0) <= NORM_TOLERANCE:
        raise TemplateDamaged("the face embedding is not of length 1: it was wiped or damaged")
    made_by = sys.intern(packed.made_by)  # of thousands in memory nearly all are the same
    return ProtectedFace(embedding, packed.quality, made_by, packed.key_id, packed.frames)


def _pack_finger(template: ProtectedFinger) -> _Finger:
    return _Finger(
        template.codes.astype("<u8").tobytes(),
        template.sealed,
        template.position,
        template.sensor,
        template.made_by,
        template.key_id,
    )


def _unpack_finger(packed: _Finger) -> ProtectedFinger:
    rows, rest = divmod(len(packed.codes), CODE_BYTES)
    if rest or (rows and rows not in ROWS):
        raise TemplateDamaged(
            f"a finger has {', '.join(map(str, ROWS))} codes of {CODE_BYTES} bytes, or none"
        )
    codes = np.frombuffer(packed.codes, _WORDS).astype(np.uint64).reshape(rows, CODE_WORDS)
    return ProtectedFinger(
        codes=codes,
        sealed=packed.sealed,
        position=packed.position,
        sensor=sys.intern(packed.sensor),
        made_by=sys.intern(packed.made_by),
        key_id=packed.key_id,
    )
