"""Signs in one frame that it shows a picture of a face: dots or moiré, glare, straight borders.

Each measure is taken from the frame alone. None was measured on real prints or screens, so none is a ground
to claim resistance to attacks (ISO/IEC 30107-3); docs/presentation-attacks.md says how a site measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.runtime import Floats
from sensors.frames import Pixels

LEAST_SIDE_PX, MOST_SIDE_PX = 64, 256
"""Side of the square about the face whose spectrum is taken; a smaller face is not measured."""

BURNT_OUT = 248
"""Grey level from which on a pixel is taken for glare, when its darkest channel reaches it."""

BORDER_VIEW_PX = 320
"""The surroundings are brought to this size before lines are looked for."""

_LEAST_LINE = 0.8  # of the height of the face: shorter edges are everywhere
_MOST_TILT_DEG = 25.0
_SAME_TILT_DEG = 4.0
_UNEXPOSED = 8  # grey level: what files are padded with, and what no lit surface before a camera gives


@dataclass(frozen=True, slots=True)
class PictureSigns:
    """What one frame shows.

    pattern_nats: how far the strongest periodic pattern stands out of the spectrum about it, natural log of
    power: halftone dots and moiré. glare: the largest burnt-out spot, as a share of the face's box.
    border_sides: sides of the face, 0 to 4, with a long straight line of one common tilt.
    """

    pattern_nats: float
    glare: float
    border_sides: int


def picture_signs(scene: Pixels, box: Floats) -> PictureSigns:
    """Look for signs of a picture; scene: shape (height, width, 3) BGR uint8, box: the face in it."""
    return PictureSigns(_pattern(scene, box), _glare(scene, box), _border_sides(scene, box))


def _pattern(scene: Pixels, box: Floats) -> float:
    height, width = scene.shape[:2]
    side = min(int(max(box[2], box[3])), MOST_SIDE_PX, height, width) // 2 * 2
    if side < LEAST_SIDE_PX:
        return 0.0
    left = int(np.clip(box[0] + box[2] / 2 - side / 2, 0, width - side))
    top = int(np.clip(box[1] + box[3] / 2 - side / 2, 0, height - side))
    grey = cv2.cvtColor(scene[top : top + side, left : left + side], cv2.COLOR_BGR2GRAY).astype(np.float32)
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 3)
    window = np.hanning(side).astype(np.float32)
    detail *= window[:, np.newaxis] * window
    parts = cv2.dft(detail, flags=cv2.DFT_COMPLEX_OUTPUT)
    spectrum = np.fft.fftshift(np.log(parts[..., 0] ** 2 + parts[..., 1] ** 2 + 1))
    # Smoothed a little, for the log power of noise alone deviates by 1.3; less what lies about each place.
    above = cv2.GaussianBlur(spectrum - cv2.blur(spectrum, (9, 9)), (3, 3), 0.8)
    return float(above[_fine_and_off_axis(side)].max())


@lru_cache(maxsize=4)
def _fine_and_off_axis(side: int) -> NDArray[np.bool_]:
    """Return where in a centred spectrum a pattern may show, shape (side, side).

    Straight edges and the blocks of JPEG lie on the axes; what is coarser than 8 pixels is the face itself.
    """
    across = np.arange(side) - side // 2
    radius = np.hypot(across[:, np.newaxis], across)
    off_axis = (np.abs(across[:, np.newaxis]) > 3) & (np.abs(across) > 3)
    return np.asarray((radius > side / 8) & (radius < 0.49 * side) & off_axis)


def _glare(scene: Pixels, box: Floats) -> float:
    left, top = (max(0, int(value)) for value in box[:2])
    right, bottom = (int(value) for value in box[:2] + box[2:])
    face = scene[top:bottom, left:right]
    if not face.size:
        return 0.0
    # Channel by channel: a minimum over the last axis takes numpy ten times as long.
    darkest = np.minimum(np.minimum(face[..., 0], face[..., 1]), face[..., 2])
    burnt = (darkest >= BURNT_OUT).astype(np.uint8)
    spots, _, statistics, _ = cv2.connectedComponentsWithStats(burnt)
    if spots < 2:
        return 0.0
    return float(np.asarray(statistics)[1:, cv2.CC_STAT_AREA].max() / burnt.size)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line beside the face: the side it lies on (0 to 3, by quarter turns) and its tilt in degrees."""

    side: int
    tilt_deg: float


def _border_sides(scene: Pixels, box: Floats) -> int:
    scale = BORDER_VIEW_PX / max(scene.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    view = cv2.resize(scene, None, fx=scale, fy=scale, interpolation=method)
    grey = np.asarray(cv2.cvtColor(view, cv2.COLOR_BGR2GRAY), np.uint8)
    face = np.asarray(box, np.float64) * scale
    found = cv2.HoughLinesP(
        cv2.Canny(grey, 60, 150),
        1,
        np.pi / 180,
        threshold=40,
        minLineLength=max(_LEAST_LINE * face[3], 30),
        maxLineGap=6,
    )
    if found is None:
        return 0
    ends = np.asarray(found, np.float64).reshape(-1, 2, 2)
    lines = [line for line in (_beside(pair, face, grey) for pair in ends) if line is not None]
    return max(
        (
            len({other.side for other in lines if abs(other.tilt_deg - line.tilt_deg) < _SAME_TILT_DEG})
            for line in lines
        ),
        default=0,
    )


def _beside(ends: NDArray[np.float64], face: NDArray[np.float64], grey: Pixels) -> _Line | None:
    """Return the line between two ends, shape (2, 2), when it could be the edge of a sheet about the face."""
    length = float(np.hypot(*(ends[1] - ends[0])))
    along = (ends[1] - ends[0]) / length
    outward = np.array([-along[1], along[0]])
    centre = face[:2] + face[2:] / 2
    distance = float((ends[0] - centre) @ outward)
    if distance < 0:
        outward, distance = -outward, -distance
    if distance < float(np.abs(outward) @ face[2:]) / 2:
        return None  # it runs through the face
    opposite = float((centre - ends[0]) @ along)
    if not -0.1 * length <= opposite <= 1.1 * length:
        return None  # it ends before it comes to lie beside the face
    angle = float(np.degrees(np.arctan2(outward[1], outward[0])))
    quarter = round(angle / 90)
    tilt_deg = angle - 90 * quarter
    if abs(tilt_deg) > _MOST_TILT_DEG or _is_padding(ends, outward, grey):
        return None
    return _Line(quarter % 4, tilt_deg)


def _is_padding(ends: NDArray[np.float64], outward: NDArray[np.float64], grey: Pixels) -> bool:
    """Say whether beyond the line the image has ended: files are padded with black, LFW's among them."""
    points = np.linspace(ends[0], ends[1], 24)[:, np.newaxis] + outward * np.arange(3, 7)[:, np.newaxis]
    places = np.rint(points.reshape(-1, 2)).astype(int)
    height, width = grey.shape
    inside = (places >= 0).all(axis=1) & (places[:, 0] < width) & (places[:, 1] < height)
    return not inside.any() or float(np.median(grey[places[inside, 1], places[inside, 0]])) < _UNEXPOSED
