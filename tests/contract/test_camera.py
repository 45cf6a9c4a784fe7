"""What each camera driver promises. The V4L2 and picamera2 drivers run in their real child process."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sensors.camera.port import Camera
from sensors.camera.watched import WatchedCamera
from sensors.errors import SensorTimeout, SensorUnavailable
from tests.kit.camera_rigs import HEIGHT, WIDTH, Picamera2Rig, ReplayRig, Rig, V4l2Rig, WatchedRig

WATCHED_RIGS = {"v4l2": V4l2Rig, "picamera2": Picamera2Rig}
RIGS = {"replay": ReplayRig, **WATCHED_RIGS}
# Time enough to start a child on a loaded machine; a healthy one answers in a small part of it.
PATIENCE_S = 20.0


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    stage = tmp_path / "stage"
    stage.mkdir()
    return stage


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, stage: Path) -> Rig:
    rig: Rig = RIGS[request.param](stage)
    return rig


@pytest.fixture(params=WATCHED_RIGS)
def watched_rig(request: pytest.FixtureRequest, stage: Path) -> WatchedRig:
    rig: WatchedRig = WATCHED_RIGS[request.param](stage)
    return rig


@pytest.fixture
def camera(rig: Rig) -> Iterator[Camera]:
    camera = rig.open()
    yield camera
    camera.close()


@pytest.fixture
def watched(watched_rig: WatchedRig) -> Iterator[WatchedCamera]:
    camera = watched_rig.open()
    yield camera
    camera.close()


def test_a_frame_has_the_size_and_type_that_the_camera_tells(camera: Camera) -> None:
    frame = camera.capture(PATIENCE_S)

    assert (camera.info.width, camera.info.height) == (WIDTH, HEIGHT)
    assert frame.pixels.shape == (HEIGHT, WIDTH, 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.device == camera.info.identity


def test_a_frame_is_in_the_order_blue_green_red(camera: Camera) -> None:
    pixels = camera.capture(PATIENCE_S).pixels.astype(int)

    assert np.abs(pixels[HEIGHT // 2, WIDTH // 4] - (0, 0, 255)).max() <= 3
    assert np.abs(pixels[HEIGHT // 2, 3 * WIDTH // 4] - (255, 0, 0)).max() <= 3


def test_each_frame_is_newer_than_its_request(camera: Camera) -> None:
    for _ in range(3):
        asked_at_s = time.monotonic()
        frame = camera.capture(PATIENCE_S)
        assert asked_at_s <= frame.taken_at_s <= time.monotonic()


def test_wiping_one_frame_leaves_the_next_one_whole(camera: Camera) -> None:
    first = camera.capture(PATIENCE_S)
    first.wipe()

    assert not first.pixels.any()
    assert camera.capture(PATIENCE_S).pixels.any()


def test_a_camera_that_shows_a_picture_passes_its_self_test(camera: Camera) -> None:
    camera.self_test()


def test_a_closed_camera_stays_closed(camera: Camera) -> None:
    camera.close()
    camera.close()

    with pytest.raises(SensorUnavailable, match="open it anew"):
        camera.capture(PATIENCE_S)


def test_a_camera_that_has_gone_is_unavailable(rig: Rig, camera: Camera) -> None:
    camera.capture(PATIENCE_S).wipe()
    rig.unplug()

    with pytest.raises(SensorUnavailable):
        _capture_past_one_timeout(camera)


def test_a_camera_that_hangs_times_out_and_then_works_again(
    watched_rig: WatchedRig, watched: WatchedCamera
) -> None:
    hung_child = watched.child_pid
    watched_rig.hang()

    with pytest.raises(SensorTimeout):
        watched.capture(0.2)
    assert not _is_running(hung_child)

    watched_rig.recover()
    assert watched.capture(PATIENCE_S).pixels.any()
    assert watched.restarts == 1


def test_a_killed_child_costs_one_capture(watched: WatchedCamera) -> None:
    _kill(watched.child_pid)

    with pytest.raises(SensorUnavailable, match="starts it anew"):
        watched.capture(PATIENCE_S)
    assert watched.capture(PATIENCE_S).pixels.any()
    assert watched.restarts == 1


def test_closing_leaves_no_child(watched: WatchedCamera) -> None:
    child = watched.child_pid
    watched.close()

    assert watched.child_pid is None
    assert not _is_running(child)


def _capture_past_one_timeout(camera: Camera) -> None:
    """A ribbon cable that comes loose looks like a hang first; opening the camera anew tells what it is."""
    try:
        camera.capture(0.5).wipe()
    except SensorTimeout:
        camera.capture(PATIENCE_S).wipe()


def _is_running(pid: int | None) -> bool:
    assert pid is not None
    return Path(f"/proc/{pid}").exists()


def _kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
