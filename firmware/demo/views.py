"""Several camera views of one person from one photograph, an empty room, and a view in the dark.

A demonstration has one openly licensed photograph of each person. Distance, place, tilt, light, focus and
sensor noise are varied here, expression and pose are not: such views compare better than two photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sensors.frames import Pixels

FRAME_WIDTH, FRAME_HEIGHT = 640, 480


@dataclass(frozen=True, slots=True)
class ViewCondition:
    """How a person stands before the camera; the defaults are a good view.

    size: height of the photograph in frame heights. shift_px: right and down. tilt_deg: of the head.
    stretch: width over height, 1 is true; a camera from the side sees faces narrower.
    brightness: factor, 1 is as photographed. side_light: -1 (light from the left) to 1 (from the right).
    warmth: -1 (bluish) to 1 (yellowish). blur_px: sigma of the lens. noise: its sigma in grey levels.
    """

    size: float = 1.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    tilt_deg: float = 0.0
    stretch: float = 1.0
    brightness: float = 1.0
    side_light: float = 0.0
    warmth: float = 0.0
    blur_px: float = 0.4
    noise: float = 2.0

    @classmethod
    def random(cls, rng: np.random.Generator, severity: float) -> ViewCondition:
        """A view as a check-in desk gives it; severity: 0 (posed) to 1 (hurried, in poor light)."""
        if not 0 <= severity <= 1:
            raise ValueError(f"severity is {severity}; give a number from 0 to 1")

        def vary(spread: float) -> float:
            return float(np.clip(rng.normal(0, spread * severity), -2 * spread, 2 * spread))

        return cls(
            size=1.0 - abs(vary(0.12)),
            shift_px=(vary(30), vary(14)),
            tilt_deg=vary(5),
            stretch=1 + vary(0.03),
            brightness=float(np.exp(vary(0.22))),
            side_light=vary(0.35),
            warmth=vary(0.4),
            blur_px=0.3 + abs(vary(0.5)),
            noise=1.5 + abs(vary(3.0)),
        )


def face_view(photo: Pixels, seed: int, condition: ViewCondition | None = None) -> Pixels:
    """A frame with the person of `photo` (square, BGR), shape (480, 640, 3), uint8, BGR.

    Without `condition` one of middling difficulty is drawn from the seed.
    """
    rng = np.random.default_rng(seed)
    view = condition if condition is not None else ViewCondition.random(rng, 0.5)
    frame = _compose(photo, view)
    return _expose(_light(frame, view), rng, view)


def empty_room(seed: int) -> Pixels:
    """A frame without anybody: a wall, a floor, a door and a poster; shape (480, 640, 3), uint8, BGR."""
    rng = np.random.default_rng(seed)
    wall = rng.uniform(120, 200) + rng.uniform(-15, 15, 3)
    frame = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), wall, np.float32)
    floor = int(rng.uniform(360, 430))
    frame[floor:] = wall * 0.55
    door = int(rng.uniform(30, 420))
    cv2.rectangle(frame, (door, 70), (door + 130, floor), _colour(wall * 0.8), -1)
    cv2.rectangle(frame, (door, 70), (door + 130, floor), _colour(wall * 0.5), 3)
    cv2.circle(frame, (door + 115, 260), 5, (60, 60, 60), -1)
    poster = door + 180 if door < 260 else door - 160
    colour = _colour(rng.uniform(60, 220, 3))
    cv2.rectangle(frame, (poster, 110), (poster + 100, 240), colour, -1)
    for line in range(5):
        cv2.line(frame, (poster + 12, 135 + 20 * line), (poster + 85, 135 + 20 * line), (70, 70, 70), 4)
    view = ViewCondition(side_light=float(rng.normal(0, 0.3)), blur_px=1.0, noise=3.0)
    return _expose(_light(frame, view), rng, view)


def too_dark(view: Pixels) -> Pixels:
    """The same view with the light off: 4 % of the light, and the noise that a raised gain shows."""
    rng = np.random.default_rng(int(view.sum(dtype=np.int64)))
    dim = view.astype(np.float32) * 0.04 + 4
    return _expose(np.asarray(dim, np.float32), rng, ViewCondition(blur_px=0.8, noise=2.5))


def _compose(photo: Pixels, view: ViewCondition) -> NDArray[np.float32]:
    # The photographs are square and the frame is not: what lies beside them is their own surroundings, out of
    # focus, and their border fades into it so that no detector sees a frame within the frame.
    small = cv2.resize(photo, (FRAME_WIDTH // 8, FRAME_HEIGHT // 8), interpolation=cv2.INTER_AREA)
    room = cv2.resize(cv2.GaussianBlur(small, (0, 0), 6), (FRAME_WIDTH, FRAME_HEIGHT))
    height, width = photo.shape[:2]
    scale = FRAME_HEIGHT * view.size / height
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), view.tilt_deg, scale).astype(np.float64)
    turn[0] = turn[0] * view.stretch
    # A person stands in the frame down to its lower edge, however far away.
    middle = np.array([FRAME_WIDTH / 2, FRAME_HEIGHT * (1 - view.size / 2)]) + view.shift_px
    turn[:, 2] = middle - turn[:, :2] @ np.array([width / 2, height / 2])
    inside = np.zeros((height, width), np.float32)
    margin = max(8, width // 12)
    inside[margin:, margin:-margin] = 1
    fade = cv2.GaussianBlur(inside, (0, 0), margin / 2.5, borderType=cv2.BORDER_REPLICATE)
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    # Enlarging and shrinking alike: area sampling first, since a warp alone would alias a large photograph.
    person = cv2.GaussianBlur(photo, (0, 0), max(0.01, 0.35 / scale)) if scale < 1 else photo
    person = cv2.warpAffine(person, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(fade, turn, size, flags=cv2.INTER_LINEAR)[..., np.newaxis]
    return np.asarray(person * weight + room * (1 - weight), np.float32)


def _light(frame: NDArray[np.float32], view: ViewCondition) -> NDArray[np.float32]:
    across = np.linspace(-1, 1, frame.shape[1], dtype=np.float32)[np.newaxis, :, np.newaxis]
    gain = view.brightness * (1 + 0.5 * view.side_light * across)
    white = np.array([1 - 0.15 * view.warmth, 1.0, 1 + 0.12 * view.warmth], np.float32)
    return np.asarray(frame * gain * white, np.float32)


def _expose(frame: NDArray[np.float32], rng: np.random.Generator, view: ViewCondition) -> Pixels:
    read = cv2.GaussianBlur(frame, (0, 0), max(0.05, view.blur_px))
    read = read + view.noise * rng.standard_normal(frame.shape, np.float32)
    return np.asarray(np.clip(np.rint(read), 0, 255), np.uint8)


def _colour(values: NDArray[np.float64]) -> tuple[float, float, float]:
    blue, green, red = (float(v) for v in values)
    return blue, green, red
