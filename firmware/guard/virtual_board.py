"""A board in QEMU: what a Raspberry Pi has in its fuses is handed in as a file of the machine (fw_cfg)."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from firmware.guard.mailbox import GET_CUSTOMER_OTP, ROWS, SUCCESS, Mailbox, VcioMailbox

FUSES = Path("/sys/firmware/qemu_fw_cfg/by_name/opt/aidpost/otp/raw")
"""As `-fw_cfg name=opt/aidpost/otp,string=HEX` shows it: 64 hexadecimal digits."""
_TAG_AT, _TAG_CODE_AT, _ROWS_AT = 8, 16, 28


class VirtualMailbox:
    """Answers for the customer rows alone; they are programmed from outside and cannot be here."""

    def __init__(self, fuses: Path = FUSES) -> None:
        self._fuses = fuses

    def __call__(self, message: bytearray) -> None:
        """Exchange `message`. Raises OSError."""
        rows = bytes.fromhex(self._fuses.read_text())
        (tag,) = struct.unpack_from("<I", message, _TAG_AT)
        if tag != GET_CUSTOMER_OTP or len(rows) != 4 * ROWS:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        struct.pack_into("<I", message, 4, SUCCESS)
        struct.pack_into("<I", message, _TAG_CODE_AT, SUCCESS | len(message))
        message[_ROWS_AT : _ROWS_AT + len(rows)] = rows


def board_mailbox() -> Mailbox:
    """Return the mailbox of the board that this is, virtual or real."""
    return VirtualMailbox() if FUSES.exists() else VcioMailbox()
