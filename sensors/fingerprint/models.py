"""The catalogue of ZhianTec fingerprint sensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from sensors.errors import SensorMisconfigured
from sensors.frames import Pixels

DEFAULT_BAUD: Final = 57_600
_FULL_SCALE_PER_LEVEL = 17  # 15 * 17 = 255


@dataclass(frozen=True, slots=True)
class SensorModel:
    """One model: width and height in pixels of 4 bits each, and templates that its library holds.

    The capacity is the data sheet's; the module itself reports the true one, since variants differ.
    """

    name: str
    width: int
    height: int
    resolution_ppi: float
    capacity: int
    has_ring: bool

    @property
    def image_bytes(self) -> int:
        """Length of an uploaded image, two pixels a byte."""
        return self.width * self.height // 2


MODELS: Mapping[str, SensorModel] = MappingProxyType(
    {
        model.name: model
        for model in (
            SensorModel("R503", 192, 192, 508.0, 200, has_ring=True),
            SensorModel("AS608", 256, 288, 500.0, 162, has_ring=False),
            SensorModel("R307", 256, 288, 500.0, 1000, has_ring=False),
        )
    }
)


def find_model(name: str) -> SensorModel:
    """Return the model of that name; raises `SensorMisconfigured` with the names that exist."""
    try:
        return MODELS[name.upper()]
    except KeyError:
        known = ", ".join(MODELS)
        raise SensorMisconfigured(f"no fingerprint reader is called {name!r}: set one of {known}") from None


def unpack_pixels(packed: bytes | bytearray, model: SensorModel) -> Pixels:
    """Return (height, width) uint8 pixels 0 to 255 from packed 4-bit ones, the left one in the high half."""
    pairs = np.frombuffer(packed, np.uint8)
    pixels = np.empty(pairs.size * 2, np.uint8)
    pixels[0::2] = (pairs >> 4) * _FULL_SCALE_PER_LEVEL
    pixels[1::2] = (pairs & 0x0F) * _FULL_SCALE_PER_LEVEL
    return pixels.reshape(model.height, model.width)


def pack_pixels(pixels: Pixels) -> bytes:
    """Return (height, width) uint8 pixels 0 to 255 packed to 4 bits each: the inverse of `unpack_pixels`."""
    levels = pixels.reshape(-1) >> 4
    return ((levels[0::2] << 4) | levels[1::2]).tobytes()
