"""USB cameras through OpenCV's V4L2 back end, in the camera's own process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from sensors.camera.port import CameraInfo
from sensors.camera.settings import CameraSettings
from sensors.camera.source import Exposure, FrameSource
from sensors.camera.v4l2_device import card_name, node_path
from sensors.errors import SensorMisconfigured, SensorProtocolError, SensorUnavailable
from sensors.frames import DeviceIdentity

# A cheap camera on a long cable loses part of a JPEG now and then; three in a row is a fault.
_BAD_FRAMES = 3


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used here."""

    def isOpened(self) -> bool: ...  # noqa: D102, N802 - OpenCV's names
    def get(self, propId: int) -> float: ...  # noqa: D102, N803
    def set(self, propId: int, value: float) -> bool: ...  # noqa: D102, N803
    def grab(self) -> bool: ...  # noqa: D102
    def retrieve(self) -> tuple[bool, cv2.typing.MatLike]: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


def open_source(settings: CameraSettings) -> FrameSource:
    """Open a USB camera."""
    node = node_path(settings.device)
    return V4l2Source(settings, node, card_name(node), lambda: cv2.VideoCapture(str(node), cv2.CAP_V4L2))


class V4l2Source(FrameSource):
    """Streams from one node; `make_capture` opens it."""

    def __init__(
        self,
        settings: CameraSettings,
        node: Path,
        model: str,
        make_capture: Callable[[], Capture],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._node = node
        self._monotonic_ns = monotonic_ns
        self._capture = make_capture()
        if not self._capture.isOpened():
            raise SensorUnavailable(
                f"{node} is a camera but cannot be opened: end what uses it (`fuser -v {node}`), "
                "or unplug and plug it in"
            )
        # MJPG first: uncompressed 640x480 fills USB 2 at 30 frames a second, and two cameras do not fit. A
        # camera without it refuses, and OpenCV converts what it sends instead.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if (width, height) != (settings.width, settings.height):
            self.close()
            raise SensorMisconfigured(
                f"{node} offers {width}x{height} instead of {settings.width}x{settings.height}: "
                f"set width = {width} and height = {height} for the camera"
            )
        # OpenCV holds the last frame's buffer until the next grab. So of n buffers n - 1 may hold frames from
        # before a request, and one more frame may have been in exposure when the request came.
        self._stale_frames = max(1, int(self._capture.get(cv2.CAP_PROP_BUFFERSIZE)))
        self._info = CameraInfo(DeviceIdentity(model, str(node)), width, height, "v4l2")

    @property
    def info(self) -> CameraInfo:
        """The card's name and its node."""
        return self._info

    def expose(self, not_before_ns: int) -> Exposure:
        """See `FrameSource.expose`. The request has come, so what follows the stale frames is new."""
        for _ in range(self._stale_frames):
            self._grab()
        for _ in range(_BAD_FRAMES):
            taken_at_ns = self._monotonic_ns()
            self._grab()
            good, pixels = self._capture.retrieve()
            if good:
                return Exposure(np.ascontiguousarray(pixels, np.uint8), taken_at_ns)
        raise SensorProtocolError(
            f"{self._node} sent {_BAD_FRAMES} damaged frames in a row: use a shorter cable or another port"
        )

    def close(self) -> None:
        """Free the node. Never raises."""
        self._capture.release()

    def _grab(self) -> None:
        if not self._capture.grab():
            raise SensorUnavailable(
                f"{self._node} stopped giving frames: check its cable; the next capture opens it anew"
            )
