"""The canonical form of events, written from columns: protobuf's wire format, fields in order of their tags.

The hash chains of the devices cover it, so it is byte for byte what serializing the messages gives (a test
holds it against that). Written by hand, since a message object for each event costs three times as much.
"""

from __future__ import annotations

from functools import lru_cache

SMALL = tuple(bytes((n,)) if n < 0x80 else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(0x4000))
"""Varints of the numbers below 2**14: nearly all that a check-in has."""
_LOW_PART = tuple(bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(0x4000))


def varint(value: int) -> bytes:
    """Return a number from 0 to 2**64 - 1 as a base-128 varint."""
    if value < 0x4000:
        return SMALL[value]
    # The high parts of times and sequence numbers are the same for all events of a batch.
    return _LOW_PART[value & 0x3FFF] + _high_part(value >> 14)


def zigzag(value: int) -> bytes:
    """Return a sint32 as a varint."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def number(tag: int, value: int) -> bytes:
    """Return a field of a varint without presence: nothing for 0. tag: with the wire type, below 128."""
    return SMALL[tag] + varint(value) if value else b""


def length_delimited(tag: int, value: bytes) -> bytes:
    """Return a field of bytes or a text without presence: nothing where it is empty."""
    return SMALL[tag] + varint(len(value)) + value if value else b""


def moment(boot: bytes, monotonic_ms: int, wall_ms: int, quality: bytes) -> bytes:
    """Return Event.moment; boot, quality: `boot_id` and `clock_quality` as fields."""
    monotonic = b"\x10" + varint(monotonic_ms) if monotonic_ms else b""
    wall = b"\x18" + varint(wall_ms) if wall_ms else b""
    content = b"".join((boot, monotonic, wall, quality))
    return b"\x12" + SMALL[len(content)] + content


class StageHead:
    """CheckIn.stages of one name, up to the time, by how long that is as a varint."""

    def __init__(self, name: bytes) -> None:
        head = length_delimited(0x0A, name)
        self.none = b"\x62" + SMALL[len(head)] + head
        self._sized = tuple(b"\x62" + SMALL[len(head) + 1 + size] + head + b"\x10" for size in range(6))
        self.one, self.two = self._sized[1:3]

    def with_time(self, tenths_ms: int) -> bytes:
        """Return the stage with its time, tenths of milliseconds; a time of 0 is left out."""
        if 0x80 <= tenths_ms < 0x4000:
            return self.two + SMALL[tenths_ms]
        if 0 < tenths_ms < 0x80:
            return self.one + SMALL[tenths_ms]
        if not tenths_ms:
            return self.none
        written = varint(tenths_ms)
        return self._sized[len(written)] + written


@lru_cache(maxsize=4096)
def _high_part(value: int) -> bytes:
    return varint(value)
