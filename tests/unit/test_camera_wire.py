"""The protocol between the appliance and the camera's process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.camera import wire
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

HEADER = wire.Header(wire.Kind.FRAME, 7, 123_456_789_012_345, 640, 480, 640 * 480 * 3)


def test_a_header_is_read_as_it_was_written() -> None:
    assert wire.Header.from_bytes(HEADER.to_bytes()) == HEADER


def test_a_request_carries_its_number_and_time() -> None:
    header = wire.Header.from_bytes(wire.encode_capture(3, 99))

    assert (header.kind, header.request, header.time_ns) == (wire.Kind.CAPTURE, 3, 99)


def test_what_is_to_be_opened_is_read_as_it_was_written() -> None:
    settings = CameraSettings("picamera2", "1", 1640, 1232, "YUV420")

    assert CameraSettings.from_json(_payload(wire.encode_open(settings)).decode()) == settings


def test_a_greeting_is_read_as_it_was_written() -> None:
    info = CameraInfo(DeviceIdentity("imx708", "/base/i2c/ümlaut"), 640, 480, "picamera2")

    assert wire.decode_ready(_payload(wire.encode_ready(info))) == info


@pytest.mark.parametrize(
    "kind",
    [SensorMisconfigured, SensorProtocolError, SensorRefused, SensorTimeout, SensorUnavailable],
)
def test_a_fault_keeps_its_class_and_message(kind: type[SensorError]) -> None:
    fault = wire.decode_fault(_payload(wire.encode_fault(1, kind("check the cable"))))

    assert type(fault) is kind
    assert str(fault) == "check the cable"


def test_a_frame_whose_size_and_bytes_disagree_is_refused() -> None:
    short = wire.Header(wire.Kind.FRAME, 7, 0, 640, 480, 640 * 480 * 3 - 1)
    with pytest.raises(SensorProtocolError, match="payload"):
        wire.Header.from_bytes(short.to_bytes())


def test_text_without_bounds_is_refused() -> None:
    long = wire.Header(wire.Kind.FAULT, payload_bytes=wire.TEXT_LIMIT_BYTES + 1)
    with pytest.raises(SensorProtocolError, match="payload"):
        wire.Header.from_bytes(long.to_bytes())


@given(st.binary(min_size=wire.HEADER_BYTES, max_size=wire.HEADER_BYTES))
def test_garbage_is_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(SensorProtocolError):
        wire.Header.from_bytes(raw)


@given(st.binary(max_size=80))
def test_a_garbled_greeting_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(SensorProtocolError):
        wire.decode_ready(payload)


def _payload(message: bytes) -> bytes:
    header = wire.Header.from_bytes(message[: wire.HEADER_BYTES])
    payload = message[wire.HEADER_BYTES :]
    assert len(payload) == header.payload_bytes
    return payload
