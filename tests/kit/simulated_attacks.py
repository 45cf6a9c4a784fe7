"""Pictures of pictures: made-up presentations for the tests of the attack harness.

They test that the harness counts right and that the measures see what they are meant to see. They say nothing
about resistance: a real print or screen before a real camera looks different.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.demo.views import FRAME_HEIGHT, FRAME_WIDTH, empty_room
from sensors.frames import Pixels

SHEET_HEIGHT_PX = 400
"""Height of a print or a screen in the frame, when it is held upright."""


def print_frame(photo: Pixels, seed: int, *, turn_deg: float = 0.0, scale: float = 1.0) -> Pixels:
    """A frame with a paper print of `photo` (square, BGR): white margin, flat contrast, halftone dots."""
    rng = np.random.default_rng(seed)
    side = 2 * SHEET_HEIGHT_PX  # drawn twice as large as it is seen, so that the camera samples the dots
    picture = cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    picture = 60 + picture * 0.6
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    angle, pitch = np.deg2rad(rng.uniform(30, 60)), rng.uniform(5.0, 7.0)
    across = (columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / pitch
    along = (rows * np.cos(angle) - columns * np.sin(angle)) * 2 * np.pi / pitch
    picture += 22 * (np.cos(across) + np.cos(along))[..., np.newaxis]
    sheet = _framed(picture, 60, 235)
    return _held(sheet, rng, turn_deg, scale)


def replay_frame(photo: Pixels, seed: int, *, turn_deg: float = 0.0, scale: float = 1.0) -> Pixels:
    """A frame with a screen that shows `photo` (square, BGR): dark bezel, moiré, a glare."""
    rng = np.random.default_rng(seed)
    side = 2 * SHEET_HEIGHT_PX
    picture = cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    pitch = rng.uniform(6.0, 8.5)
    tilt = rng.uniform(0.1, 0.3)
    grid = np.cos(2 * np.pi * (columns + tilt * rows) / pitch) * np.cos(
        2 * np.pi * (rows - tilt * columns) / pitch
    )
    picture *= (1 + 0.25 * grid)[..., np.newaxis] * np.array([1.08, 1.0, 0.94], np.float32)
    centre = (int(rng.uniform(0.3, 0.7) * side), int(rng.uniform(0.3, 0.7) * side))
    glare = np.zeros((side, side), np.float32)
    cv2.ellipse(glare, centre, (side // 9, side // 14), float(rng.uniform(0, 180)), 0, 360, 1, -1)
    picture += 320 * cv2.GaussianBlur(glare, (0, 0), side / 60)[..., np.newaxis]
    return _held(_framed(picture, 50, 18), rng, turn_deg, scale)


def turning_print(photo: Pixels, seed: int, turns_deg: Sequence[float]) -> list[Pixels]:
    """Frames of one print that is turned about its upright axis: flat motion."""
    return [print_frame(photo, seed, turn_deg=turn) for turn in turns_deg]


def _framed(picture: NDArray[np.float32], margin: int, level: float) -> NDArray[np.float32]:
    return np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), constant_values=level)


def _held(sheet: NDArray[np.float32], rng: np.random.Generator, turn_deg: float, scale: float) -> Pixels:
    """Photograph a sheet that somebody holds before the camera, three sheet heights away."""
    side = sheet.shape[0]
    size = SHEET_HEIGHT_PX * scale
    turn, roll = np.deg2rad(turn_deg), np.deg2rad(rng.uniform(-3, 3))
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    across = corners[:, 0] * np.cos(turn)
    away = 3.0 + corners[:, 0] * np.sin(turn)
    seen = np.stack([across, corners[:, 1]], axis=1) * (3.0 / away)[:, np.newaxis]
    rotation = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    place = np.array([FRAME_WIDTH / 2, FRAME_HEIGHT / 2]) + rng.uniform(-15, 15, 2)
    target = (seen * size) @ rotation.T + place
    source = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    view = cv2.getPerspectiveTransform(source, target.astype(np.float32))
    frame_size = (FRAME_WIDTH, FRAME_HEIGHT)
    soft = cv2.GaussianBlur(sheet, (0, 0), 0.8)
    seen_sheet = cv2.warpPerspective(soft, view, frame_size, flags=cv2.INTER_LINEAR)
    cover = cv2.warpPerspective(np.ones((side, side), np.float32), view, frame_size)[..., np.newaxis]
    room = empty_room(int(rng.integers(1 << 30))).astype(np.float32)
    frame = seen_sheet * cover + room * (1 - cover)
    frame += 2.0 * rng.standard_normal(frame.shape, np.float32)
    return np.asarray(np.clip(np.rint(frame), 0, 255), np.uint8)
