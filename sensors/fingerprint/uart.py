"""The serial port as the library may see it: only whole frames with the right checksum and address."""

from __future__ import annotations

import termios
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, assert_never

from serial import SerialTimeoutException

from sensors.errors import SensorProtocolError, SensorTimeout, SensorUnavailable
from sensors.fingerprint.protocol import (
    DEFAULT_ADDRESS,
    MAX_FRAME_BYTES,
    ChecksumMismatch,
    Command,
    Confirmation,
    DecodeFault,
    ImpossibleLength,
    Packet,
    PacketDecoder,
    PacketKind,
    SkippedBytes,
    UnknownKind,
)

QUIET_S: Final = 0.05  # at 9,600 baud a byte takes 1 ms, and a sensor leaves far less than this between two
MAX_STALE_BYTES: Final = 64 * 1024  # more than the largest image with its framing
DRAIN_TIMEOUT_S: Final = 8.0  # the rest of the largest image takes 7 s at 57,600 baud
_KIND_AT, _PAYLOAD_AT = 6, 9
_SUCCESSES = (Confirmation.OK, Confirmation.ECHO)


class SerialPort(Protocol):
    """The part of `serial.Serial` that is used here; tests hand in another."""

    baudrate: int
    timeout: float | None

    def read(self, size: int = 1, /) -> bytes:
        """Return up to `size` bytes, fewer only when the time-out has passed."""

    def write(self, data: bytes, /) -> int | None:
        """Send the bytes."""

    def reset_input_buffer(self) -> None:
        """Throw away what has arrived."""

    def close(self) -> None:
        """Free the port."""


