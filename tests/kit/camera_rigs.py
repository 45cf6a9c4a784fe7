"""One rig for each camera driver: opens the driver on a stand-in and makes the stand-in fail."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from sensors.camera.port import Camera
from sensors.camera.replay import ReplayCamera
from sensors.camera.settings import CameraSettings, PixelFormat
from sensors.camera.watched import WatchedCamera
from sensors.frames import Pixels
from tests.kit.virtual_v4l2 import write_video

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


@dataclass
class ReplayRig:
    stage: Path

    def open(self) -> ReplayCamera:
        cv2.imwrite(str(self.stage / "only.png"), red_and_blue())
        return ReplayCamera(self.stage, width=WIDTH, height=HEIGHT)

    def unplug(self) -> None:
        (self.stage / "only.png").unlink()
        self.stage.rmdir()


@dataclass
class WatchedRig:
    """A driver in a child process."""

    stage: Path

    def open(self) -> WatchedCamera:
        raise NotImplementedError

    def hang(self) -> None:
        (self.stage / "hang").touch()

    def recover(self) -> None:
        (self.stage / "hang").unlink()

    def unplug(self) -> None:
        (self.stage / "unplugged").touch()


@dataclass
class V4l2Rig(WatchedRig):
    def open(self) -> WatchedCamera:
        video = self.stage / "camera.avi"
        if not video.exists():
            write_video(video, red_and_blue())
        settings = CameraSettings("v4l2", str(video), WIDTH, HEIGHT)
        return WatchedCamera(settings, "tests.kit.virtual_v4l2:open_source")


@dataclass
class Picamera2Rig(WatchedRig):
    pixel_format: PixelFormat = "RGB888"
    device: str = "0"

    def open(self) -> WatchedCamera:
        settings = CameraSettings("picamera2", self.device, WIDTH, HEIGHT, self.pixel_format)
        inherited = os.environ.get("PYTHONPATH")
        environment = {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(FAKE_PICAMERA2), inherited))),
            "FAKE_PICAMERA2_STAGE": str(self.stage),
        }
        return WatchedCamera(settings, "sensors.camera.picamera2_source:open_source", environment=environment)
