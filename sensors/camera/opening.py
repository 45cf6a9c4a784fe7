"""Opens the camera that the settings name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import assert_never

from sensors.camera.channel import Connected, Spawned
from sensors.camera.port import Camera
from sensors.camera.replay import ReplayCamera
from sensors.camera.settings import CameraSettings
from sensors.camera.source import SOURCES
from sensors.camera.watched import WatchedCamera


def open_camera(settings: CameraSettings, service: Path | None = None) -> Camera:
    """Open the camera, or raise a `SensorError` that says what to do.

    The first two have a process of their own, which imports their library; that is given 20 s at most.
    service: the socket of the service that starts it; None starts it as a child of this process.
    """
    match settings.driver:
        case "picamera2" | "v4l2":
            if service is None:
                return WatchedCamera(settings, partial(Spawned, SOURCES[settings.driver], {}))
            return WatchedCamera(settings, partial(Connected, service))
        case "replay":
            return ReplayCamera(Path(settings.device), width=settings.width, height=settings.height)
        case _:
            assert_never(settings.driver)
