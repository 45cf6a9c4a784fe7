"""The camera's own process: `python -m sensors.camera.child`, started by the appliance or by systemd.

Its input and output are two pipes, or one socket; the first message says which camera to open.

Cameras hang in the field (picamera2 issue 1004, "Camera frontend has timed out"), and a thread that hangs in
a driver cannot be ended; a process can. Only here are picamera2 and OpenCV's capture imported. The process
ends when its input ends, so it never outlives the appliance.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue

from sensors.camera import wire
from sensors.camera.settings import CameraSettings
from sensors.camera.source import SOURCES, Exposure, FrameSource, SourceFactory
from sensors.errors import SensorError, SensorMisconfigured

_CLOSE_GRACE_S = 2.0  # stopping a healthy picamera2 takes up to 0.3 s; one that hangs never ends by itself


class _Requests:
    """Reads the input in its own thread, so that its end is noticed even while the camera hangs."""

    def __init__(self, input_fd: int) -> None:
        self._input = os.fdopen(input_fd, "rb")
        self._queue: SimpleQueue[wire.Header | None] = SimpleQueue()
        self._finished = threading.Event()

    def settings(self) -> CameraSettings | None:
        """Wait for the camera that is asked for; None when the parent has gone. Then requests are read."""
        raw = self._input.read(wire.HEADER_BYTES)
        if len(raw) < wire.HEADER_BYTES:
            return None
        settings = self._input.read(wire.Header.from_bytes(raw).payload_bytes)
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        return CameraSettings.from_json(settings.decode())

    def next(self) -> wire.Header | None:
        """Wait for the next request; None when the parent has closed its end or has died."""
        return self._queue.get()

    def finish(self) -> None:
        """The camera is closed; the process may end by itself."""
        self._finished.set()

    def _read(self) -> None:
        # A socket is reset where the parent dies with a frame unread; that is an end like any other.
        with suppress(ConnectionResetError), self._input as requests:
            while len(raw := requests.read(wire.HEADER_BYTES)) == wire.HEADER_BYTES:
                request = wire.Header.from_bytes(raw)
                if request.kind is wire.Kind.END:
                    os._exit(1)
                self._queue.put(request)
        self._queue.put(None)
        if not self._finished.wait(_CLOSE_GRACE_S):
            os._exit(1)


def main(arguments: Sequence[str]) -> int:
    """Open the camera, answer requests until the input ends, close the camera."""
    parser = argparse.ArgumentParser(prog="sensors.camera.child", description=__doc__)
    parser.add_argument("--source", help="module:factory that opens the camera, the driver's own by default")
    options = parser.parse_args(arguments)
    # Libraries print on standard output, so frames leave through a descriptor that no library knows.
    output_fd = os.dup(1)
    os.dup2(2, 1)
    requests = _Requests(os.dup(0))
    try:
        settings = requests.settings()
        if settings is None:
            return 0
        source = _factory(options.source or _source_of(settings))(settings)
    except SensorError as fault:
        _send(output_fd, wire.encode_fault(0, fault))
        return 1
    try:
        return _serve(source, requests, output_fd)
    finally:
        source.close()
        requests.finish()


def _serve(source: FrameSource, requests: _Requests, output_fd: int) -> int:
    _send(output_fd, wire.encode_ready(source.info))
    while (request := requests.next()) is not None:
        try:
            exposure = source.expose(request.time_ns)
        except SensorError as fault:
            _send(output_fd, wire.encode_fault(request.request, fault))
            return 1
        _send_frame(output_fd, request.request, exposure)
    return 0


def _send_frame(output_fd: int, request: int, exposure: Exposure) -> None:
    height, width, _ = exposure.pixels.shape
    header = wire.Header(
        wire.Kind.FRAME, request, exposure.taken_at_ns, width, height, exposure.pixels.nbytes
    )
    _send(output_fd, header.to_bytes())
    _send(output_fd, exposure.pixels.data.cast("B"))
    exposure.pixels[...] = 0


def _send(output_fd: int, message: bytes | memoryview) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[os.write(output_fd, rest) :]


def _source_of(settings: CameraSettings) -> str:
    if settings.driver not in SOURCES:
        raise SensorMisconfigured(f"the driver {settings.driver} has no process of its own")
    return SOURCES[settings.driver]


def _factory(name: str) -> SourceFactory:
    module, _, function = name.partition(":")
    factory: SourceFactory = getattr(importlib.import_module(module), function)
    return factory


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
