"""The phantom test: what a reader shows while nobody touches it.

At the start of the day, and after cleaning, the appliance takes an image of the empty reader. Only a clean
one may serve: stains cost samples, and a latent print that still shows ridges could be taken for a finger.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

import cv2
import numpy as np

from inference.finger.quality import LEAST_AREA_PX
from inference.finger.segment import ridge_area
from sensors.frames import FingerFrame

# An empty platen at 4 bits a pixel is flat but for single steps of 17 grey levels where its light falls off:
# one such step across a block has a contrast of up to 5 there.
LEAST_CONTRAST = 6.0
DARKER = 40.0
"""Grey levels below the platen's own from which on a flat place is a stain."""
MOST_DIRT = 0.03


@unique
class Platen(Enum):
    """What an untouched reader shows, in words that staff can act on."""

    CLEAN = "clean"
    DIRTY = "clean the reader"
    FINGER = "a finger, or a print that was left behind: lift the finger or clean the reader"


@dataclass(frozen=True, slots=True)
class PlatenFound:
    """What was found; dirty_share: how much of the image is not as an empty platen shows it, 0 to 1."""

    platen: Platen
    dirty_share: float

    @property
    def may_serve(self) -> bool:
        """Whether samples may be taken on this reader."""
        return self.platen is Platen.CLEAN


def check_platen(frame: FingerFrame) -> PlatenFound:
    """Judge the image of a reader that nobody touches; no network runs, and nothing of the frame is kept."""
    area = ridge_area(frame.pixels)
    shape = area.mask.shape[::-1]
    grey = cv2.resize(frame.pixels, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    # The light of a platen falls off towards its border, but slowly.
    level = cv2.blur(cv2.dilate(grey, np.ones((9, 9), np.uint8)), (9, 9))
    dirty = (area.contrast > LEAST_CONTRAST) | (level - grey > DARKER)
    share = float(dirty.mean())
    if area.pixels >= LEAST_AREA_PX:
        return PlatenFound(Platen.FINGER, share)
    return PlatenFound(Platen.DIRTY if share > MOST_DIRT else Platen.CLEAN, share)
