"""Opens the camera that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from sensors.camera.port import Camera
from sensors.camera.replay import ReplayCamera
from sensors.camera.settings import CameraSettings
from sensors.camera.watched import WatchedCamera


def open_camera(settings: CameraSettings) -> Camera:
    """Open the camera, or raise a `SensorError` that says what to do.

    The first two start a process and import their library there; that is given 20 s at most.
    """
    match settings.driver:
        case "picamera2":
            return WatchedCamera(settings, "sensors.camera.picamera2_source:open_source")
        case "v4l2":
            return WatchedCamera(settings, "sensors.camera.v4l2_source:open_source")
        case "replay":
            return ReplayCamera(Path(settings.device), width=settings.width, height=settings.height)
        case _:
            assert_never(settings.driver)
