"""One impression of a synthetic finger: where the skin lies and touches, and what the sensor reads."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from inference.synthesis.condition import Condition
from inference.synthesis.pattern import Field
from inference.synthesis.ridges import smooth_noise
from sensors.frames import Pixels


@dataclass(frozen=True, slots=True)
class Crease:
    """A white line across the ridges: a scar or fold of the finger, or a scratch. Points in finger pixels."""

    points: tuple[tuple[float, float], ...]
    width_px: float


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """What of a finger can leave a mark.

    ridges: shape (height, width), float32, -1 in a valley to 1 on a ridge.
    centre: x and y of the point that rests on the middle of the sensor.
    """

    ridges: Field
    centre: tuple[float, float]
    creases: tuple[Crease, ...]


def render(skin: Skin, rng: np.random.Generator, condition: Condition, size: tuple[int, int]) -> Pixels:
    """The image of one presentation, shape (height, width) for `size` (width, height): uint8, 0 is ridge."""
    width, height = size
    xs, ys = _place(skin, rng, condition, width, height)
    ridges = np.asarray(cv2.remap(skin.ridges, xs, ys, cv2.INTER_LINEAR, borderValue=-1.0), np.float32)
    contact = _contact(skin, rng, condition, xs, ys)
    scratches = _scratches(skin, rng, condition)
    ridges, worn = _wear(ridges, rng, condition)
    ink = _ink(ridges, rng, condition)
    ink *= 1 - _lines((*skin.creases, *scratches), skin.ridges.shape, xs, ys)
    ink *= contact * (1 - 0.55 * worn)
    return _expose(ink, rng, condition)


def _place(
    skin: Skin, rng: np.random.Generator, condition: Condition, width: int, height: int
) -> tuple[Field, Field]:
    """Which point of the finger lies under each pixel of the sensor: x and y in finger pixels."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    x = xs - np.float32((width - 1) / 2 + condition.shift_px[0])
    y = ys - np.float32((height - 1) / 2 + condition.shift_px[1])
    x, y = _turn(x, y, np.deg2rad(condition.rotation_deg))
    # Skin plasticity after Cappelli, Maio and Maltoni (2001, "Modelling plastic distortion in fingerprint
    # images"): the firmly pressed middle does not move, the outside moves rigidly with the finger, and in
    # between the skin is stretched along a raised cosine.
    pull = condition.distortion * rng.normal(0, 1, 3)
    twist, push_x, push_y = np.deg2rad(7.0) * pull[0], 7.0 * pull[1], 7.0 * pull[2]
    distance = np.sqrt((x / 55) ** 2 + (y / 70) ** 2) - 1  # in radii of the firm ellipse, 0 on its edge
    loose = 0.5 * (1 - np.cos(np.pi * np.clip(distance / 1.5, 0, 1)))
    turned_x, turned_y = _turn(x, y, float(twist))
    x = x + loose * (turned_x - x + push_x)
    y = y + loose * (turned_y - y + push_y)
    # Skin is never pressed flat twice in the same way: a pixel or two of slow drift everywhere.
    drift = 1.1 + 0.5 * condition.distortion
    x = x + drift * smooth_noise(rng, width, height, 60)
    y = y + drift * smooth_noise(rng, width, height, 60)
    return (
        np.asarray(x + skin.centre[0], np.float32),
        np.asarray(y + skin.centre[1], np.float32),
    )


