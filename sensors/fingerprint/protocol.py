"""The ZhianTec frame codec: packets to bytes and back, without I/O and without a clock.

Frame: ``EF01 | address (4) | kind (1) | length (2) | payload | checksum (2)``, big-endian; the length counts
payload and checksum, the checksum is the 16-bit sum of kind, length and payload.
Source: R503 user manual 1.2.2 and AS60x communication manual; the two agree but for the codes named below.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final, Self, TypeAlias

START: Final = b"\xef\x01"
DEFAULT_ADDRESS: Final = 0xFFFF_FFFF
MAX_PAYLOAD_BYTES: Final = 256
FRAME_OVERHEAD_BYTES: Final = 11
MAX_FRAME_BYTES: Final = MAX_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES
BAUD_STEP: Final = 9600
"""Parameter 4 holds the baud rate as a multiple of this."""
BAUD_MULTIPLES: Final = (1, 2, 4, 6, 12)
"""Multiples that every model of the family takes (R503 user manual, baud rate control)."""

_HEADER = struct.Struct(">2sIBH")
_CHECKSUM = struct.Struct(">H")


@unique
class PacketKind(IntEnum):
    """What a packet is."""

    COMMAND = 0x01
    DATA = 0x02
    ACKNOWLEDGEMENT = 0x07
    END_OF_DATA = 0x08


_KINDS = frozenset(map(int, PacketKind))


@unique
class Command(IntEnum):
    """Instruction codes; `reply_bytes` is the length of the whole acknowledgement frame."""

    reply_bytes: int

    def __new__(cls, code: int, reply_bytes: int = 12) -> Self:
        """Make one instruction; a plain acknowledgement has 12 bytes."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.reply_bytes = reply_bytes
        return member

    GET_IMAGE = 0x01
    IMAGE_TO_CHARACTERISTICS = 0x02
    COMPARE = 0x03, 14
    SEARCH = 0x04, 16
    MAKE_TEMPLATE = 0x05
    STORE = 0x06
    LOAD = 0x07
    UPLOAD_CHARACTERISTICS = 0x08
    DOWNLOAD_CHARACTERISTICS = 0x09
    UPLOAD_IMAGE = 0x0A
    DOWNLOAD_IMAGE = 0x0B
    DELETE = 0x0C
    EMPTY = 0x0D
    SET_PARAMETER = 0x0E
    READ_PARAMETERS = 0x0F, 28
    VERIFY_PASSWORD = 0x13
    FAST_SEARCH = 0x1B, 16
    COUNT_TEMPLATES = 0x1D, 14
    READ_INDEX = 0x1F, 44
    SET_RING = 0x35
    SOFT_RESET = 0x3D
    ECHO = 0x53


@unique
class Parameter(IntEnum):
    """Numbers of the system parameters that `Command.SET_PARAMETER` takes."""

    BAUD = 4
    SECURITY_LEVEL = 5
    PACKET_SIZE = 6


