"""The Raspberry Pi firmware's property mailbox: the customer's one-time-programmable rows, and its flags.

Source: "Mailbox property interface" of the raspberrypi/firmware wiki, and the kernel's nvmem driver for the
same rows. A message is 32-bit words, little endian: its size in bytes, a code, tags, and a zero; a tag is its
number, the size of its value, a code, and the value.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Protocol

from trust.keys.errors import GuardUnavailable

ROWS = 8  # rows 36 to 43 of the chip, 32 bits each: left to the owner of the board
GET_CUSTOMER_OTP = 0x00030021
SET_CUSTOMER_OTP = 0x00038021
GET_THROTTLED = 0x00030046
REQUEST, SUCCESS = 0x00000000, 0x80000000
_IOCTL_PROPERTY = 0xC0006400 | struct.calcsize("P") << 16  # _IOWR(100, 0, char *)
_HEADER, _TAG, _RANGE = struct.Struct("<II"), struct.Struct("<III"), struct.Struct("<II")
_VALUE_AT = _HEADER.size + _TAG.size + _RANGE.size


class Mailbox(Protocol):
    """Passes one message to the firmware, which answers in place."""

    def __call__(self, message: bytearray) -> None:
        """Exchange `message`. Raises OSError."""


class VcioMailbox:
    """The kernel's /dev/vcio."""

    def __init__(self, path: Path = Path("/dev/vcio")) -> None:
        self._path = path

    def __call__(self, message: bytearray) -> None:
        """Exchange `message` by the driver's only ioctl."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _IOCTL_PROPERTY, message, True)
        finally:
            os.close(descriptor)


def read_rows(mailbox: Mailbox) -> bytearray:
    """Return the eight rows as 32 bytes, for the caller to overwrite. Raises GuardUnavailable."""
    message = _message(GET_CUSTOMER_OTP, bytes(4 * ROWS))
    try:
        _exchange(mailbox, message)
        return message[_VALUE_AT : _VALUE_AT + 4 * ROWS]
    finally:
        message[:] = bytes(len(message))


def program_rows(mailbox: Mailbox, value: bytes | bytearray | memoryview) -> None:
    """Set in the eight rows each bit that is set in `value`; a set bit is never cleared again.

    Raises GuardUnavailable when the firmware refuses, or the rows do not read back.
    """
    message = _message(SET_CUSTOMER_OTP, value)
    try:
        _exchange(mailbox, message)
    finally:
        message[:] = bytes(len(message))
    rows = read_rows(mailbox)
    programmed = all(row & bits == bits for row, bits in zip(rows, value, strict=True))
    rows[:] = bytes(len(rows))
    if not programmed:
        raise GuardUnavailable("the customer OTP rows did not take the value: they are locked on this board")


def read_throttled(mailbox: Mailbox) -> int | None:
    """Return the flags as `vcgencmd get_throttled` shows them, None where there is no such firmware."""
    message = bytearray(_HEADER.size + _TAG.size + 8)
    _HEADER.pack_into(message, 0, len(message), REQUEST)
    _TAG.pack_into(message, _HEADER.size, GET_THROTTLED, 4, REQUEST)
    try:
        _exchange(mailbox, message)
    except GuardUnavailable:
        return None
    (flags,) = struct.unpack_from("<I", message, _HEADER.size + _TAG.size)
    return int(flags)


def _message(tag: int, rows: bytes | bytearray | memoryview) -> bytearray:
    value_size = _RANGE.size + len(rows)
    size = _HEADER.size + _TAG.size + value_size + 4
    message = bytearray(size)
    _HEADER.pack_into(message, 0, size, REQUEST)
    _TAG.pack_into(message, _HEADER.size, tag, value_size, REQUEST)
    _RANGE.pack_into(message, _HEADER.size + _TAG.size, 0, ROWS)
    message[_VALUE_AT : _VALUE_AT + len(rows)] = rows
    return message


def _exchange(mailbox: Mailbox, message: bytearray) -> None:
    try:
        mailbox(message)
    except OSError as error:
        raise GuardUnavailable(
            f"the firmware mailbox /dev/vcio does not answer ({error.strerror}): the `otp` guard needs a "
            "Raspberry Pi, and a user in the group `video`"
        ) from error
    (code,) = struct.unpack_from("<I", message, 4)
    (answered,) = struct.unpack_from("<I", message, _HEADER.size + 8)
    if code != SUCCESS or not answered & SUCCESS:
        raise GuardUnavailable(
            f"the firmware refused the customer OTP rows (code {code:#x}): update the board's firmware, or "
            "choose another `keys.guard`"
        )
