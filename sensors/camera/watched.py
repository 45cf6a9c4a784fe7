"""A camera in a process of its own, with the watchdog that ends and restarts it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sensors.camera.channel import OpenChannel
from sensors.camera.checks import check_camera
from sensors.camera.port import Camera, CameraInfo
from sensors.camera.process import CameraProcess
from sensors.camera.settings import CameraSettings
from sensors.errors import SensorError, SensorTimeout, SensorUnavailable
from sensors.frames import ColourFrame

# Longer than any camera that works: the prototype imported picamera2 and took frames within 1 s on a PC, a Pi
# with a cold card needs several times that.
START_TIMEOUT_S = 20.0


class WatchedCamera(Camera):
    """Has `begin` begin a process for the camera, and another one when it hangs or dies.

    The capture that met the fault raises; the next one is served by the new process. Raises what the source
    raises when the camera cannot be opened.
    """

    def __init__(
        self,
        settings: CameraSettings,
        begin: OpenChannel,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._begin = begin
        self._start_timeout_s = start_timeout_s
        self._monotonic_s = monotonic_s
        self._closed = False
        self._starts = 1
        process = self._start()
        self._process: CameraProcess | None = process
        try:
            self._info = process.wait_ready(monotonic_s() + start_timeout_s)
        except SensorError:
            self._end(process)
            raise

    @property
    def info(self) -> CameraInfo:
        """What was found when the camera was opened."""
        return self._info

    @property
    def restarts(self) -> int:
        """How often the process was begun anew since the camera was opened."""
        return self._starts - 1

    @property
    def child_pid(self) -> int | None:
        """The process id of the child, or None while there is none, or systemd alone knows it."""
        return None if self._process is None else self._process.pid

    def capture(self, timeout_s: float) -> ColourFrame:
        """See `Camera.capture`. After a restart, opening the camera is part of `timeout_s`."""
        if self._closed:
            raise SensorUnavailable("the camera is closed; open it anew")
        deadline_s = self._monotonic_s() + timeout_s
        process = self._running()
        try:
            return process.capture(deadline_s)
        except SensorTimeout:
            starting_s = self._monotonic_s() - process.started_at_s
            if process.is_ready or starting_s > self._start_timeout_s:
                self._end(process)
            raise
        except SensorError:
            self._end(process)
            raise

    def self_test(self) -> None:
        """Take a frame and look whether it shows anything at all."""
        check_camera(self)

    def close(self) -> None:
        """Close the camera and end its process. May be called twice, and never raises."""
        self._closed = True
        if self._process is not None:
            self._process.close()
            self._process = None

    def _running(self) -> CameraProcess:
        if self._process is None:
            self._process = self._start()
            self._starts += 1
        return self._process

    def _end(self, process: CameraProcess) -> None:
        process.kill()
        self._process = None

    def _start(self) -> CameraProcess:
        return CameraProcess(self._settings, self._begin(), self._monotonic_s)