def _turn(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return np.asarray(x * cos - y * sin, np.float32), np.asarray(x * sin + y * cos, np.float32)


def _contact(skin: Skin, rng: np.random.Generator, condition: Condition, xs: Field, ys: Field) -> Field:
    """How firmly each pixel is touched: 0 (air) to 1."""
    height, width = xs.shape
    # An index finger touches about 13 by 17 mm; a light touch half as much.
    half_width, half_height = 95 + 70 * condition.pressure, 125 + 85 * condition.pressure
    across, down = (xs - skin.centre[0]) / half_width, (ys - skin.centre[1]) / half_height
    # A flattened exponent: the fingertip is rounder than a box and boxier than an ellipse.
    edge = 1 - (np.abs(across) ** 2.6 + np.abs(down) ** 2.6)
    edge += 0.06 * smooth_noise(rng, width, height, 14) + 0.05 * smooth_noise(rng, width, height, 4)
    return np.asarray(np.clip(edge * 7, 0, 1), np.float32)


def _wear(ridges: Field, rng: np.random.Generator, condition: Condition) -> tuple[Field, Field]:
    """Ridges with worn places flattened, and how worn each place is: 0 to 1."""
    height, width = ridges.shape
    if condition.wear == 0:
        return ridges, np.zeros_like(ridges)
    patches = smooth_noise(rng, width, height, 34) + 5 * condition.wear - 3
    worn = np.asarray(1 / (1 + np.exp(-2.6 * patches)), np.float32)
    grain = 0.6 * smooth_noise(rng, width, height, 2.0) - 0.1
    return np.asarray(ridges * (1 - 0.92 * worn) + worn * grain, np.float32), worn


def _ink(ridges: Field, rng: np.random.Generator, condition: Condition) -> Field:
    """How dark each pixel is: 0 (valley) to 1 (ridge)."""
    height, width = ridges.shape
    dry, wet = max(0.0, -condition.moisture), max(0.0, condition.moisture)
    # Thickness differs from place to place and along the edges of every ridge.
    uneven = (0.16 + 0.25 * wet) * smooth_noise(rng, width, height, 45)
    ragged = (0.18 + 0.22 * condition.noise) * smooth_noise(rng, width, height, 3.2)
    level = ridges + 1.1 * (condition.pressure - 0.5) + 0.9 * wet - 0.55 * dry + uneven + ragged
    ink = 1 / (1 + np.exp(-5.5 * level))
    # Dry skin touches only with the tops of its ridges, in crumbs.
    crumbs = smooth_noise(rng, width, height, 2.4) + 0.7 * smooth_noise(rng, width, height, 7)
    holes = 1 / (1 + np.exp(-5 * (crumbs - 1.9 + 2.2 * dry)))
    ink *= 1 - (0.35 + 0.65 * dry) * holes
    if wet:
        # Water fills valleys in puddles; a trace of the ridges stays visible through it.
        puddles = 1 / (1 + np.exp(-4 * (smooth_noise(rng, width, height, 22) - 1.4 + 1.3 * wet)))
        ink += (1 - ink) * 0.8 * wet * puddles
    return np.asarray(ink, np.float32)


def _scratches(skin: Skin, rng: np.random.Generator, condition: Condition) -> tuple[Crease, ...]:
    count = int(rng.poisson(0.4 + 2.5 * condition.wear + condition.noise))
    return tuple(draw_crease(rng, skin.centre, width_px=float(rng.uniform(1.0, 2.2))) for _ in range(count))


def draw_crease(rng: np.random.Generator, centre: tuple[float, float], width_px: float) -> Crease:
    """A slightly bent line somewhere on the finger, rather across than along it."""
    x, y = centre[0] + rng.normal(0, 60), centre[1] + rng.normal(0, 80)
    heading, length = rng.normal(0, 0.6), rng.uniform(35, 130)
    points = []
    for part in np.linspace(-0.5, 0.5, 7):
        bow = 0.12 * length * (part**2 - 0.1)
        along = part * length
        points.append(
            (
                float(x + along * np.cos(heading) - bow * np.sin(heading)),
                float(y + along * np.sin(heading) + bow * np.cos(heading)),
            )
        )
    return Crease(tuple(points), width_px)


def _lines(creases: tuple[Crease, ...], shape: tuple[int, ...], xs: Field, ys: Field) -> Field:
    """Where lines run: 0 (no line) to 1."""
    if not creases:
        return np.zeros_like(xs)
    canvas = np.zeros(shape[:2], np.uint8)
    for crease in creases:
        points = np.round(np.array(crease.points) * 8).astype(np.int32)
        cv2.polylines(canvas, [points], False, 255, max(1, round(crease.width_px)), cv2.LINE_AA, shift=3)
    lines = cv2.remap(canvas, xs, ys, cv2.INTER_LINEAR)
    soft = np.asarray(cv2.GaussianBlur(lines, (0, 0), 0.8), np.float32)
    return np.asarray(soft / 255, np.float32)


def _expose(ink: Field, rng: np.random.Generator, condition: Condition) -> Pixels:
    """What the sensor reads: its blur, its noise and 8 bits."""
    height, width = ink.shape
    read = cv2.GaussianBlur(ink, (0, 0), 0.55 + 0.45 * max(0.0, condition.moisture))
    depth = 225 + 12 * smooth_noise(rng, width, height, 50)
    grey = (
        255
        - depth * read
        + (2 + 14 * condition.noise) * rng.standard_normal(ink.shape, np.float32) * (0.35 + 0.65 * read)
    )
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)
