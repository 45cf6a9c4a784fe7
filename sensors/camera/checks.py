"""The self-test of a camera."""

from __future__ import annotations

from sensors.camera.port import Camera
from sensors.errors import SensorUnavailable

_TIMEOUT_S = 5.0  # a frame takes 0.1 s; in the dark, cameras expose for up to a second


def check_camera(camera: Camera) -> None:
    """Take a frame and raise `SensorUnavailable` when each of its pixels is the same.

    Even a covered lens shows some noise.
    """
    frame = camera.capture(_TIMEOUT_S)
    try:
        if frame.pixels.min() == frame.pixels.max():
            raise SensorUnavailable(
                "the camera's picture is one even tone: uncover the lens, then check the cable at both ends"
            )
    finally:
        frame.wipe()
