"""A USB camera made of a motion-JPEG file: the project's V4L2 source on the real cv2.VideoCapture.

Two things differ from a USB camera: OpenCV's back end, and who says what the node is (the kernel cannot be
asked about a file). The files `hang` and `unplugged` beside the video stop its frames and take it away; the
FIFO `hanging`, where there is one, tells that it hangs now.
"""

import threading
from pathlib import Path

import cv2

from sensors.camera.settings import CameraSettings
from sensors.camera.source import FrameSource
from sensors.camera.v4l2_source import V4l2Source
from sensors.errors import SensorUnavailable
from sensors.frames import Pixels


def write_video(path: Path, picture: Pixels, frames: int = 8) -> None:
    height, width = picture.shape[:2]
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 30, (width, height))
    for _ in range(frames):
        video.write(picture)
    video.release()


def open_source(settings: CameraSettings) -> FrameSource:
    node = Path(settings.device)
    if (node.parent / "unplugged").exists():
        raise SensorUnavailable(f"no camera at {node}")
    return V4l2Source(settings, node, "Virtual camera", lambda: StagedCapture(node))


class StagedCapture:
    """A real capture that never ends, as a camera's does not, until the stage says otherwise."""

    def __init__(self, node: Path) -> None:
        self._stage = node.parent
        self._video = cv2.VideoCapture(str(node), cv2.CAP_FFMPEG)

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's names
        return self._video.isOpened()

    def get(self, propId: int) -> float:  # noqa: N803
        return self._video.get(propId)

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        return self._video.set(propId, value)

    def grab(self) -> bool:
        if (self._stage / "hang").exists():
            if (self._stage / "hanging").is_fifo():
                (self._stage / "hanging").write_bytes(b"!")
            threading.Event().wait()
        if (self._stage / "unplugged").exists():
            return False
        return self._video.grab() or (self._video.set(cv2.CAP_PROP_POS_FRAMES, 0) and self._video.grab())

    def retrieve(self) -> tuple[bool, cv2.typing.MatLike]:
        return self._video.retrieve()

    def release(self) -> None:
        self._video.release()