@unique
class Confirmation(IntEnum):
    """Confirmation codes of an acknowledgement with the data sheets' meaning; unknown codes are UNDEFINED.

    TOO_DRY, TOO_WET and RESIDUAL_PRINT are in the AS60x manual alone; the R503 manual leaves them out.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str = "") -> Self:
        """Make one code with its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0x00, "done"
    PACKET_ERROR = 0x01, "packet received with an error"
    NO_FINGER = 0x02, "no finger on the sensor"
    IMAGE_FAILED = 0x03, "finger not captured"
    TOO_DRY = 0x04, "image too dry or too light for features"
    TOO_WET = 0x05, "image too wet or too blurred for features"
    IMAGE_MESSY = 0x06, "image too disorderly for features"
    TOO_FEW_FEATURES = 0x07, "too few features or too small an area"
    NO_MATCH = 0x08, "the fingers do not match"
    NOT_FOUND = 0x09, "no matching finger in the library"
    TEMPLATES_DIFFER = 0x0A, "the two characteristics are not of one finger"
    PAGE_OUT_OF_RANGE = 0x0B, "page number beyond the library"
    PAGE_UNREADABLE = 0x0C, "no valid template on that page"
    UPLOAD_TEMPLATE_FAILED = 0x0D, "characteristics cannot be uploaded"
    NO_DATA_ACCEPTED = 0x0E, "no data packets accepted"
    UPLOAD_IMAGE_FAILED = 0x0F, "image cannot be uploaded"
    DELETE_FAILED = 0x10, "template not deleted"
    EMPTY_FAILED = 0x11, "library not emptied"
    WRONG_PASSWORD = 0x13, "wrong password"
    NO_IMAGE = 0x15, "no valid image in the buffer"
    RESIDUAL_PRINT = 0x17, "residual print, or the finger was not moved"
    FLASH_FAULT = 0x18, "flash memory fault"
    UNDEFINED = 0x19, "undefined error"
    WRONG_REGISTER = 0x1A, "no such parameter"
    WRONG_REGISTER_CONTENT = 0x1B, "parameter value not allowed"
    LIBRARY_FULL = 0x1F, "library full"
    WRONG_ADDRESS = 0x20, "wrong address"
    PASSWORD_REQUIRED = 0x21, "password must be verified first"
    ECHO = 0x55, "module well"

    @classmethod
    def _missing_(cls, value: object) -> Confirmation:
        return cls.UNDEFINED


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; payload of 0 to 256 bytes, of which a command's first is its instruction code."""

    kind: PacketKind
    payload: bytes
    address: int = DEFAULT_ADDRESS

    def __post_init__(self) -> None:
        if len(self.payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a packet holds at most {MAX_PAYLOAD_BYTES} bytes, not {len(self.payload)}")

    def encode(self) -> bytes:
        """Return the frame as it goes over the wire."""
        length = len(self.payload) + _CHECKSUM.size
        header = _HEADER.pack(START, self.address, self.kind, length)
        return header + self.payload + _CHECKSUM.pack(_checksum(self.kind, length, self.payload))


@dataclass(frozen=True, slots=True)
class SkippedBytes:
    """Bytes that belong to no frame."""

    count: int

    def __str__(self) -> str:
        return f"{self.count} bytes outside any frame"


@dataclass(frozen=True, slots=True)
class ChecksumMismatch:
    """A frame whose checksum is not the sum of its bytes."""

    received: int
    computed: int

    def __str__(self) -> str:
        return f"checksum 0x{self.received:04X} instead of 0x{self.computed:04X}"


@dataclass(frozen=True, slots=True)
class UnknownKind:
    """A frame of a kind that the protocol does not have."""

    kind: int

    def __str__(self) -> str:
        return f"unknown packet kind 0x{self.kind:02X}"


@dataclass(frozen=True, slots=True)
class ImpossibleLength:
    """A frame whose length field no packet can have."""

    length: int

    def __str__(self) -> str:
        return f"impossible packet length {self.length}"


DecodeFault: TypeAlias = SkippedBytes | ChecksumMismatch | UnknownKind | ImpossibleLength


class PacketDecoder:
    """Turns chunks of any size into packets and faults; after a fault it looks for the next start code."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def missing(self) -> int:
        """Bytes that the frame under way needs at least; reading just these never reads past its end."""
        if len(self._buffer) < _HEADER.size:
            return FRAME_OVERHEAD_BYTES - len(self._buffer)
        length: int = _HEADER.unpack_from(self._buffer)[3]
        return _HEADER.size + length - len(self._buffer)

    def feed(self, chunk: bytes) -> list[Packet | DecodeFault]:
        """Take the next bytes and return what they complete, in order."""
        self._buffer += chunk
        found: list[Packet | DecodeFault] = []
        while (item := self._next()) is not None:
            found.append(item)
        return found

    def _next(self) -> Packet | DecodeFault | None:
        buffer = self._buffer
        if (skipped := self._skip_to_start()) > 0:
            return SkippedBytes(skipped)
        if len(buffer) < _HEADER.size:
            return None
        _, address, kind, length = _HEADER.unpack_from(buffer)
        if kind not in _KINDS:
            return self._reject(UnknownKind(kind))
        if not _CHECKSUM.size <= length <= MAX_PAYLOAD_BYTES + _CHECKSUM.size:
            return self._reject(ImpossibleLength(length))
        end = _HEADER.size + length
        if len(buffer) < end:
            return None
        payload = bytes(buffer[_HEADER.size : end - _CHECKSUM.size])
        received: int = _CHECKSUM.unpack_from(buffer, end - _CHECKSUM.size)[0]
        if received != (computed := _checksum(kind, length, payload)):
            return self._reject(ChecksumMismatch(received, computed))
        del buffer[:end]
        return Packet(PacketKind(kind), payload, address)

    def _skip_to_start(self) -> int:
        at = self._buffer.find(START)
        if at < 0:
            at = len(self._buffer) - (1 if self._buffer.endswith(START[:1]) else 0)
        del self._buffer[:at]
        return at

    def _reject(self, fault: DecodeFault) -> DecodeFault:
        # Only the start code is dropped: a damaged length field may have swallowed the next good frame.
        del self._buffer[: len(START)]
        return fault


def _checksum(kind: int, length: int, payload: bytes) -> int:
    return (kind + (length >> 8) + (length & 0xFF) + sum(payload)) & 0xFFFF
