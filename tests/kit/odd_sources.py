"""Camera sources that misbehave in the child process, each in one way."""

import os
import threading

import numpy as np

from sensors.camera.port import CameraInfo
from sensors.camera.settings import CameraSettings
from sensors.camera.source import Exposure, FrameSource
from sensors.frames import DeviceIdentity


class Plain(FrameSource):
    """Shows an even grey, or what `level` says."""

    level = 128
    age_ns = 0

    def __init__(self, settings: CameraSettings) -> None:
        self._info = CameraInfo(DeviceIdentity("plain", "0"), settings.width, settings.height, "plain")

    @property
    def info(self) -> CameraInfo:
        return self._info

    def expose(self, not_before_ns: int) -> Exposure:
        pixels = np.full((self._info.height, self._info.width, 3), self.level, np.uint8)
        return Exposure(pixels, not_before_ns - self.age_ns)

    def close(self) -> None:
        pass


class Chatty(Plain):
    """Its library writes on standard output, as C libraries do."""

    def expose(self, not_before_ns: int) -> Exposure:
        os.write(1, b"[libcamera] INFO on the wrong stream\n")
        return super().expose(not_before_ns)


class Stale(Plain):
    """Hands out a frame from before the request."""

    age_ns = 1


def hang_while_opening(settings: CameraSettings) -> FrameSource:
    threading.Event().wait()
    return Plain(settings)


def crash_while_opening(settings: CameraSettings) -> FrameSource:
    raise ZeroDivisionError("a fault that nobody foresaw")
