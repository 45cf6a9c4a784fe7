"""The part of a module that holds characteristics: two buffers, the template library, the comparison."""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

from sensors.emulator import characteristics
from sensors.emulator.faults import FaultKind, FaultSchedule
from sensors.fingerprint.protocol import Confirmation
from sensors.frames import Pixels

Outcome: TypeAlias = tuple[Confirmation, bytes]
"""Confirmation code, and the bytes that follow it in the answer."""
MATCH_SCORES: Final = {1: 110, 2: 125, 3: 140, 4: 155, 5: 170}
"""Score that counts as a match at each security level of the emulated comparison."""
_INDEX_PAGE_TEMPLATES = 256


class TemplateUnit:
    """Buffers 1 and 2 and the library; every template has the same length."""

    def __init__(self, capacity: int, template_bytes: int, faults: FaultSchedule) -> None:
        self.library: dict[int, bytes] = {}
        self.security_level = 3
        self._capacity = capacity
        self._template_bytes = template_bytes
        self._faults = faults
        self._buffers: dict[int, bytes] = {}

    def power_up(self) -> None:
        """Lose the buffers; the library stays."""
        self._buffers.clear()

    def put(self, buffer: int, data: bytes) -> None:
        """Fill a buffer with what the host sent."""
        self._buffers[_number(buffer)] = data

    def get(self, buffer: int) -> bytes | None:
        """Return what a buffer holds."""
        return self._buffers.get(_number(buffer))

    def extract(self, image: Pixels, buffer: int) -> Outcome:
        """Make characteristics of `image`."""
        data = characteristics.extract(image, self._template_bytes)
        if data is None:
            return Confirmation.TOO_FEW_FEATURES, b""
        self.put(buffer, data)
        return Confirmation.OK, b""

    def compare(self) -> Outcome:
        """Compare the two buffers."""
        score = self._score()
        code = Confirmation.OK if score >= self._match_score else Confirmation.NO_MATCH
        return code, struct.pack(">H", score)

    def merge(self) -> Outcome:
        """Make one template of the two buffers, both of which then hold it."""
        if self._score() < self._match_score:
            return Confirmation.TEMPLATES_DIFFER, b""
        self._buffers[2] = self._buffers[1]
        return Confirmation.OK, b""

    def search(self, buffer: int, start: int, count: int) -> Outcome:
        """Look for the buffer's finger on pages `start` to `start + count - 1`."""
        best_page, best_score = 0, 0
        if self._holds_template(buffer):
            comparator = characteristics.Comparator(self._buffers[_number(buffer)])
            for page in sorted(self.library.keys() & set(range(start, start + count))):
                if (score := comparator.score(self.library[page])) > best_score:
                    best_page, best_score = page, score
        if best_score >= self._match_score:
            return Confirmation.OK, struct.pack(">HH", best_page, best_score)
        # As long as a hit: the library reads 16 bytes either way.
        return Confirmation.NOT_FOUND, struct.pack(">HH", 0, 0)

    def store(self, buffer: int, page: int) -> Outcome:
        """Put the buffer's template on a page."""
        if self._faults.strike(FaultKind.FULL_LIBRARY):
            return Confirmation.LIBRARY_FULL, b""
        if page >= self._capacity:
            return Confirmation.PAGE_OUT_OF_RANGE, b""
        if not self._holds_template(buffer):
            return Confirmation.FLASH_FAULT, b""
        self.library[page] = self._buffers[_number(buffer)]
        return Confirmation.OK, b""

    def load(self, buffer: int, page: int) -> Outcome:
        """Copy a page into a buffer."""
        if page >= self._capacity:
            return Confirmation.PAGE_OUT_OF_RANGE, b""
        if page not in self.library:
            return Confirmation.PAGE_UNREADABLE, b""
        self.put(buffer, self.library[page])
        return Confirmation.OK, b""

    def delete(self, page: int, count: int) -> Outcome:
        """Clear `count` pages."""
        if page + count > self._capacity:
            return Confirmation.DELETE_FAILED, b""
        for number in range(page, page + count):
            self.library.pop(number, None)
        return Confirmation.OK, b""

    def index(self, index_page: int) -> Outcome:
        """Tell which of 256 pages are in use, one bit each."""
        table = bytearray(_INDEX_PAGE_TEMPLATES // 8)
        for page in self.library:
            if page // _INDEX_PAGE_TEMPLATES == index_page:
                at = page % _INDEX_PAGE_TEMPLATES
                table[at // 8] |= 1 << (at % 8)
        return Confirmation.OK, bytes(table)

    def fill(self) -> None:
        """Put an empty template on every page, as another system may have used the sensor up."""
        self.library.update((page, bytes(self._template_bytes)) for page in range(self._capacity))

    @property
    def _match_score(self) -> int:
        return MATCH_SCORES[self.security_level]

    def _score(self) -> int:
        if not (self._holds_template(1) and self._holds_template(2)):
            return 0
        return characteristics.compare(self._buffers[1], self._buffers[2])

    def _holds_template(self, buffer: int) -> bool:
        return len(self._buffers.get(_number(buffer), b"")) == self._template_bytes


def _number(buffer: int) -> int:
    # The manual: any number but 1 means buffer 2.
    return 1 if buffer == 1 else 2
