"""What the kernel says of a video node, before OpenCV opens it.

OpenCV answers each fault with "not opened", and tries a busy device for minutes (it waits 10 s per pixel
format), so the common faults are found here. Numbers and layouts: linux/videodev2.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from sensors.errors import SensorMisconfigured, SensorUnavailable

Ioctl: TypeAlias = Callable[[int, int, bytes], bytes]

_QUERYCAP = 0x80685600  # _IOR('V', 0, struct v4l2_capability)
_REQBUFS = 0xC0145608  # _IOWR('V', 8, struct v4l2_requestbuffers)
_CAPABILITY = struct.Struct("=16s32s32sIII12x")  # driver, card, bus, version, capabilities, device_caps
_REQUEST_BUFFERS = struct.Struct("=IIII4x")  # count, type, memory, capabilities
_VIDEO_CAPTURE = 0x1
_DEVICE_CAPS = 0x80000000
_BUFFER_TYPE_VIDEO_CAPTURE, _MEMORY_MMAP = 1, 1
_LIST = "see `v4l2-ctl --list-devices`"


def node_path(device: str) -> Path:
    """Return the path of ``/dev/video0`` or ``0``."""
    return Path(f"/dev/video{device}" if device.isdecimal() else device)


def card_name(node: Path, ioctl: Ioctl = fcntl.ioctl) -> str:
    """Return the camera's name; raise when there is none at `node` or another program uses it."""
    try:
        handle = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise SensorUnavailable(
            f"no camera at {node}: plug it in, or set another device ({_LIST})"
        ) from error
    except PermissionError as error:
        raise SensorUnavailable(
            f"no right to open {node}: add this user to the group video (`sudo usermod -aG video $USER`)"
        ) from error
    except OSError as error:
        raise SensorUnavailable(
            f"{node} cannot be opened ({error.strerror}): unplug and plug it in"
        ) from error
    try:
        card = _capture_card(node, handle, ioctl)
        _require_free(node, handle, ioctl)
    finally:
        os.close(handle)
    return card


def _capture_card(node: Path, handle: int, ioctl: Ioctl) -> str:
    try:
        answer = ioctl(handle, _QUERYCAP, bytes(_CAPABILITY.size))
    except OSError as error:
        raise SensorMisconfigured(f"{node} is no video device: set another device ({_LIST})") from error
    _, card, _, _, capabilities, device_caps = _CAPABILITY.unpack(answer)
    if not (device_caps if capabilities & _DEVICE_CAPS else capabilities) & _VIDEO_CAPTURE:
        raise SensorMisconfigured(
            f"{node} gives no pictures (cameras have a second node for metadata): set the first one ({_LIST})"
        )
    return str(card.split(b"\0", 1)[0].decode("utf-8", "replace"))


def _require_free(node: Path, handle: int, ioctl: Ioctl) -> None:
    # Asking for no buffers changes nothing on a free device; a device whose buffers belong to another
    # program refuses with EBUSY.
    request = _REQUEST_BUFFERS.pack(0, _BUFFER_TYPE_VIDEO_CAPTURE, _MEMORY_MMAP, 0)
    try:
        ioctl(handle, _REQBUFS, request)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise SensorUnavailable(
                f"{node} is in use by another program: end it (`fuser -v {node}` names it)"
            ) from error
