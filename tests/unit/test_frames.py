from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sensors.frames import ColourFrame, DeviceIdentity, FingerFrame

DEVICE = DeviceIdentity("R503", "test")


def test_wiping_a_frame_leaves_no_pixel() -> None:
    frame = FingerFrame(np.full((4, 4), 9, np.uint8), 500.0, DEVICE, 0.0)
    frame.wipe()
    assert not frame.pixels.any()


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32)], ids=["shape", "dtype"]
)
def test_a_finger_frame_refuses_pixels_of_another_kind(pixels: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="height, width"):
        FingerFrame(pixels, 500.0, DEVICE, 0.0)


def test_a_colour_frame_refuses_grey_pixels() -> None:
    with pytest.raises(ValueError, match="height, width, 3"):
        ColourFrame(np.zeros((4, 4), np.uint8), DEVICE, 0.0)
