"""Reads pictures for the replay camera and fits them to its frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sensors.errors import SensorMisconfigured
from sensors.frames import Pixels

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
_SMALLEST_SIDE_PX = 32  # no face can be found in less
_LARGEST_FILE_BYTES = 64 << 20


def read_image(path: Path) -> Pixels:
    """Return the picture, shape (height, width, 3), uint8, BGR.

    Raises `SensorMisconfigured`, which names the file and says what to do, when it cannot be shown.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise _bad(path, "is larger than 64 MiB", "store it with fewer pixels")
        content = path.read_bytes()
    except OSError as error:
        raise _bad(path, f"cannot be read ({error.strerror})", "check its name and rights") from error
    if not _is_complete(path, content):
        raise _bad(path, "is truncated", "copy it again")
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # a header that names more pixels than OpenCV takes
        pixels = None
    if pixels is None:
        raise _bad(path, "is damaged", "copy it again")
    return as_picture(np.asarray(pixels), str(path))


def as_picture(pixels: Pixels, name: str) -> Pixels:
    """Check that an array is a colour picture of sensible size; `name` is what the error calls it."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise SensorMisconfigured(
            f"{name} has shape {pixels.shape} and type {pixels.dtype}: give (height, width, 3) uint8, BGR"
        )
    if min(pixels.shape[:2]) < _SMALLEST_SIDE_PX:
        height, width = pixels.shape[:2]
        raise SensorMisconfigured(
            f"{name} is {width}x{height} pixels: give at least {_SMALLEST_SIDE_PX} a side, or remove it"
        )
    return pixels


def fit(pixels: Pixels, background: Pixels) -> Pixels:
    """Return a copy of `background` with the whole of `pixels` in its middle, as large as fits."""
    frame = background.copy()
    height, width = pixels.shape[:2]
    scale = min(frame.shape[0] / height, frame.shape[1] / width)
    fitted_height, fitted_width = max(1, round(height * scale)), max(1, round(width * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top, left = (frame.shape[0] - fitted_height) // 2, (frame.shape[1] - fitted_width) // 2
    frame[top : top + fitted_height, left : left + fitted_width] = cv2.resize(
        pixels, (fitted_width, fitted_height), interpolation=method
    )
    return frame


def empty_room(width: int, height: int) -> Pixels:
    """Return what the camera sees when nobody stands before it: a wall, lighter at the top."""
    column = np.linspace(160, 96, height).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(column[:, None, None], (height, width, 3)))


def _is_complete(path: Path, content: bytes) -> bool:
    """Tell whether a file has its end; decoders fill the rest of a truncated JPEG with grey and say nothing.

    A JPEG's scan cannot hold an end marker, but its preview in the EXIF part, before the scan, does.
    """
    if content.startswith(_JPEG_START):
        return content.rfind(_JPEG_END) > content.rfind(_JPEG_SCAN)
    if content.startswith(_PNG_START):
        return _PNG_END in content[-16:]
    raise _bad(path, "is neither JPEG nor PNG", "convert it or remove it")


def _bad(path: Path, what: str, remedy: str) -> SensorMisconfigured:
    return SensorMisconfigured(f"image {path} {what}: {remedy}")
