"""A camera that sees files: a folder of pictures or a video, in order and for ever, or one chosen picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from sensors.camera.checks import check_camera
from sensors.camera.image_files import IMAGE_SUFFIXES, as_picture, empty_room, fit, read_image
from sensors.camera.port import Camera, CameraInfo
from sensors.errors import SensorMisconfigured, SensorUnavailable
from sensors.frames import ColourFrame, DeviceIdentity, Pixels

# Some containers (WebM, MKV) only estimate their number of frames from the duration.
_SHORTEST_SHARE = 0.9


class ReplayCamera(Camera):
    """Plays `path` (a folder of JPEG and PNG files, or a video) in a loop; pictures are fitted to the frame.

    Without a path it shows an empty room until `show` is called. A folder with a file that is no whole
    picture is refused at once; one that turns bad later raises when its turn comes. `show`, `show_nothing`
    and `play` may be called from any thread.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        width: int = 640,
        height: int = 480,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._empty_room = empty_room(width, height)
        self._reel = None if path is None else _open_reel(path)
        self._chosen: Pixels | None = self._empty_room if path is None else None
        self._closed = False
        identity = DeviceIdentity("replay", "shown pictures" if path is None else str(path))
        self._info = CameraInfo(identity, width, height, "replay")

    @property
    def info(self) -> CameraInfo:
        """The replayed path and the frame size."""
        return self._info

    def show(self, picture: Path | Pixels) -> None:
        """Put a person before the camera: each capture gives `picture` until further notice.

        picture: a JPEG or PNG file, or an array of shape (height, width, 3), uint8, BGR.
        Raises `SensorMisconfigured` on a bad file or array, and then goes on showing what it showed.
        """
        pixels = read_image(picture) if isinstance(picture, Path) else as_picture(picture, "the picture")
        self._choose(fit(pixels, self._empty_room))

    def show_nothing(self) -> None:
        """Nobody stands before the camera: each capture gives an empty room until further notice."""
        self._choose(self._empty_room)

    def play(self) -> None:
        """Go on playing the folder or video. Raises `SensorMisconfigured` when the camera has none."""
        if self._reel is None:
            raise SensorMisconfigured(
                "this replay camera has nothing to play: open it with a folder or video"
            )
        self._choose(None)

    def capture(self, timeout_s: float) -> ColourFrame:
        """See `Camera.capture`. Files are read at once, so `timeout_s` has no effect."""
        with self._lock:
            if self._closed:
                raise SensorUnavailable("the camera is closed; open it anew")
            taken_at_s = self._monotonic_s()
            return ColourFrame(self._picture(), self._info.identity, taken_at_s)

    def self_test(self) -> None:
        """Take a frame and look whether it shows anything at all."""
        check_camera(self)

    def close(self) -> None:
        """Free the video. May be called twice, and never raises."""
        with self._lock:
            self._closed = True
            if self._reel is not None:
                self._reel.close()

    def _choose(self, frame: Pixels | None) -> None:
        with self._lock:
            self._chosen = frame

    def _picture(self) -> Pixels:
        if self._chosen is not None or self._reel is None:
            return (self._empty_room if self._chosen is None else self._chosen).copy()
        return fit(self._reel.next_picture(), self._empty_room)


class _Reel(Protocol):
    def next_picture(self) -> Pixels: ...

    def close(self) -> None: ...


def _open_reel(path: Path) -> _Reel:
    if path.is_dir():
        return _Folder(path)
    if path.is_file():
        return _Video(path)
    raise SensorMisconfigured(
        f"nothing to replay at {path}: set device to a folder of JPEG or PNG files, or a video"
    )


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        except OSError as error:
            raise SensorUnavailable(
                f"the folder {folder} cannot be read ({error.strerror}): check its rights"
            ) from error
        self._next = 0
        if not self._files:
            raise SensorMisconfigured(
                f"no JPEG or PNG file in {folder}: put some there, or set another device"
            )
        for path in self._files:
            read_image(path)

    def next_picture(self) -> Pixels:
        if not self._folder.is_dir():
            raise SensorUnavailable(f"the folder {self._folder} has gone: put it back")
        path = self._files[self._next]
        self._next = (self._next + 1) % len(self._files)
        return read_image(path)

    def close(self) -> None:
        """Nothing is held open."""


class _Video:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._played = 0
        self._video = self._open()

    def next_picture(self) -> Pixels:
        good, pixels = self._video.read()
        if not good:
            self._rewind()
            good, pixels = self._video.read()
        if not good:
            raise SensorMisconfigured(
                f"video {self._path} has no frame that can be read: convert it or copy it again"
            )
        self._played += 1
        return as_picture(np.asarray(pixels, np.uint8), f"a frame of {self._path}")

    def close(self) -> None:
        self._video.release()

    def _rewind(self) -> None:
        promised = self._video.get(cv2.CAP_PROP_FRAME_COUNT)
        played, self._played = self._played, 0
        self._video.release()
        self._video = self._open()
        if played < promised * _SHORTEST_SHARE:
            raise SensorMisconfigured(
                f"video {self._path} ends after {played} of {promised:.0f} frames, so it is truncated: "
                "copy it again"
            )

    def _open(self) -> cv2.VideoCapture:
        if not self._path.is_file():
            raise SensorUnavailable(f"the video {self._path} has gone: put it back")
        video = cv2.VideoCapture(str(self._path))
        if not video.isOpened():
            raise SensorMisconfigured(f"{self._path} is no video that can be read: convert it to MP4 or AVI")
        return video
