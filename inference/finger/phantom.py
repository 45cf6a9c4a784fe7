"""The phantom test: what a reader shows while nobody touches it.

`aidpost doctor`, at the start of the day and after cleaning, judges what the empty reader shows. Only a clean
one should serve: stains cost samples, and a latent print that still shows ridges could be taken for a finger.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

import cv2
import numpy as np

from inference.finger.quality import LEAST_AREA_PX
from inference.finger.segment import ridge_area
from sensors.frames import FingerFrame, Pixels

# An empty platen at 4 bits a pixel is flat but for single steps of 17 grey levels where its light falls off:
# one such step across a block has a contrast of up to 5 there.
STEP = 17
LEAST_CONTRAST = 6.0
DARKER = 40.0
"""Grey levels below the platen's own from which on a flat place is a stain."""
MOST_DIRT = 0.03
LEAST_LEVEL = 110.0
"""Grey level that bright parts of a lit platen reach: 119 and more around 46 fingers on 256×288 pixels."""
MOST_NOISE = 0.01
"""Share of pixels more than one step of 17 off the median of their neighbours: 0 on an empty platen and on
stains, 0.002 on prints left behind; 0.01 to 0.03 for noise of deviation 10, 0.13 to 0.22 for 20."""


@unique
class Platen(Enum):
    """What an untouched reader shows, in words that staff can act on."""

    CLEAN = "clean"
    DIRTY = "dirt, or noise: clean the reader"
    DARK = "no light: check the cable of the reader, or replace it"
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
    if float(np.percentile(frame.pixels, 95)) < LEAST_LEVEL:
        return PlatenFound(Platen.DARK, 1.0)
    is_dirty = share > MOST_DIRT or _noise(frame.pixels) > MOST_NOISE
    return PlatenFound(Platen.DIRTY if is_dirty else Platen.CLEAN, share)


def _noise(pixels: Pixels) -> float:
    """Return the share of pixels that stand alone; the contrast of blocks averages them away."""
    return float(np.mean(cv2.absdiff(pixels, cv2.medianBlur(pixels, 3)) > STEP))
