"""The watchdog and the child process, with sources that misbehave."""

import os
import select
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from sensors.camera.channel import Spawned
from sensors.camera.opening import open_camera
from sensors.camera.settings import CameraSettings
from sensors.camera.watched import WatchedCamera
from sensors.errors import SensorProtocolError, SensorTimeout, SensorUnavailable
from tests.kit.camera_rigs import V4l2Rig

PATIENCE_S = 60.0


def odd(name: str, start_timeout_s: float = PATIENCE_S) -> WatchedCamera:
    settings = CameraSettings("v4l2", "0", 64, 64)
    begin = partial(Spawned, f"tests.kit.odd_sources:{name}", {})
    return WatchedCamera(settings, begin, start_timeout_s=start_timeout_s)


def test_what_a_library_prints_does_not_disturb_the_frames() -> None:
    camera = odd("Chatty")
    try:
        assert (camera.capture(PATIENCE_S).pixels == 128).all()
        assert (camera.capture(PATIENCE_S).pixels == 128).all()
    finally:
        camera.close()


def test_an_even_picture_fails_the_self_test() -> None:
    camera = odd("Plain")
    try:
        with pytest.raises(SensorUnavailable, match="uncover the lens"):
            camera.self_test()
    finally:
        camera.close()


def test_a_frame_from_before_the_request_is_refused() -> None:
    camera = odd("Stale")
    try:
        with pytest.raises(SensorProtocolError, match="old frame"):
            camera.capture(PATIENCE_S)
    finally:
        camera.close()


def test_a_camera_that_hangs_while_it_is_opened_times_out() -> None:
    with pytest.raises(SensorTimeout, match="check its cable"):
        odd("hang_while_opening", start_timeout_s=0.3)


def test_a_source_that_crashes_is_unavailable(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SensorUnavailable, match="ended with status 1"):
        odd("crash_while_opening")

    assert "a fault that nobody foresaw" in capfd.readouterr().err


def test_a_process_that_cannot_be_started_is_unavailable() -> None:
    too_much = {"AIDPOST_TEST": "x" * 4_000_000}  # Linux takes 128 KiB in one variable
    with pytest.raises(SensorUnavailable, match="cannot be started"):
        Spawned("tests.kit.odd_sources:Plain", too_much)


def test_a_service_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    settings = CameraSettings("picamera2", "0", 64, 64)
    with pytest.raises(SensorUnavailable, match=r"aidpost-capture\.socket"):
        open_camera(settings, tmp_path / "camera.socket")


def test_an_appliance_that_dies_takes_a_hanging_child_with_it(tmp_path: Path) -> None:
    rig = V4l2Rig(tmp_path)
    rig.open().close()
    rig.hang()
    os.mkfifo(tmp_path / "hanging")
    hanging = os.open(tmp_path / "hanging", os.O_RDONLY | os.O_NONBLOCK)
    program = (
        "import os, pathlib, signal, threading\n"
        "from tests.kit.camera_rigs import V4l2Rig\n"
        f"camera = V4l2Rig(pathlib.Path({str(tmp_path)!r})).open()\n"
        "threading.Thread(target=camera.capture, args=(60,), daemon=True).start()\n"
        "print(camera.child_pid, flush=True)\n"
        "input()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as appliance:
        assert appliance.stdout is not None
        child = os.pidfd_open(int(appliance.stdout.readline()))
        assert readable(hanging)
        appliance.communicate(b"\n", timeout=60)

    assert readable(child), "the child outlives the appliance"
    os.close(child)
    os.close(hanging)


def readable(descriptor: int) -> bool:
    """Wait until there is something to read; from a process's descriptor, that it has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(PATIENCE_S * 1000))
