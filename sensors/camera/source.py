"""What runs in the camera's own process: a source of frames that may block as long as it likes.

It has no time-outs. The watchdog in the appliance's process (`sensors.camera.watched`) is the only timer, and
its answer to a source that hangs is to end the process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from sensors.camera.port import CameraInfo
from sensors.camera.settings import CameraDriver, CameraSettings
from sensors.frames import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """One frame, and when its exposure began at the earliest (monotonic).

    pixels: shape (height, width, 3), uint8, blue, green, red.
    """

    pixels: Pixels
    taken_at_ns: int


class FrameSource(ABC):
    """One opened camera in its own process."""

    @property
    @abstractmethod
    def info(self) -> CameraInfo:
        """What was found when the camera was opened."""

    @abstractmethod
    def expose(self, not_before_ns: int) -> Exposure:
        """Return a frame whose exposure began at `not_before_ns` (monotonic) or later.

        Raises a `SensorError` when the camera has gone; the process then ends.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the camera. Never raises."""


SourceFactory: TypeAlias = Callable[[CameraSettings], FrameSource]

SOURCES: Mapping[CameraDriver, str] = MappingProxyType(
    {
        "picamera2": "sensors.camera.picamera2_source:open_source",
        "v4l2": "sensors.camera.v4l2_source:open_source",
    }
)
"""Where the factory of each driver is that has a process of its own."""
