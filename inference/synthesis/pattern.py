"""Where the ridges of a synthetic finger run: pattern classes and their orientation fields.

The zero-pole model of Sherlock and Monro (1993, "A model for interpreting fingerprint topology"): each core
turns the orientation by half of the angle around it, each delta by minus half. Vizcaya and Gerhardt (1996,
"A nonlinear orientation model for global description of fingerprints") bend that angle by a piecewise linear
function, which is what tells two fingers of one class apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@unique
class Pattern(Enum):
    """The five classes of Galton and Henry."""

    ARCH = "arch"
    TENTED_ARCH = "tented arch"
    LEFT_LOOP = "left loop"
    RIGHT_LOOP = "right loop"
    WHORL = "whorl"

    @classmethod
    def random(cls, rng: np.random.Generator) -> Pattern:
        """A class with its share of all fingers (Wilson and others 1994, "Neural network fingerprint
        classification")."""
        shares = {
            cls.ARCH: 0.037,
            cls.TENTED_ARCH: 0.029,
            cls.LEFT_LOOP: 0.338,
            cls.RIGHT_LOOP: 0.317,
            cls.WHORL: 0.279,
        }
        return list(shares)[int(rng.choice(len(shares), p=list(shares.values())))]


@dataclass(frozen=True, slots=True)
class Singularity:
    """A core or a delta.

    x, y: pixels, y down. bend: shape (8,), radians added to the angle around it at -pi, -3pi/4, ... 3pi/4.
    """

    x: float
    y: float
    is_core: bool
    bend: tuple[float, ...]

    @property
    def index(self) -> float:
        """Turns of the orientation on the way once around: the Poincaré index."""
        return 0.5 if self.is_core else -0.5


@dataclass(frozen=True, slots=True)
class Topology:
    """All that an orientation field is computed from.

    centre_x, centre_y: the middle of the pattern in pixels.
    arching: slope of the ridges that cap the pattern. arch_rise: slope within a plain arch, else 0.
    tightness: 0 where the legs of a loop spread evenly, to 1 where they are parallel.
    """

    singularities: tuple[Singularity, ...]
    centre_x: float
    centre_y: float
    arching: float
    arch_rise: float
    tightness: float

    def orientation(self, width: int, height: int) -> Field:
        """Ridge orientation in radians, counter-clockwise with y up; shape (height, width), float32."""
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        angle = self._arches(xs, ys, width, height)
        for singularity in self.singularities:
            around = np.arctan2(singularity.y - ys, xs - singularity.x)
            bent = around + _interpolate_round(around, singularity.bend)
            if singularity.is_core:
                bent -= self.tightness * np.sin(around - self._legs_of(singularity))
            angle += singularity.index * bent
        return np.asarray(angle, np.float32)

    def _legs_of(self, core: Singularity) -> float:
        # Only along one ray from a core do the ridges run radially: there the legs of the loop lie. Turning
        # slower around that ray and faster opposite to it makes the legs parallel, as they are in fingers;
        # the plain model spreads them like a fan.
        others = [s for s in self.singularities if s is not core]
        turned = sum(s.index * np.arctan2(s.y - core.y, core.x - s.x) for s in others)
        return 2 * float(turned)

    def _arches(self, xs: Field, ys: Field, width: int, height: int) -> Field:
        # A smooth field without singularities may be added to any class: it changes no core or delta. The
        # ridges above the pattern follow the tip of the finger; a plain arch rises in the middle as well.
        across = np.clip((xs - self.centre_x) / (0.5 * width), -1.2, 1.2)
        above = 1 / (1 + np.exp((ys - self.centre_y + 0.02 * height) / (0.07 * height)))
        cap = -self.arching * across * above
        level = np.exp(-(((ys - self.centre_y) / (0.30 * height)) ** 2))
        wave = np.sin(np.pi * np.clip(across, -1, 1)) * np.exp(-((across / 0.75) ** 2))
        return np.asarray(cap - np.arctan(self.arch_rise * level * wave), np.float32)


def _interpolate_round(angle: Field, bend: tuple[float, ...]) -> Field:
    knots = np.linspace(-np.pi, np.pi, len(bend) + 1)
    return np.asarray(np.interp(angle, knots, (*bend, bend[0])), np.float32)


def draw_topology(pattern: Pattern, rng: np.random.Generator, width: int, height: int) -> Topology:
    """One finger of `pattern`: where its cores and deltas lie, and how its ridges bend around them."""
    centre_x = width * (0.5 + float(rng.normal(0, 0.03)))
    centre_y = height * (0.46 + float(rng.normal(0, 0.03)))

    def core(x: float, y: float) -> Singularity:
        return _singularity(rng, centre_x + x, centre_y + y, is_core=True)

    def delta(x: float, y: float) -> Singularity:
        return _singularity(rng, centre_x + x, centre_y + y, is_core=False)

    # Distances in pixels at 500 ppi: 100 px are 5 mm.
    singularities: tuple[Singularity, ...]
    match pattern:
        case Pattern.ARCH:
            singularities = ()
        case Pattern.TENTED_ARCH:
            lean = float(rng.normal(0, 8))
            singularities = (core(0, 0), delta(lean, float(rng.uniform(65, 125))))
        case Pattern.LEFT_LOOP | Pattern.RIGHT_LOOP:
            side = 1 if pattern is Pattern.LEFT_LOOP else -1
            across, down = float(rng.uniform(50, 120)), float(rng.uniform(90, 170))
            singularities = (core(0, 0), delta(side * across, down))
        case Pattern.WHORL:
            apart, lean = float(rng.uniform(16, 100)), float(rng.normal(0, 18))
            left, right = rng.uniform(75, 145, 2)
            down_left, down_right = apart + rng.uniform(40, 130, 2)
            singularities = (
                core(-lean, -apart / 3),
                core(lean, 2 * apart / 3),
                delta(-float(left), float(down_left)),
                delta(float(right), float(down_right)),
            )
    return Topology(
        singularities=singularities,
        centre_x=centre_x,
        centre_y=centre_y,
        arching=float(rng.uniform(0.35, 0.85)),
        arch_rise=float(rng.uniform(0.8, 1.5)) if pattern is Pattern.ARCH else 0.0,
        tightness=float(rng.uniform(0.35, 0.85)),
    )


def _singularity(rng: np.random.Generator, x: float, y: float, *, is_core: bool) -> Singularity:
    bend = rng.normal(0, 0.18, 8)
    return Singularity(
        x + float(rng.normal(0, 4)), y + float(rng.normal(0, 4)), is_core, tuple(float(b) for b in bend)
    )
