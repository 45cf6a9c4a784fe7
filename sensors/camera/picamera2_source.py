"""Cameras of the Raspberry Pi through picamera2, in the camera's own process. Written for picamera2 0.3.38.

What another pipeline of libcamera needs (its virtual one has no raw stream and no DMA allocator) goes into
the `make` that is handed in; nothing here knows of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from sensors.camera.port import CameraInfo
from sensors.camera.settings import CameraSettings, PixelFormat
from sensors.camera.source import Exposure, FrameSource
from sensors.errors import SensorError, SensorMisconfigured, SensorUnavailable
from sensors.frames import DeviceIdentity, Pixels

# One buffer is being filled, one waits, one is being read. picamera2's default for video is 6.
_BUFFER_COUNT = 3
# What picamera2 and libcamera's bindings raise: RuntimeError, IndexError for a camera number, OSError.
_FAULTS = (RuntimeError, IndexError, OSError)


def open_source(settings: CameraSettings) -> FrameSource:
    """Open the camera with the installed picamera2."""
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise SensorUnavailable(
            f"picamera2 cannot be imported ({error}): install Debian's package with "
            "`sudo apt install python3-picamera2 --no-install-recommends` and make the environment from the "
            "system's python3 with --system-site-packages, or choose another camera driver (v4l2, replay)"
        ) from error
    return Picamera2Source(settings, make=Picamera2)


class Picamera2Source(FrameSource):
    """Keeps the camera running and hands out frames that were exposed after they were asked for.

    make: called with the camera's number, returns a Picamera2 object.
    """

    def __init__(
        self,
        settings: CameraSettings,
        make: Callable[[int], Any],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if not settings.device.isdecimal():
            raise SensorMisconfigured(f"camera device {settings.device!r}: picamera2 takes a number, as 0")
        self._monotonic_ns = monotonic_ns
        try:
            self._camera = make(int(settings.device))
        except _FAULTS as error:
            raise _opening_fault(settings.device, error) from error
        try:
            self._format = _start(self._camera, settings)
            properties = self._camera.camera_properties
            identity = DeviceIdentity(str(properties.get("Model", "camera")), self._camera.camera.id)
        except SensorError:
            self.close()
            raise
        except _FAULTS as error:
            self.close()
            raise _opening_fault(settings.device, error) from error
        self._info = CameraInfo(identity, settings.width, settings.height, "picamera2")

    @property
    def info(self) -> CameraInfo:
        """Model and libcamera id of the camera."""
        return self._info

    def expose(self, not_before_ns: int) -> Exposure:
        """See `FrameSource.expose`."""
        try:
            return self._expose(not_before_ns)
        except _FAULTS as error:
            raise SensorUnavailable(
                f"the camera stopped ({error}): check its ribbon cable; the next capture opens it anew"
            ) from error

    def close(self) -> None:
        """Stop and free the camera. Never raises."""
        with contextlib.suppress(*_FAULTS):
            self._camera.stop()
        with contextlib.suppress(*_FAULTS):
            self._camera.close()

    def _expose(self, not_before_ns: int) -> Exposure:
        # Where the pipeline gives no time stamp: a frame cannot have begun before the wait for the frame
        # before it began.
        earliest_ns = 0
        while True:
            waiting_since_ns = self._monotonic_ns()
            request = self._camera.capture_request()
            try:
                began_ns = _exposure_began_ns(request.get_metadata(), earliest_ns)
                if began_ns >= not_before_ns:
                    array = request.make_array("main")
                    return Exposure(_to_bgr(array, self._format, self._info.width), began_ns)
            finally:
                request.release()
            earliest_ns = waiting_since_ns


def _start(camera: Any, settings: CameraSettings) -> str:
    """Configure and start `camera`; return the pixel format that libcamera settled on."""
    width, height = camera.sensor_resolution
    configuration = camera.create_video_configuration(
        main={"size": (settings.width, settings.height), "format": settings.pixel_format},
        raw=None,
        buffer_count=_BUFFER_COUNT,
        # A queued frame is one from before the request.
        queue=False,
        # The sensor's half-size mode sees its whole field. Left alone, picamera2 takes the mode nearest to
        # the frame size, which on an imx219 at 640x480 is a narrow crop of the middle.
        sensor={"output_size": (width // 2, height // 2)},
    )
    camera.configure(configuration)
    main = camera.camera_configuration()["main"]
    size, pixel_format = tuple(main["size"]), str(main["format"])
    if size != (settings.width, settings.height):
        raise SensorMisconfigured(
            f"the camera offers {size[0]}x{size[1]} instead of {settings.width}x{settings.height}: "
            f"set width = {size[0]} and height = {size[1]} for the camera"
        )
    if pixel_format != settings.pixel_format:
        known = get_args(PixelFormat)
        choice = f"= {pixel_format!r}" if pixel_format in known else f"to another one ({', '.join(known)})"
        raise SensorMisconfigured(
            f"the camera offers {pixel_format} instead of {settings.pixel_format}: "
            f"set pixel_format {choice} for the camera"
        )
    camera.start()
    return pixel_format


def _exposure_began_ns(metadata: dict[str, Any], otherwise_ns: int) -> int:
    """When the exposure began, monotonic, or `otherwise_ns` where the pipeline does not tell.

    As `Picamera2.wait_for_timestamp_` has it: SensorTimestamp (ns) is the end of the first line's exposure,
    ExposureTime is in microseconds.
    """
    if "SensorTimestamp" not in metadata:
        return otherwise_ns
    return int(metadata["SensorTimestamp"]) - 1000 * int(metadata.get("ExposureTime", 0))


def _to_bgr(array: Pixels, pixel_format: str, width: int) -> Pixels:
    if pixel_format == "RGB888":
        # DRM names a pixel from its highest byte: RGB888 lies in memory as blue, green, red.
        return np.ascontiguousarray(array)
    import cv2  # only here: it costs the process 0.1 s and 30 MB that RGB888 does not need

    code = cv2.COLOR_YUV2BGR_I420 if pixel_format == "YUV420" else cv2.COLOR_YUV2BGR_NV12
    # A YUV420 array keeps the padding of its rows, which make_array drops for the other formats.
    return np.ascontiguousarray(cv2.cvtColor(array, code)[:, :width], np.uint8)


def _opening_fault(device: str, error: Exception) -> SensorError:
    reasons = []
    cause: BaseException | None = error
    while cause is not None:
        reasons.append(str(cause))
        cause = cause.__cause__
    text = ": ".join(reasons)
    if "busy" in text.lower():
        return SensorUnavailable(
            f"camera {device} is in use by another program ({text}): end it, as rpicam-hello"
        )
    return SensorUnavailable(
        f"camera {device} cannot be opened ({text}): check the ribbon cable, then see "
        "`rpicam-hello --list-cameras`"
    )
