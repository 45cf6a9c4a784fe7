"""What the V4L2 driver makes of nodes and of OpenCV's buffers."""

import errno
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from sensors.camera.settings import CameraSettings
from sensors.camera.v4l2_device import Ioctl, card_name, node_path
from sensors.camera.v4l2_source import V4l2Source
from sensors.errors import SensorMisconfigured, SensorProtocolError, SensorUnavailable

NODE = Path("/dev/null")  # a device file that can be opened anywhere; the kernel's answers are stood in for
CAPTURE, META = 0x00200001, 0x00A00000
SETTINGS = CameraSettings("v4l2", str(NODE), 64, 64)


def kernel(device_caps: int, streaming_elsewhere: bool = False) -> Ioctl:
    """Answers as uvcvideo does; both nodes of a camera have the same `capabilities`."""

    def ioctl(handle: int, request: int, argument: bytes) -> bytes:
        if request == 0x80685600:
            assert len(argument) == 104
            text = struct.pack("16s32s32s", b"uvcvideo", b"HD Pro Webcam C920", b"usb-1.2")
            return text + struct.pack("III12x", 0x60C00, 0x84A00001, device_caps)
        assert request == 0xC0145608
        assert len(argument) == 20
        if streaming_elsewhere:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return argument

    return ioctl


def test_a_camera_tells_its_name() -> None:
    assert card_name(NODE, kernel(CAPTURE)) == "HD Pro Webcam C920"


def test_a_number_is_a_node() -> None:
    assert node_path("2") == Path("/dev/video2")
    assert node_path("/dev/v4l/by-id/usb-cam") == Path("/dev/v4l/by-id/usb-cam")


def test_a_missing_node_says_plug_it_in(tmp_path: Path) -> None:
    with pytest.raises(SensorUnavailable, match="plug it in"):
        card_name(tmp_path / "video7")


def test_a_node_that_is_no_video_device_is_refused_by_the_real_kernel(tmp_path: Path) -> None:
    file = tmp_path / "video7"
    file.touch()
    for node in (NODE, file):
        with pytest.raises(SensorMisconfigured, match="no video device"):
            card_name(node)


def test_the_metadata_node_of_a_camera_is_refused() -> None:
    with pytest.raises(SensorMisconfigured, match="second node for metadata"):
        card_name(NODE, kernel(META))


def test_a_camera_that_streams_for_another_program_is_named_as_busy() -> None:
    with pytest.raises(SensorUnavailable, match="in use by another program"):
        card_name(NODE, kernel(CAPTURE, streaming_elsewhere=True))


class BufferedCapture:
    """OpenCV's V4L2 back end: it holds the last frame's buffer until the next grab, the others keep filling.

    Grey level 1 is a frame that began before the request, level 2 one that began after it.
    """

    def __init__(self, buffers: int, size: int = 64, damaged: int = 0) -> None:
        self._buffers = buffers
        self._size = size
        self._damaged = damaged
        self._level = 0
        self._old = buffers - 1 + 1  # the filled ones, and the one in exposure

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, propId: int, value: float) -> bool:  # noqa: N803
        return False

    def get(self, propId: int) -> float:  # noqa: N803
        return self._buffers if propId == cv2.CAP_PROP_BUFFERSIZE else self._size

    def grab(self) -> bool:
        self._level = 1 if self._old > 0 else 2
        self._old -= 1
        return True

    def retrieve(self) -> tuple[bool, cv2.typing.MatLike]:
        self._damaged -= 1
        return self._damaged < 0, np.full((self._size, self._size, 3), self._level, np.uint8)

    def release(self) -> None:
        pass


@pytest.mark.parametrize("buffers", [1, 2, 4])
def test_frames_from_before_the_request_are_dropped(buffers: int) -> None:
    source = V4l2Source(SETTINGS, NODE, "cam", lambda: BufferedCapture(buffers))

    assert (source.expose(0).pixels == 2).all()


def test_damaged_frames_are_passed_over_until_there_are_too_many() -> None:
    source = V4l2Source(SETTINGS, NODE, "cam", lambda: BufferedCapture(1, damaged=2))
    assert source.expose(0).pixels.any()

    source = V4l2Source(SETTINGS, NODE, "cam", lambda: BufferedCapture(1, damaged=3))
    with pytest.raises(SensorProtocolError, match="shorter cable"):
        source.expose(0)


def test_a_camera_of_another_size_says_which_size_to_set() -> None:
    with pytest.raises(SensorMisconfigured, match="set width = 96 and height = 96"):
        V4l2Source(SETTINGS, NODE, "cam", lambda: BufferedCapture(1, size=96))


def test_a_node_that_opencv_cannot_open_is_unavailable(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing.avi")
    with pytest.raises(SensorUnavailable, match="cannot be opened"):
        V4l2Source(SETTINGS, NODE, "cam", lambda: cv2.VideoCapture(missing, cv2.CAP_FFMPEG))
