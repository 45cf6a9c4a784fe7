"""A stand-in for picamera2 0.3.38 that obeys its rules; it is put on the PYTHONPATH of the camera's process.

The folder in FAKE_PICAMERA2_STAGE is the stage: the file `unplugged` takes the camera away, `hang` stops its
frames, `untimed` takes away the sensor's time stamps, `offered` holds the one size (640x480) that it has
where it has not all, `offered_format` likewise, `camera.lock` is held by whoever has the camera, and
`closed` appears when the camera is closed in good order.

The picture is red on the left and blue on the right; in RGB888 a clock stands in the corner: the first 8
bytes are the start of the exposure. Frames come each 5 ms, exposed for 4 ms.
"""

import fcntl
import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERIOD_NS = 5_000_000
EXPOSURE_US = 4_000
RED, BLUE = (255, 0, 0), (0, 0, 255)
STREAM_KEYS = {"format", "size", "preserve_ar", "stride"}
SENSOR_KEYS = {"bit_depth", "output_size"}


class Picamera2:
    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        if (_stage() / "unplugged").exists():
            return []
        return [{"Model": "imx708", "Location": 2, "Rotation": 180, "Id": "/base/i2c/imx708@1a", "Num": 0}]

    def __init__(self, camera_num: int = 0) -> None:
        cameras = self.global_camera_info()
        if camera_num >= len(cameras):
            raise RuntimeError(
                f'No camera number {camera_num} found - use "rpicam-hello --list-cameras" '
                "to check connected cameras"
            )
        self._lock = (_stage() / "camera.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            cause = RuntimeError("Failed to acquire camera: Device or resource busy")
            cause.__context__ = error
            raise RuntimeError("Camera __init__ sequence did not complete.") from cause
        self.camera: SimpleNamespace | None = SimpleNamespace(id=cameras[camera_num]["Id"])
        self.camera_properties = {"Model": cameras[camera_num]["Model"], "ColorFilterArrangement": 0}
        self.sensor_resolution = (4608, 2592)
        self.camera_config: dict[str, Any] = {}
        self.started = False
        self.is_open = True
        self._outstanding = 0

    def create_video_configuration(
        self,
        main: dict[str, Any] | None = None,
        lores: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = None,
        buffer_count: int = 6,
        controls: dict[str, Any] | None = None,
        queue: bool = True,
        sensor: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        if self.camera is None:
            raise RuntimeError("Camera not opened")
        main = {"format": "XBGR8888", "size": (1280, 720), "preserve_ar": True} | (main or {})
        for key in main:
            if key not in STREAM_KEYS:
                raise ValueError(f"Bad key {key!r}: valid stream configuration keys are {STREAM_KEYS}")
        return {
            "buffer_count": buffer_count,
            "queue": queue,
            "main": main,
            "lores": lores,
            "raw": raw,
            "controls": controls or {},
            "sensor": sensor or {},
        }

    def configure(self, camera_config: dict[str, Any]) -> None:
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        width, height = camera_config["main"]["size"]
        if width % 2 or height % 2:
            raise RuntimeError("width and height should be even")
        if bad_keys := set(camera_config["sensor"]) - SENSOR_KEYS:
            raise RuntimeError(f"Unexpected keys {bad_keys} in sensor configuration")
        # libcamera adjusts what the camera lacks, and nobody says so but the configuration.
        if (offered := _stage() / "offered").exists():
            width, height = camera_config["main"]["size"] = tuple(map(int, offered.read_text().split("x")))
        if (offered := _stage() / "offered_format").exists():
            camera_config["main"]["format"] = offered.read_text()
        # The hardware's rows are padded to 64 bytes.
        row = width * 3 if camera_config["main"]["format"] == "RGB888" else width
        camera_config["main"]["stride"] = -(-row // 64) * 64
        self.camera_config = camera_config

    def camera_configuration(self) -> dict[str, Any]:
        return self.camera_config

    def start(self) -> None:
        if not self.camera_config:
            raise RuntimeError("Camera has not been configured")
        self.started = True

    def capture_request(self, wait: float | None = None, flush: bool | None = None) -> "CompletedRequest":
        assert wait is None, "the driver waits by itself"
        assert flush is None, "the driver judges by itself how old a frame is"
        # As with the real one, nobody serves the job while the camera stands still or has no free buffer.
        blocked = not self.started or self._outstanding >= self.camera_config["buffer_count"]
        if blocked or any((_stage() / name).exists() for name in ("hang", "unplugged")):
            Future[None]().result()
        now_ns = time.monotonic_ns()
        complete_ns = now_ns - now_ns % PERIOD_NS
        if not self.camera_config["queue"]:
            complete_ns += PERIOD_NS
            threading.Event().wait((complete_ns - now_ns) / 1e9)
        self._outstanding += 1
        return CompletedRequest(self, complete_ns)

    def stop(self) -> None:
        self.started = False

    def close(self) -> None:
        if not self.is_open:
            return
        self.stop()
        self._lock.close()
        (_stage() / "closed").touch()
        self.is_open = False
        self.camera = None
        self.camera_config = {}


class CompletedRequest:
    def __init__(self, picam2: Picamera2, complete_ns: int) -> None:
        self._picam2 = picam2
        self._began_ns = complete_ns - PERIOD_NS
        self._config = dict(picam2.camera_config)
        self._ref_count = 1

    def get_metadata(self) -> dict[str, Any]:
        assert self._ref_count > 0
        if (_stage() / "untimed").exists():
            return {"Lux": 400.0}
        # The time stamp is the end of the first line's exposure; reading out takes the rest of the period.
        return {"SensorTimestamp": self._began_ns + 1000 * EXPOSURE_US, "ExposureTime": EXPOSURE_US}

    def make_array(self, name: str) -> NDArray[np.uint8]:
        config = self._config.get(name)
        if config is None:
            raise RuntimeError(f"Stream {name!r} is not defined")
        width, height = config["size"]
        picture = _picture(config["format"], width, height, config["stride"])
        if config["format"] == "RGB888":
            picture.reshape(-1)[:8] = np.frombuffer(self._began_ns.to_bytes(8, "little"), np.uint8)
        return picture

    def release(self) -> None:
        self._ref_count -= 1
        if self._ref_count < 0:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        self._picam2._outstanding -= 1
        self._config = {}


def _picture(pixel_format: str, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    if pixel_format == "RGB888":
        image = np.empty((height, width, 3), np.uint8)
        image[:, : width // 2], image[:, width // 2 :] = RED[::-1], BLUE[::-1]
        return image
    (red_y, red_u, red_v), (blue_y, blue_u, blue_v) = _yuv(RED), _yuv(BLUE)
    buffer = np.zeros((height * 3 // 2, stride), np.uint8)
    buffer[:height, : width // 2], buffer[:height, width // 2 : width] = red_y, blue_y
    if pixel_format == "NV12":
        chroma = buffer[height:, :width].reshape(height // 2, width // 2, 2)
        chroma[:, : width // 4], chroma[:, width // 4 :] = (red_u, red_v), (blue_u, blue_v)
        buffer[height:, :width] = chroma.reshape(height // 2, width)
        return np.ascontiguousarray(buffer[:, :width])
    planes = buffer[height:].reshape(2, height // 2, stride // 2)
    for plane, red, blue in zip(planes, (red_u, red_v), (blue_u, blue_v), strict=True):
        plane[:, : width // 4], plane[:, width // 4 : width // 2] = red, blue
    return buffer


def _yuv(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """ITU-R BT.601, limited range."""
    red, green, blue = (value / 255 for value in colour)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.772),
        round(128 + 224 * (red - luma) / 1.402),
    )


def _stage() -> Path:
    return Path(os.environ["FAKE_PICAMERA2_STAGE"])
