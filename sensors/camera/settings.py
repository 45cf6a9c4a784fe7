"""Which camera to open; the configuration file is parsed into this once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

from sensors.errors import SensorMisconfigured

CameraDriver: TypeAlias = Literal["picamera2", "v4l2", "replay"]
PixelFormat: TypeAlias = Literal["RGB888", "YUV420", "NV12"]

_SIDE_PX = range(64, 4097)


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Driver, device and frame size in pixels.

    device: camera number for picamera2 (``0``), node or number for v4l2 (``/dev/video0``), and a folder of
    JPEG and PNG files or a video file for replay.
    pixel_format: what picamera2's main stream delivers; frames are blue, green, red in each case.
    """

    driver: CameraDriver
    device: str = "0"
    width: int = 640
    height: int = 480
    pixel_format: PixelFormat = "RGB888"

    def __post_init__(self) -> None:
        _require("driver", self.driver, get_args(CameraDriver))
        _require("pixel_format", self.pixel_format, get_args(PixelFormat))
        for side_px in (self.width, self.height):
            # libcamera takes even sizes alone (Picamera2.check_stream_config).
            if side_px not in _SIDE_PX or side_px % 2:
                raise SensorMisconfigured(
                    f"camera size {self.width}x{self.height}: give even numbers from 64 to 4096, as 640x480"
                )

    def to_json(self) -> str:
        """Return the settings as text for the camera's own process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CameraSettings:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def _require(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SensorMisconfigured(f"camera {name} = {value!r}: choose one of {', '.join(allowed)}")
