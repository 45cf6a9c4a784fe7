"""The protocol between the appliance and the camera's own process, over pipes or a socket. It does no I/O.

Each message is a header of 32 bytes and a payload. The parent says `OPEN` once, with the settings. The child
says `READY` once, or `FAULT` and ends; then each `CAPTURE` is answered by one `FRAME`, or by `FAULT` and the
end of the child. When what the parent says ends, that means "close the camera and end"; `END` means "end at
once".
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum, unique
from typing import Any

from sensors.camera.port import CameraInfo
from sensors.camera.settings import CameraSettings
from sensors.errors import (
    SensorError,
    SensorMisconfigured,
    SensorProtocolError,
    SensorRefused,
    SensorTimeout,
    SensorUnavailable,
)
from sensors.frames import DeviceIdentity

_MAGIC = b"AIDC"
_LAYOUT = struct.Struct("<4sB3xIQHHI4x")  # magic, kind, request, time in ns, width, height, payload bytes
HEADER_BYTES = _LAYOUT.size
TEXT_LIMIT_BYTES = 16_384
_MESSAGE_LIMIT = 1_000

_FAULTS: dict[str, type[SensorError]] = {
    fault.__name__: fault
    for fault in (
        SensorMisconfigured,
        SensorProtocolError,
        SensorRefused,
        SensorTimeout,
        SensorUnavailable,
    )
}


@unique
class Kind(IntEnum):
    """What a message is."""

    CAPTURE = 1
    READY = 2
    FRAME = 3
    FAULT = 4
    OPEN = 5
    END = 6


@dataclass(frozen=True, slots=True)
class Header:
    """The fixed part of a message.

    time_ns: monotonic; for `CAPTURE` the earliest start of the exposure, for `FRAME` when it began.
    width, height: pixels of a `FRAME`, whose payload is width x height x 3 bytes, BGR.
    """

    kind: Kind
    request: int = 0
    time_ns: int = 0
    width: int = 0
    height: int = 0
    payload_bytes: int = 0

    def to_bytes(self) -> bytes:
        """Return the header as 32 bytes."""
        return _LAYOUT.pack(
            _MAGIC, self.kind, self.request, self.time_ns, self.width, self.height, self.payload_bytes
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Header:
        """Read 32 bytes; raise `SensorProtocolError` on anything that `to_bytes` cannot have written."""
        magic, kind, request, time_ns, width, height, payload_bytes = _LAYOUT.unpack(raw)
        if magic != _MAGIC or kind not in set(Kind):
            raise _nonsense("an unknown header")
        header = cls(Kind(kind), request, time_ns, width, height, payload_bytes)
        allowed_bytes = width * height * 3 if header.kind is Kind.FRAME else TEXT_LIMIT_BYTES
        if payload_bytes > allowed_bytes or (header.kind is Kind.FRAME and payload_bytes != allowed_bytes):
            raise _nonsense(f"a payload of {payload_bytes} bytes")
        return header


def encode_open(settings: CameraSettings) -> bytes:
    """Say which camera to open."""
    payload = settings.to_json().encode()
    return Header(Kind.OPEN, payload_bytes=len(payload)).to_bytes() + payload


def encode_end() -> bytes:
    """Tell the child to end without closing its camera, which hangs."""
    return Header(Kind.END).to_bytes()


def encode_capture(request: int, not_before_ns: int) -> bytes:
    """Ask for a frame."""
    return Header(Kind.CAPTURE, request, not_before_ns).to_bytes()


def encode_ready(info: CameraInfo) -> bytes:
    """Say that the camera is open, and what it is."""
    return _text(Kind.READY, 0, asdict(info))


def decode_ready(payload: bytes) -> CameraInfo:
    """Read what `encode_ready` wrote."""
    fields = _fields(payload)
    try:
        identity = DeviceIdentity(str(fields["identity"]["model"]), str(fields["identity"]["unit"]))
        return CameraInfo(identity, int(fields["width"]), int(fields["height"]), str(fields["driver"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _nonsense("an incomplete greeting") from error


def encode_fault(request: int, fault: SensorError) -> bytes:
    """Say what is wrong; the child ends after it."""
    kind = type(fault).__name__
    return _text(Kind.FAULT, request, {"kind": kind, "message": str(fault)[:_MESSAGE_LIMIT]})


def decode_fault(payload: bytes) -> SensorError:
    """Read what `encode_fault` wrote, as the same exception."""
    fields = _fields(payload)
    fault = _FAULTS.get(str(fields.get("kind")), SensorUnavailable)
    return fault(str(fields.get("message"))[:_MESSAGE_LIMIT])


def _text(kind: Kind, request: int, fields: dict[str, Any]) -> bytes:
    payload = json.dumps(fields).encode()
    return Header(kind, request, payload_bytes=len(payload)).to_bytes() + payload


def _fields(payload: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(payload)
    except ValueError as error:
        raise _nonsense("text that is not JSON") from error
    if not isinstance(fields, dict):
        raise _nonsense("text without fields")
    return fields


def _nonsense(what: str) -> SensorProtocolError:
    return SensorProtocolError(f"the camera's process sent {what}; it is ended and started anew")
