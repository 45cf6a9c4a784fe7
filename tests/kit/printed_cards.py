"""Printed cards before a camera: the real PDF, rasterised, seen askew, blurred, in glare or half covered."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pypdfium2

from sensors.frames import Pixels

CARD_MM = (85.6, 54.0)
_POINTS_PER_MM = 72 / 25.4
_PIXELS_PER_POINT = 4.0


def first_card(pdf: bytes) -> Pixels:
    """Return the first card of a sheet as printed at 288 dpi, shape (height, width, 3), uint8, BGR."""
    page = pypdfium2.PdfDocument(pdf)[0]
    width, height = page.get_size()
    picture = page.render(scale=_PIXELS_PER_POINT).to_numpy()
    card_width, card_height = (mm * _POINTS_PER_MM for mm in CARD_MM)
    left, top = (width - 2 * card_width) / 2, (height - 5 * card_height) / 2
    x, y = round(left * _PIXELS_PER_POINT), round(top * _PIXELS_PER_POINT)
    return np.ascontiguousarray(
        picture[
            y : y + round(card_height * _PIXELS_PER_POINT), x : x + round(card_width * _PIXELS_PER_POINT), :3
        ]
    )


@dataclass(frozen=True, slots=True)
class View:
    """How a card is seen. module_px: width of one module of a code of 41 in the picture, in pixels.

    turn_deg: in the plane. tilt: how much shorter the far edge is, 0 to 0.5. blur_px: standard deviation of
    the blur. noise: standard deviation in grey levels. glare: share of the card's width under a white spot.
    covered: share of the code, from its lower right, under a finger.
    """

    module_px: float = 4.0
    turn_deg: float = 0.0
    tilt: float = 0.0
    blur_px: float = 0.0
    noise: float = 3.0
    glare: float = 0.0
    covered: float = 0.0


_CODE_MM, _MODULES = 42.0, 49  # the white edge included


def photograph(card: Pixels, view: View, seed: int = 0, *, width: int = 640, height: int = 480) -> Pixels:
    """Return what the camera sees, shape (height, width, 3), uint8, BGR, the code about its middle."""
    random = np.random.default_rng(seed)
    card = card.copy()
    rows, columns = card.shape[:2]
    per_mm = columns / CARD_MM[0]
    code = round(_CODE_MM * per_mm)
    left, top = round(2 * per_mm), (rows - code) // 2
    if view.covered:
        side = round(code * view.covered)
        card[top + code - side : top + code, left + code - side : left + code] = (90, 120, 170)
    if view.glare:
        centre = (left + code // 2, top + code // 2)
        spot = np.zeros_like(card)
        cv2.circle(spot, centre, round(columns * view.glare / 2), (255, 255, 255), -1)
        card = np.maximum(card, cv2.GaussianBlur(spot, (0, 0), columns * view.glare / 8)).astype(np.uint8)
    scale = view.module_px * _MODULES / code
    middle = np.array([left + code / 2, top + code / 2])
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    shape = (corners - middle) * scale
    shape[:, 0] *= 1 - view.tilt * (0.5 - shape[:, 1] / (rows * scale))
    angle = np.deg2rad(view.turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    jitter = random.uniform(-8, 8, 2)
    seen = (shape @ turn.T + (width / 2, height / 2) + jitter).astype(np.float32)
    room = np.full((height, width, 3), 70, np.uint8)
    cv2.warpPerspective(
        card,
        cv2.getPerspectiveTransform(corners, seen),
        (width, height),
        dst=room,
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    if view.blur_px:
        room = np.asarray(cv2.GaussianBlur(room, (0, 0), view.blur_px), np.uint8)
    grey = room * 0.85 + 15  # no camera sees paper white and ink black
    return np.clip(grey + random.normal(0, view.noise, room.shape), 0, 255).astype(np.uint8)
