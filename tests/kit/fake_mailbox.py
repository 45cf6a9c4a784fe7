"""A firmware mailbox with customer OTP rows that obeys the firmware's rules: layout, sizes, and fuses."""

from __future__ import annotations

import errno
import struct

GET, SET = 0x00030021, 0x00038021
SUCCESS, PARSE_ERROR, ANSWERED = 0x80000000, 0x80000001, 0x80000000


class FakeMailbox:
    def __init__(self) -> None:
        self.rows = [0] * 8
        self.locked = False
        self.absent = False

    def __call__(self, message: bytearray) -> None:
        if self.absent:
            raise OSError(errno.ENOENT, "No such file or directory")
        words = list(struct.unpack(f"<{len(message) // 4}I", message))
        size, code, tag, value_size, tag_code, start, count = words[:7]
        values = slice(7, 7 + count)
        whole = (
            size == len(message) == 4 * (5 + value_size // 4 + 1)
            and code == tag_code == words[-1] == 0
            and value_size == 4 * (2 + count)
            and 0 <= start <= start + count <= 8
        )
        if not whole:
            words[1] = PARSE_ERROR
        else:
            words[1] = SUCCESS
            if tag in (GET, SET):
                if tag == SET and not self.locked:
                    for row, bits in enumerate(words[values], start):
                        self.rows[row] |= bits  # a fuse goes from 0 to 1, never back
                words[values] = self.rows[start : start + count]
                words[4] = ANSWERED | value_size
        message[:] = struct.pack(f"<{len(words)}I", *words)
