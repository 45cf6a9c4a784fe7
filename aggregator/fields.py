"""Checks of single fields of what a device sent; each raises Malformed, and its message repeats no value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from aggregator.malformed import Malformed
from aggregator.unpacking import ID_BYTES, MAX_INT64

MILLISECOND_NS = 1_000_000
DIGEST_BYTES = 32  # SHA-256

_EnumT = TypeVar("_EnumT", bound=int)
_ValueT = TypeVar("_ValueT")


def known(values: Mapping[_EnumT, _ValueT], value: _EnumT, field: str) -> _ValueT:
    """Return what an enumeration's number means."""
    try:
        return values[value]
    except KeyError:
        raise Malformed(f"{field} is not a value that this version knows") from None


def identifier(value: bytes, field: str) -> bytes:
    """Return an identifier of 16 bytes."""
    if len(value) != ID_BYTES:
        raise Malformed(f"{field} must be 16 bytes")
    return value


def text(value: str, field: str, max_characters: int) -> str:
    """Return a text that can be shown on one line."""
    # isprintable is false for control characters, line breaks and marks that reverse the reading direction.
    if len(value) > max_characters or not value.isprintable():
        raise Malformed(f"{field} must be at most {max_characters} printable characters")
    return value


def counted(value: int, field: str) -> int:
    """Return a number that the store can hold."""
    if value > MAX_INT64:
        raise Malformed(f"{field} is too large")
    return value


def digest(value: bytes, field: str) -> bytes:
    """Return a SHA-256 digest."""
    if len(value) != DIGEST_BYTES:
        raise Malformed(f"{field} must be {DIGEST_BYTES} bytes")
    return value
