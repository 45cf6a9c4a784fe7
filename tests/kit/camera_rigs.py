"""One rig for each camera driver: opens the driver on a stand-in and makes the stand-in fail."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from sensors.camera.channel import Connected, Spawned
from sensors.camera.port import Camera
from sensors.camera.replay import ReplayCamera
from sensors.camera.settings import CameraSettings, PixelFormat
from sensors.camera.source import SOURCES
from sensors.camera.watched import WatchedCamera
from sensors.frames import Pixels
from tests.kit.camera_service import CameraService
from tests.kit.virtual_v4l2 import write_video

# Names the library that `python -m tests.image.camera` builds; real libcamera is tried where it is set.
STAGE_LIBRARY = "VIRTUAL_LIBCAMERA_LIBRARY"
WIDTH, HEIGHT = 328, 240  # no multiple of 64: hardware pads the rows
FAKE_PICAMERA2 = Path(__file__).parent / "fake_picamera2"


def red_and_blue() -> Pixels:
    """Red on the left, blue on the right, in BGR order."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:, : WIDTH // 2] = (0, 0, 255)
    picture[:, WIDTH // 2 :] = (255, 0, 0)
    return picture


class Rig(Protocol):
    def open(self) -> Camera: ...

    def unplug(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class ReplayRig:
    stage: Path

    def open(self) -> ReplayCamera:
        cv2.imwrite(str(self.stage / "only.png"), red_and_blue())
        return ReplayCamera(self.stage, width=WIDTH, height=HEIGHT)

    def unplug(self) -> None:
        (self.stage / "only.png").unlink()
        self.stage.rmdir()

    def stop(self) -> None:
        pass


@dataclass
class WatchedRig(ABC):
    """A driver in a process of its own: a child of the appliance, or begun by a service for a connection."""

    stage: Path
    by_service: bool = False
    _service: CameraService | None = field(default=None, init=False)

    @abstractmethod
    def open(self) -> WatchedCamera: ...

    def watched(self, settings: CameraSettings, source: str, environment: Mapping[str, str]) -> WatchedCamera:
        if not self.by_service:
            return WatchedCamera(settings, partial(Spawned, source, environment))
        path = self.stage / "camera.socket"
        if self._service is None:
            self._service = CameraService(path, source, environment)
        return WatchedCamera(settings, partial(Connected, path))

    def pid(self, camera: WatchedCamera) -> int:
        pid = camera.child_pid if self._service is None else self._service.newest_pid
        assert pid is not None
        return pid

    def hang(self) -> None:
        (self.stage / "hang").touch()

    def recover(self) -> None:
        (self.stage / "hang").unlink()

    def unplug(self) -> None:
        (self.stage / "unplugged").touch()

    def stop(self) -> None:
        if self._service is not None:
            self._service.stop()


@dataclass
class V4l2Rig(WatchedRig):
    def open(self) -> WatchedCamera:
        video = self.stage / "camera.avi"
        if not video.exists():
            write_video(video, red_and_blue())
        settings = CameraSettings("v4l2", str(video), WIDTH, HEIGHT)
        return self.watched(settings, "tests.kit.virtual_v4l2:open_source", {})


@dataclass
class Picamera2Rig(WatchedRig):
    pixel_format: PixelFormat = "RGB888"
    device: str = "0"
    offered: tuple[int, int] = (WIDTH, HEIGHT)

    def open(self) -> WatchedCamera:
        if self.offered != (WIDTH, HEIGHT):
            (self.stage / "offered").write_text("{}x{}".format(*self.offered))
        settings = CameraSettings("picamera2", self.device, WIDTH, HEIGHT, self.pixel_format)
        inherited = os.environ.get("PYTHONPATH")
        environment = {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(FAKE_PICAMERA2), inherited))),
            "FAKE_PICAMERA2_STAGE": str(self.stage),
        }
        return self.watched(settings, SOURCES["picamera2"], environment)


@dataclass
class LibcameraRig(WatchedRig):
    """Real picamera2 and libcamera on libcamera's virtual pipeline (tests/kit/virtual_libcamera)."""

    pixel_format: PixelFormat = "NV12"  # the pipeline has no other
    device: str = "0"
    offered: tuple[int, int] = (WIDTH, HEIGHT)

    def open(self) -> WatchedCamera:
        picture = self.stage / "frame.jpg"
        cv2.imwrite(str(picture), red_and_blue(), [cv2.IMWRITE_JPEG_QUALITY, 100])
        (self.stage / "virtual.yaml").write_text(_VIRTUAL_CAMERA.format(*self.offered, picture))
        environment = {
            "LD_PRELOAD": os.environ[STAGE_LIBRARY],
            "VIRTUAL_LIBCAMERA_STAGE": str(self.stage),
        }
        settings = CameraSettings("picamera2", self.device, WIDTH, HEIGHT, self.pixel_format)
        return self.watched(settings, "tests.kit.virtual_libcamera.source:open_source", environment)


_VIRTUAL_CAMERA = """%YAML 1.1
---
"Virtual0":
  supported_formats:
  - {{width: {}, height: {}, frame_rates: [30]}}
  frames: {{path: "{}"}}
  location: "CameraLocationFront"
  model: "virtual"
"""
PICAMERA2_RIGS: dict[str, type[Picamera2Rig | LibcameraRig]] = {"picamera2": Picamera2Rig}
if os.environ.get(STAGE_LIBRARY):
    PICAMERA2_RIGS["libcamera"] = LibcameraRig
