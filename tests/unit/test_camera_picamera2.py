"""What the picamera2 driver makes of the real library's rules and faults."""

import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sensors.camera.channel import Spawned
from sensors.camera.opening import open_camera
from sensors.camera.settings import CameraSettings, PixelFormat
from sensors.camera.source import SOURCES
from sensors.camera.watched import WatchedCamera
from sensors.errors import SensorMisconfigured, SensorUnavailable
from tests.kit.camera_rigs import HEIGHT, PICAMERA2_RIGS, WIDTH, LibcameraRig, Picamera2Rig

PATIENCE_S = 60.0


@pytest.mark.parametrize("pixel_format", ["YUV420", "NV12"])
def test_other_pixel_formats_give_the_same_picture(tmp_path: Path, pixel_format: PixelFormat) -> None:
    camera = Picamera2Rig(tmp_path, pixel_format=pixel_format).open()
    try:
        pixels = camera.capture(PATIENCE_S).pixels.astype(int)
    finally:
        camera.close()

    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(pixels[HEIGHT // 2, WIDTH // 4] - (0, 0, 255)).max() <= 3
    assert np.abs(pixels[HEIGHT // 2, 3 * WIDTH // 4] - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("time_stamps", [True, False])
def test_exposures_begin_after_the_request_with_and_without_time_stamps(
    tmp_path: Path, time_stamps: bool
) -> None:
    if not time_stamps:
        (tmp_path / "untimed").touch()
    camera = Picamera2Rig(tmp_path).open()
    try:
        for _ in range(4):
            asked_ns = time.monotonic_ns()
            frame = camera.capture(PATIENCE_S)
            clock_in_the_picture_ns = int.from_bytes(frame.pixels.reshape(-1)[:8].tobytes(), "little")
            assert asked_ns <= clock_in_the_picture_ns
            assert frame.taken_at_s <= clock_in_the_picture_ns / 1e9
    finally:
        camera.close()


@pytest.mark.parametrize("rig_class", PICAMERA2_RIGS.values(), ids=PICAMERA2_RIGS)
def test_a_size_that_the_camera_lacks_is_refused_with_the_one_it_has(
    tmp_path: Path, rig_class: type[Picamera2Rig | LibcameraRig]
) -> None:
    with pytest.raises(SensorMisconfigured, match="640x480 instead of 328x240: set width = 640"):
        rig_class(tmp_path, offered=(640, 480)).open()


@pytest.mark.parametrize("rig_class", PICAMERA2_RIGS.values(), ids=PICAMERA2_RIGS)
def test_a_pixel_format_that_the_camera_lacks_is_refused_with_the_one_it_has(
    tmp_path: Path, rig_class: type[Picamera2Rig | LibcameraRig]
) -> None:
    (tmp_path / "offered_format").write_text("NV12")  # the virtual pipeline has no other
    with pytest.raises(SensorMisconfigured, match="NV12 instead of YUV420: set pixel_format = 'NV12'"):
        rig_class(tmp_path, pixel_format="YUV420").open()


def test_closing_closes_the_camera_in_good_order(tmp_path: Path) -> None:
    Picamera2Rig(tmp_path).open().close()

    assert (tmp_path / "closed").exists()


def test_the_camera_tells_its_model_and_place(tmp_path: Path) -> None:
    camera = Picamera2Rig(tmp_path).open()
    camera.close()

    assert (camera.info.identity.model, camera.info.identity.unit) == ("imx708", "/base/i2c/imx708@1a")
    assert camera.info.driver == "picamera2"


def test_a_camera_in_use_says_so_and_closing_frees_it(tmp_path: Path) -> None:
    rig = Picamera2Rig(tmp_path)
    first = rig.open()
    try:
        with pytest.raises(SensorUnavailable, match="in use by another program"):
            rig.open()
    finally:
        first.close()

    rig.open().close()


@pytest.mark.parametrize("rig_class", PICAMERA2_RIGS.values(), ids=PICAMERA2_RIGS)
def test_no_camera_says_what_to_check(tmp_path: Path, rig_class: type[Picamera2Rig | LibcameraRig]) -> None:
    rig = rig_class(tmp_path)
    rig.unplug()

    with pytest.raises(SensorUnavailable, match="check the ribbon cable"):
        rig.open()


def test_a_missing_picamera2_names_the_package(tmp_path: Path) -> None:
    (tmp_path / "picamera2.py").write_text("raise ImportError(\"No module named 'libcamera'\")\n")
    with pytest.raises(SensorUnavailable, match=r"libcamera.*apt install python3-picamera2"):
        WatchedCamera(
            CameraSettings("picamera2"),
            partial(Spawned, SOURCES["picamera2"], {"PYTHONPATH": str(tmp_path)}),
        )


def test_a_device_that_is_no_number_is_refused(tmp_path: Path) -> None:
    rig = Picamera2Rig(tmp_path, device="/dev/video0")

    with pytest.raises(SensorMisconfigured, match="takes a number"):
        rig.open()


def test_replay_is_opened_by_the_settings_alone(tmp_path: Path) -> None:
    with pytest.raises(SensorMisconfigured, match=str(tmp_path)):
        open_camera(CameraSettings("replay", str(tmp_path)))


@pytest.mark.parametrize("size", [(641, 480), (640, 0), (8192, 480)])
def test_sizes_that_no_camera_has_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SensorMisconfigured, match="as 640x480"):
        CameraSettings("v4l2", "0", *size)


def test_the_settings_reach_the_child_as_they_are() -> None:
    settings = CameraSettings("picamera2", "1", 1280, 720, "NV12")

    assert CameraSettings.from_json(settings.to_json()) == settings
