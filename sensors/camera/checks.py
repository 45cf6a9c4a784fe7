"""What a self-test asks of a frame."""

from __future__ import annotations

from sensors.errors import SensorUnavailable
from sensors.frames import ColourFrame


def check_picture(frame: ColourFrame) -> None:
    """Raise `SensorUnavailable` when each pixel is the same; even a covered lens shows some noise."""
    if frame.pixels.min() == frame.pixels.max():
        raise SensorUnavailable(
            "the camera's picture is one even tone: uncover the lens, then check the cable at both ends"
        )
