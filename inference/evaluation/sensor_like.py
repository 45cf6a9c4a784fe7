"""Makes images of large scanners look as a small sensor would send them."""

from __future__ import annotations

from types import MappingProxyType

import cv2
import numpy as np

from sensors.frames import Pixels

SENSOR_SIZE = MappingProxyType({"R503": (192, 192), "AS608": (256, 288), "R307": (256, 288)})
"""Width and height in pixels of what each sensor model sends, at 500 ppi."""

_WINDOW = 17  # pixels: about two ridge periods at 500 ppi, so that the deviation spans ridge and valley


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
