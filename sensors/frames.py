"""What a sensor hands over: frames, and retries as values.

This module is all that `inference` may know of the sensors. It does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]


@unique
class RetryReason(Enum):
    """Why a presentation gave no usable sample, in words that staff can act on.

    A retry is an outcome, never a fault: the person tries again, the device is well.
    """

    NO_FINGER = "no finger"
    TOO_DRY = "too dry"
    TOO_WET = "too wet"
    PRESS_MORE = "press more"
    MOVE_FINGER = "move finger"
    SAME_FINGER = "use the finger shown"
    NO_FACE = "no face"
    SEVERAL_FACES = "several faces"
    COME_CLOSER = "come closer"
    FACE_CAMERA = "face the camera"
    HOLD_STILL = "hold still"
    MORE_LIGHT = "more light"
    LESS_LIGHT = "less light"
    EVEN_LIGHT = "turn to the light"
    SHOW_EYES = "show the eyes"
    SHOW_MOUTH = "show nose and mouth"


@dataclass(frozen=True, slots=True)
class Retry:
    """A presentation that gave no sample, and what the person can do about it."""

    reason: RetryReason


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Which device made a frame.

    `model` is a catalogue name such as ``R503`` or ``imx708``; `unit` tells two devices of one model apart
    (the port, never a person's datum).
    """

    model: str
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class FingerFrame:
    """One fingerprint image.

    pixels: shape (height, width), uint8, 0 = ridge (dark) to 255 = valley (light).
    resolution_ppi: pixels per inch, 500 nominal.
    taken_at_s: monotonic time of the capture in seconds.
    """

    pixels: Pixels
    resolution_ppi: float
    device: DeviceIdentity
    taken_at_s: float

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.uint8:
            raise ValueError(f"a finger frame holds (height, width) uint8 pixels, not {_kind(self.pixels)}")

    def wipe(self) -> None:
        """Overwrite the pixels with zeros; call it once the decision is made."""
        _zeroise(self.pixels)


@dataclass(frozen=True, slots=True, eq=False)
class ColourFrame:
    """One camera image.

    pixels: shape (height, width, 3), uint8, channels blue, green, red (the order of every driver here).
    taken_at_s: monotonic time of the capture in seconds.
    """

    pixels: Pixels
    device: DeviceIdentity
    taken_at_s: float

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"a colour frame holds (height, width, 3) uint8 pixels, not {_kind(self.pixels)}"
            )

    def wipe(self) -> None:
        """Overwrite the pixels with zeros; call it once the decision is made."""
        _zeroise(self.pixels)


def _zeroise(pixels: Pixels) -> None:
    # A view onto read-only memory (a decoded file, a shared buffer) cannot be wiped in place: that is a
    # programming error in a driver, so it is raised by numpy and not hidden.
    pixels[...] = 0


def _kind(pixels: Pixels) -> str:
    return f"{pixels.shape} {pixels.dtype}"
