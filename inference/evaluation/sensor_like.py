"""Makes images of large scanners look as a small sensor would send them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from sensors.frames import Pixels

SENSOR_SIZE = MappingProxyType({"R503": (192, 192), "AS608": (256, 288), "R307": (256, 288)})
"""Width and height in pixels of what each sensor model sends, at 500 ppi."""

NOMINAL_PPI = 500.0
_WINDOW = 17  # pixels: about two ridge periods at 500 ppi, so that the deviation spans ridge and valley


@dataclass(frozen=True, slots=True)
class SensorLike:
    """What images are made to look like. name: sensor model, or the size; size: None leaves them as they are.

    ppi: resolution of the images as they are, in pixels per inch.
    """

    name: str
    size: tuple[int, int] | None
    ppi: float = NOMINAL_PPI

    @property
    def described(self) -> str:
        """Say what is done to an image, for the protocol."""
        scaled = "" if self.ppi == NOMINAL_PPI else f"taken as {self.ppi:g} ppi, "
        return scaled + ("as they are" if self.size is None else "cut to {}x{}, 4 bits".format(*self.size))

    def apply(self, pixels: Pixels) -> tuple[Pixels, float]:
        """Return what the sensor would send, and its resolution in pixels per inch."""
        if self.size is None:
            return pixels, self.ppi
        if self.ppi != NOMINAL_PPI:
            scale = NOMINAL_PPI / self.ppi
            pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        return sensor_like(pixels, *self.size), NOMINAL_PPI


def _size_name(size: tuple[int, int]) -> str:
    return "{}x{}".format(*size)


AS_IT_IS = "none"
SIZES = MappingProxyType({**{_size_name(size): size for size in SENSOR_SIZE.values()}, AS_IT_IS: None})
"""The choices by size: 192x192, 256x288, none."""


def choose(size: str | None, sensor: str | None, ppi: float = NOMINAL_PPI) -> SensorLike:
    """Return what a size, a sensor model, or both together mean; a model implies its size.

    Raises ValueError when they contradict each other.
    """
    if sensor is None:
        name = AS_IT_IS if size is None else size
        return SensorLike(name, SIZES[name], ppi)
    if size is not None and SIZES[size] != SENSOR_SIZE[sensor]:
        raise ValueError(f"{sensor} sends {_size_name(SENSOR_SIZE[sensor])}, not {size}")
    return SensorLike(sensor, SENSOR_SIZE[sensor], ppi)


def sensor_like(pixels: Pixels, width: int, height: int) -> Pixels:
    """Crop or pad to a sensor's size about the centre of the ridge area, and cut to 4 bits a pixel.

    What lies outside the image is filled with the median of its border.
    """
    centre_x, centre_y = _ridge_centre(pixels)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    padded = np.pad(pixels, ((height, height), (width, width)), constant_values=int(np.median(border)))
    left, top = round(centre_x + width / 2), round(centre_y + height / 2)
    crop = padded[top : top + height, left : left + width]
    return np.asarray((crop >> 4) * 17, np.uint8)


def _ridge_centre(pixels: Pixels) -> tuple[float, float]:
    """Return x and y of the mean of all pixels whose surroundings vary as much as ridges do."""
    values = pixels.astype(np.float32)
    mean = cv2.blur(values, (_WINDOW, _WINDOW))
    deviation = np.sqrt(np.maximum(cv2.blur(values * values, (_WINDOW, _WINDOW)) - mean * mean, 0.0))
    ys, xs = np.nonzero(deviation > 0.5 * np.percentile(deviation, 95))
    if not ys.size:
        return pixels.shape[1] / 2, pixels.shape[0] / 2
    return float(xs.mean()), float(ys.mean())
