"""Byte strings of any length, one after the other, so that no two lists have the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_LENGTH_BYTES = 4
WORDS_BYTES = 16


def join(fields: Sequence[bytes]) -> bytes:
    """Return the fields, each after its length (4 bytes, big endian)."""
    return b"".join(len(field).to_bytes(_LENGTH_BYTES, "big") + field for field in fields)


def split(data: bytes) -> list[bytes]:
    """Return the fields. Raises ValueError for what `join` did not make."""
    fields, at = [], 0
    while at < len(data):
        begin = at + _LENGTH_BYTES
        end = begin + int.from_bytes(data[at:begin], "big")
        if end > len(data) or begin > len(data):
            raise ValueError("cut off")
        fields.append(data[begin:end])
        at = end
    return fields


def words(data: bytes) -> str:
    """Return what two people compare to know that they mean the same key: 128 bits in eight groups.

    Twice as long as a device's words at joining (`trust.checking.key_words`): there an operator waits, here a
    forger has as long as the gallery lives to look for a second key with the same words.
    """
    digest = hashlib.sha256(data).hexdigest()[: 2 * WORDS_BYTES]
    return "-".join(digest[start : start + 4] for start in range(0, len(digest), 4))
