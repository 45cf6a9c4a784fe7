import termios

import pytest
import serial

from sensors.errors import SensorProtocolError, SensorTimeout, SensorUnavailable
from sensors.fingerprint.protocol import MAX_FRAME_BYTES, Command, Packet, PacketKind
from sensors.fingerprint.uart import CheckedUart


class ScriptedPort:
    """A serial port whose other end answers each command with the next of `answers`."""

    def __init__(self, *answers: bytes) -> None:
        self.baudrate = 57_600
        self.timeout: float | None = 1.0
        self.waiting = b""
        self.closed = False
        self._answers = list(answers)

    def read(self, size: int = 1, /) -> bytes:
        chunk, self.waiting = self.waiting[:size], self.waiting[size:]
        return chunk

    def write(self, data: bytes, /) -> int:
        self.waiting += self._answers.pop(0)
        return len(data)

    def reset_input_buffer(self) -> None:
        self.waiting = b""

    def close(self) -> None:
        self.closed = True


class ChatteringPort(ScriptedPort):
    """A port on which something else speaks without end, a sentence each tenth of a second."""

    now_s = 0.0

    def read(self, size: int = 1, /) -> bytes:
        self.now_s += 0.1
        return b"$GPGGA"[:size]

    def clock(self) -> float:
        return self.now_s


class BrokenPort(ScriptedPort):
    """A port whose every use fails with one error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def read(self, size: int = 1, /) -> bytes:
        raise self._error

    def write(self, data: bytes, /) -> int:
        raise self._error

    def close(self) -> None:
        raise self._error


def frame(payload: bytes, kind: PacketKind = PacketKind.ACKNOWLEDGEMENT) -> bytes:
    return Packet(kind, payload).encode()


OK = frame(b"\x00")
GET_IMAGE = Packet(PacketKind.COMMAND, bytes((Command.GET_IMAGE,))).encode()


def uart_with(*answers: bytes) -> tuple[CheckedUart, ScriptedPort]:
    port = ScriptedPort(*answers)
    return CheckedUart(port, "ttyS9"), port


def test_a_read_never_spans_two_frames() -> None:
    first, second = frame(b"\x01\x02", PacketKind.DATA), frame(b"\x03", PacketKind.END_OF_DATA)
    uart, _ = uart_with(OK + first + second)
    uart.write(GET_IMAGE)
    assert uart.read(12) == OK
    assert (uart.read(9), uart.read(100), uart.read(100)) == (first[:9], first[9:], second)


def test_stale_bytes_are_gone_before_a_command_and_the_rest_of_an_old_answer_too() -> None:
    uart, port = uart_with(OK + OK, frame(b"\x02"))
    uart.write(list(GET_IMAGE))
    assert uart.read(5) == OK[:5]
    port.waiting += b"\x55"
    uart.write(GET_IMAGE)
    assert uart.read(12) == frame(b"\x02")
    assert uart.answer == 0x02


def test_no_byte_of_a_damaged_frame_is_handed_out() -> None:
    damaged = {
        OK[:-1] + b"\x00": "checksum",
        Packet(PacketKind.ACKNOWLEDGEMENT, b"\x00", address=7).encode(): "address 0x00000007",
        OK[:6] + b"\x05" + OK[7:]: "unknown packet kind",
        b"\x55" * (MAX_FRAME_BYTES + 1) + OK: "no frame",
        frame(b"\x00\x00\x00"): "14 bytes, not 12",
    }
    for answer, words in damaged.items():
        uart, _ = uart_with(answer)
        uart.write(GET_IMAGE)
        with pytest.raises(SensorProtocolError, match=words):
            uart.read(12)
        assert uart.answer is None


def test_a_short_refusal_is_taken_whatever_was_asked() -> None:
    uart, _ = uart_with(frame(b"\x08"))
    assert uart.ask(Command.COMPARE) == 0x08


def test_silence_and_half_a_frame_are_timeouts() -> None:
    for answer in (b"", OK[:-1]):
        uart, _ = uart_with(answer)
        with pytest.raises(SensorTimeout, match="ttyS9"):
            uart.ask(Command.GET_IMAGE)


def test_a_transfer_ends_with_its_last_packet_and_at_its_limit() -> None:
    data = frame(b"ab", PacketKind.DATA) + frame(b"c", PacketKind.END_OF_DATA)
    uart, _ = uart_with(OK + data, OK + data, OK + data[:13] + b"\x00" + data[13:], OK + OK)
    uart.ask(Command.UPLOAD_IMAGE)
    assert uart.receive_data(3) == b"abc"
    uart.ask(Command.UPLOAD_IMAGE)
    with pytest.raises(SensorProtocolError, match="more than 2 bytes"):
        uart.receive_data(2)
    uart.ask(Command.UPLOAD_IMAGE)
    with pytest.raises(SensorProtocolError, match="damaged a transfer"):
        uart.receive_data(3)
    uart.ask(Command.UPLOAD_IMAGE)
    with pytest.raises(SensorProtocolError, match="broke off a transfer"):
        uart.receive_data(3)


def test_data_in_place_of_an_answer_is_a_fault() -> None:
    uart, _ = uart_with(frame(b"ab", PacketKind.DATA))
    with pytest.raises(SensorProtocolError, match="DATA instead of an answer"):
        uart.ask(Command.GET_IMAGE)


@pytest.mark.parametrize(
    "error", [serial.SerialException("gone"), OSError(5, "I/O error"), termios.error(5, "I/O error")]
)
def test_an_unplugged_port_is_unavailable_and_still_closes(error: Exception) -> None:
    uart = CheckedUart(BrokenPort(error), "ttyS9")
    with pytest.raises(SensorUnavailable, match="ttyS9"):
        uart.write(GET_IMAGE)
    with pytest.raises(SensorUnavailable):
        uart.read(12)
    uart.close()


def test_a_port_that_takes_no_bytes_is_a_timeout() -> None:
    uart = CheckedUart(BrokenPort(serial.SerialTimeoutException("full")), "ttyS9")
    with pytest.raises(SensorTimeout):
        uart.write(GET_IMAGE)


def test_a_port_on_which_something_else_speaks_is_given_up_in_seconds() -> None:
    port = ChatteringPort()
    uart = CheckedUart(port, "ttyS9", clock=port.clock)
    with pytest.raises(SensorProtocolError, match=r"never stops sending.*set the port"):
        uart.drain()
    assert port.now_s < 10

    begun_s = port.now_s
    with pytest.raises(SensorProtocolError, match="bytes that are no frame"):
        uart.receive()
    assert port.now_s - begun_s < 2
