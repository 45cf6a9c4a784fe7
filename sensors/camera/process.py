"""One process with one camera. It serves until its first fault and is then dead: start another."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from sensors.camera import wire
from sensors.camera.channel import Channel
from sensors.camera.port import CameraInfo
from sensors.camera.settings import CameraSettings
from sensors.errors import SensorError, SensorProtocolError, SensorTimeout, SensorUnavailable
from sensors.frames import ColourFrame

# The process needs up to 2 s of its own to close a camera that hangs; one that was ended at once is gone in
# milliseconds unless the kernel's driver holds it.
_CLOSE_WAIT_S = 4.0
_KILL_WAIT_S = 2.0


class CameraProcess:
    """A process that was begun. All deadlines are readings of `monotonic_s`."""

    def __init__(
        self,
        settings: CameraSettings,
        channel: Channel,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._monotonic_s = monotonic_s
        self.started_at_s = monotonic_s()
        self._request = 0
        self._info: CameraInfo | None = None
        self._poll = select.poll()
        self._poll.register(channel.output_fd, select.POLLIN)
        with suppress(OSError):  # it has ended already: waiting for it to be ready says how
            channel.send(wire.encode_open(settings))

    @property
    def pid(self) -> int | None:
        """The process id, None where systemd alone knows it."""
        return self._channel.pid

    @property
    def is_ready(self) -> bool:
        """Whether the camera has been opened."""
        return self._info is not None

    def wait_ready(self, deadline_s: float) -> CameraInfo:
        """Wait until the camera is open; raise the child's own fault when it cannot be opened."""
        if self._info is None:
            header = self._receive_header(deadline_s)
            if header.kind is not wire.Kind.READY:
                raise self._unexpected(header, deadline_s)
            self._info = wire.decode_ready(self._receive(header.payload_bytes, deadline_s))
        return self._info

    def capture(self, deadline_s: float) -> ColourFrame:
        """Ask for a frame and return it; it was exposed after this call began."""
        info = self.wait_ready(deadline_s)
        self._request += 1
        not_before_ns = int(self._monotonic_s() * 1e9)
        try:
            self._channel.send(wire.encode_capture(self._request, not_before_ns))
        except OSError as error:
            raise self._ended() from error
        header = self._receive_header(deadline_s)
        if header.kind is not wire.Kind.FRAME or header.request != self._request:
            raise self._unexpected(header, deadline_s)
        if (header.width, header.height) != (info.width, info.height) or header.time_ns < not_before_ns:
            raise SensorProtocolError(
                "the camera gave an old frame or one of another size; it is started anew"
            )
        frame = ColourFrame(
            np.empty((header.height, header.width, 3), np.uint8), info.identity, header.time_ns / 1e9
        )
        try:
            self._receive_into(frame.pixels.data.cast("B"), deadline_s)
        except SensorError:
            frame.wipe()
            raise
        return frame

    def kill(self) -> None:
        """End the process at once; used when it hangs."""
        self._channel.kill()
        self._channel.ended(_KILL_WAIT_S)
        self._channel.close()

    def close(self) -> None:
        """Let the process close the camera and end; kill it when it does not. Never raises."""
        self._channel.end_input()
        if self._channel.ended(_CLOSE_WAIT_S) is None:
            self.kill()
        else:
            self._channel.close()

    def _receive_header(self, deadline_s: float) -> wire.Header:
        return wire.Header.from_bytes(self._receive(wire.HEADER_BYTES, deadline_s))

    def _receive(self, count_bytes: int, deadline_s: float) -> bytes:
        buffer = bytearray(count_bytes)
        self._receive_into(memoryview(buffer), deadline_s)
        return bytes(buffer)

    def _receive_into(self, rest: memoryview, deadline_s: float) -> None:
        while rest:
            remaining_s = max(0.0, deadline_s - self._monotonic_s())
            if not self._poll.poll(remaining_s * 1000):
                raise SensorTimeout(
                    "the camera gave no frame in time; a camera that hangs is restarted by itself. "
                    "If this repeats, check its cable and power, and that no other program uses it"
                )
            try:
                count_bytes = os.readv(self._channel.output_fd, [rest])
            except ConnectionResetError:  # a socket whose process died with a request unread
                count_bytes = 0
            if count_bytes == 0:
                raise self._ended()
            rest = rest[count_bytes:]

    def _unexpected(self, header: wire.Header, deadline_s: float) -> Exception:
        if header.kind is wire.Kind.FAULT:
            return wire.decode_fault(self._receive(header.payload_bytes, deadline_s))
        return SensorProtocolError("the camera's process answered another question; it is started anew")

    def _ended(self) -> SensorUnavailable:
        ended = self._channel.ended(_KILL_WAIT_S)
        if ended is None:
            return SensorUnavailable("the camera's process closed its output; it is started anew")
        return SensorUnavailable(
            f"the camera's process {ended}; the next capture starts it anew. "
            "If this repeats, its own message stands before this one in the log"
        )
