"""The project's picamera2 driver on real picamera2 and libcamera; libcamera's virtual pipeline is the camera.

What the pipeline lacks of a Pi's is made up for here: it has no raw modes, from which picamera2 takes the
sensor's size, and it wants a buffer's planes apart, where picamera2's own allocator makes one of them.
"""

from typing import Any

from picamera2 import Picamera2
from picamera2.allocators.libcameraallocator import LibcameraAllocator

from sensors.camera.picamera2_source import Picamera2Source
from sensors.camera.settings import CameraSettings
from sensors.camera.source import FrameSource

SENSOR_SIZE_PX = (1280, 720)


class VirtualPicamera2(Picamera2):  # type: ignore[misc]  # picamera2 has no types
    def __init__(self, number: int) -> None:
        super().__init__(number, allocator=LibcameraAllocator(None))
        self.allocator.camera = self.camera

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        return [{"format": "SGRBG10", "size": SENSOR_SIZE_PX}]


def open_source(settings: CameraSettings) -> FrameSource:
    return Picamera2Source(settings, make=VirtualPicamera2)