class CheckedUart:
    """A serial port that gives the library `read` and `write`, but no byte of a frame that is not right.

    Every command first throws away stale input, since one stale byte puts the library out of step for good.
    """

    def __init__(
        self,
        port: SerialPort,
        name: str,
        address: int = DEFAULT_ADDRESS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._name = name
        self._address = address
        self._clock = clock
        self._decoder = PacketDecoder()
        self._arrived: deque[Packet | DecodeFault] = deque()
        self._frame = b""
        self._command: Command | None = None
        self._answer: int | None = None

    @property
    def answer(self) -> int | None:
        """Confirmation code of the answer to the last command, or None when there was none."""
        return self._answer

    def write(self, data: Iterable[int]) -> None:
        """Send one frame as the library made it."""
        frame = bytes(data)
        if frame[_KIND_AT] == PacketKind.COMMAND:
            self._forget_stale_input()
            self._command = Command(frame[_PAYLOAD_AT])
        with self._port_faults():
            self._port.write(frame)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of one verified frame, never of two."""
        if not self._frame:
            self._frame = self.receive().encode()
        piece, self._frame = self._frame[:size], self._frame[size:]
        return piece

    def ask(self, command: Command, *parameters: int) -> int:
        """Send a command and return the confirmation code of its answer."""
        payload = bytes((command, *parameters))
        self.write(Packet(PacketKind.COMMAND, payload, self._address).encode())
        answer = self.receive()
        if answer.kind is not PacketKind.ACKNOWLEDGEMENT:
            raise SensorProtocolError(self._text(f"sent {answer.kind.name} instead of an answer"))
        return answer.payload[0]

    def receive(self) -> Packet:
        """Return the next packet once its frame is verified.

        Stray bytes before an answer are skipped, since what follows is verified, for as long as one answer
        may take; raises `SensorTimeout`, `SensorProtocolError` or `SensorUnavailable`.
        """
        skipped = 0
        until_s = self._clock() + (self._port.timeout or 0.0)
        while True:
            match self._next():
                case Packet() as packet:
                    return self._verified(packet)
                case SkippedBytes(count):
                    skipped += count
                    if skipped > MAX_FRAME_BYTES or self._clock() > until_s:
                        raise SensorProtocolError(
                            self._text(
                                f"sent {skipped} bytes that are no frame; check its power and its port"
                            )
                        )
                case (ChecksumMismatch() | UnknownKind() | ImpossibleLength()) as fault:
                    raise SensorProtocolError(self._text(f"sent a damaged frame ({fault})"))
                case never:
                    assert_never(never)

    def receive_data(self, limit_bytes: int) -> bytearray:
        """Return the payloads of the data packets up to the last one; more than `limit_bytes` is a fault."""
        data = bytearray()
        while True:
            match self._next():
                case Packet(kind=PacketKind.DATA | PacketKind.END_OF_DATA) as packet:
                    data += self._verified(packet).payload
                    if len(data) > limit_bytes:
                        raise SensorProtocolError(self._text(f"sent more than {limit_bytes} bytes of data"))
                    if packet.kind is PacketKind.END_OF_DATA:
                        return data
                case Packet(kind=kind):
                    raise SensorProtocolError(self._text(f"broke off a transfer with {kind.name}"))
                case fault:
                    # A stray byte here may be what is left of a lost packet, so nothing is skipped.
                    raise SensorProtocolError(self._text(f"damaged a transfer ({fault})"))

    def drain(self) -> None:
        """Read and drop what still arrives, such as the rest of an image for an earlier program.

        Raises `SensorProtocolError` when it does not end: a fingerprint reader speaks only when it is asked.
        """
        self._forget_stale_input()
        until_s = self._clock() + DRAIN_TIMEOUT_S
        dropped = 0
        with self._port_faults():
            usual, self._port.timeout = self._port.timeout, QUIET_S
            while chunk := self._port.read(4096):
                dropped += len(chunk)
                if dropped > MAX_STALE_BYTES or self._clock() > until_s:
                    break
            self._port.timeout = usual
        if chunk:
            raise SensorProtocolError(
                f"what is on {self._name} never stops sending, so it is no fingerprint reader: "
                "set the port of the fingerprint reader"
            )

    def set_baud(self, baud: int) -> None:
        """Change the rate of this end."""
        with self._port_faults():
            self._port.baudrate = baud

    def set_timeout(self, reply_timeout_s: float) -> None:
        """Change how long an answer may take."""
        with self._port_faults():
            self._port.timeout = reply_timeout_s

    def close(self) -> None:
        """Free the port. May be called twice, and never raises."""
        # An unplugged adapter can fail even here; the file descriptor is released all the same.
        try:
            self._port.close()
        except (OSError, termios.error):
            return

    def _next(self) -> Packet | DecodeFault:
        while not self._arrived:
            wanted = self._decoder.missing
            with self._port_faults():
                chunk = self._port.read(wanted)
            self._arrived.extend(self._decoder.feed(chunk))
            if not self._arrived and len(chunk) < wanted:
                raise SensorTimeout(
                    self._text(
                        "gave no whole answer in time; check its power, and that TX and RX are crossed"
                    )
                )
        return self._arrived.popleft()

    def _verified(self, packet: Packet) -> Packet:
        if packet.address != self._address:
            raise SensorProtocolError(self._text(f"answered with address 0x{packet.address:08X}"))
        if packet.kind is PacketKind.ACKNOWLEDGEMENT:
            self._take_answer(packet)
        return packet

    def _take_answer(self, packet: Packet) -> None:
        if self._command is None or not packet.payload:
            raise SensorProtocolError(self._text("sent an answer that nothing asked for"))
        length = len(packet.encode())
        # A refusal may come as a plain answer of 12 bytes whatever was asked; a success has one length only.
        if packet.payload[0] in _SUCCESSES and length != self._command.reply_bytes:
            raise SensorProtocolError(
                self._text(
                    f"answered {self._command.name} with {length} bytes, not {self._command.reply_bytes}"
                )
            )
        self._answer = packet.payload[0]

    def _forget_stale_input(self) -> None:
        with self._port_faults():
            self._port.reset_input_buffer()
        self._decoder = PacketDecoder()
        self._arrived.clear()
        self._frame = b""
        self._command = self._answer = None

    @contextmanager
    def _port_faults(self) -> Iterator[None]:
        try:
            yield
        except SerialTimeoutException as error:
            raise SensorTimeout(self._text("took no bytes; check the serial adapter")) from error
        except (OSError, termios.error) as error:
            raise SensorUnavailable(self._text("has gone; plug it in again")) from error

    def _text(self, what: str) -> str:
        return f"fingerprint reader on {self._name} {what}"
