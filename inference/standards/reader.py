"""Reads big-endian fields of a record; every length is checked before anything is taken."""

from __future__ import annotations

import struct

from inference.errors import RecordRefused


class Reader:
    """One pass over bytes; nothing is copied but what is asked for."""

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        """what: names the record in a refusal."""
        self._data = memoryview(data)
        self._at = 0
        self._what = what

    @property
    def left(self) -> int:
        """How many bytes were not read."""
        return len(self._data) - self._at

    def take(self, count: int) -> memoryview:
        """Return the next bytes. Raises RecordRefused where there are fewer."""
        if count > self.left:
            raise RecordRefused(
                f"the {self._what} is cut off: {count} more bytes are named, {self.left} left"
            )
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def skip(self, count: int) -> None:
        """Pass over bytes. Raises RecordRefused where there are fewer."""
        self.take(count)

    def numbers(self, form: str) -> tuple[int, ...]:
        """Return unsigned fields: B, H and I of `struct`, big-endian. Raises RecordRefused."""
        return struct.unpack(f">{form}", self.take(struct.calcsize(f">{form}")))

    def within(self, count: int) -> Reader:
        """Return a reader of the next bytes alone. Raises RecordRefused where there are fewer."""
        return Reader(self.take(count), self._what)
