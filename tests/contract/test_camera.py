"""What each camera driver promises.

The V4L2 and picamera2 drivers run in their real process, as a child and as a service begins it.
`make camera-test` tries the picamera2 driver on real picamera2 and libcamera too.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sensors.camera.port import Camera
from sensors.camera.watched import WatchedCamera
from sensors.errors import SensorTimeout, SensorUnavailable
from tests.kit.camera_rigs import HEIGHT, PICAMERA2_RIGS, WIDTH, ReplayRig, Rig, V4l2Rig, WatchedRig

WATCHED_RIGS: dict[str, Callable[[Path], WatchedRig]] = {
    f"{name}{' by a service' if by_service else ''}": partial(rig, by_service=by_service)
    for name, rig in {"v4l2": V4l2Rig, **PICAMERA2_RIGS}.items()
    for by_service in (False, True)
}
RIGS: dict[str, Callable[[Path], Rig]] = {"replay": ReplayRig, **WATCHED_RIGS}
# Time enough to start a child on a loaded machine; a healthy one answers in a small part of it.
PATIENCE_S = 60.0


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    stage = tmp_path / "stage"
    stage.mkdir()
    return stage


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, stage: Path) -> Iterator[Rig]:
    rig = RIGS[request.param](stage)
    yield rig
    rig.stop()


@pytest.fixture(params=WATCHED_RIGS)
def watched_rig(request: pytest.FixtureRequest, stage: Path) -> Iterator[WatchedRig]:
    rig = WATCHED_RIGS[request.param](stage)
    yield rig
    rig.stop()


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
    hung = watched_rig.pid(watched)
    watched_rig.hang()

    with pytest.raises(SensorTimeout):
        watched.capture(0.2)
    assert _ends(hung)

    watched_rig.recover()
    assert watched.capture(PATIENCE_S).pixels.any()
    assert watched.restarts == 1


def test_a_killed_process_costs_one_capture(watched_rig: WatchedRig, watched: WatchedCamera) -> None:
    os.kill(watched_rig.pid(watched), signal.SIGKILL)

    with pytest.raises(SensorUnavailable, match="starts it anew"):
        watched.capture(PATIENCE_S)
    assert watched.capture(PATIENCE_S).pixels.any()
    assert watched.restarts == 1


def test_closing_leaves_no_process(watched_rig: WatchedRig, watched: WatchedCamera) -> None:
    process = watched_rig.pid(watched)
    watched.close()

    assert watched.child_pid is None
    assert _ends(process)


def _capture_past_one_timeout(camera: Camera) -> None:
    """A ribbon cable that comes loose looks like a hang first; opening the camera anew tells what it is."""
    try:
        camera.capture(0.5).wipe()
    except SensorTimeout:
        camera.capture(PATIENCE_S).wipe()


def _ends(pid: int) -> bool:
    """Wait for the end of a process that may be somebody else's child."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(process, select.POLLIN)
    ended = bool(poll.poll(PATIENCE_S * 1000))
    os.close(process)
    return ended
