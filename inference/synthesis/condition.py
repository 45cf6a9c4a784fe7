"""How a finger meets the sensor on one presentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Condition:
    """One presentation of a finger; the defaults are a good one.

    rotation_deg: counter-clockwise. shift_px: right and down, in pixels at 500 ppi.
    pressure: 0 (hardly touching: thin ridges, small contact) to 1 (pressed hard: thick ridges, large one).
    moisture: -1 (dry: ridges break up) over 0 to 1 (wet: ridges run into each other).
    distortion: 0 (put straight down) to 1 (pushed and twisted while touching).
    wear: 0 (sound skin) to 1 (ridges gone over most of the finger). noise: 0 (clean sensor) to 1.
    """

    rotation_deg: float = 0.0
    shift_px: tuple[float, float] = (0.0, 0.0)
    pressure: float = 0.5
    moisture: float = 0.0
    distortion: float = 0.2
    wear: float = 0.0
    noise: float = 0.2

    def __post_init__(self) -> None:
        for name, lowest in (("pressure", 0), ("moisture", -1), ("distortion", 0), ("wear", 0), ("noise", 0)):
            value = getattr(self, name)
            if not lowest <= value <= 1:
                raise ValueError(f"{name} is {value}; give a number from {lowest} to 1")

    @classmethod
    def random(cls, rng: np.random.Generator, severity: float) -> Condition:
        """A presentation as people make them; severity: 0 (a practised hand) to 1 (hurried and difficult)."""
        if not 0 <= severity <= 1:
            raise ValueError(f"severity is {severity}; give a number from 0 to 1")

        def vary(spread: float) -> float:
            return float(np.clip(rng.normal(0, spread * severity), -2 * spread, 2 * spread))

        return cls(
            rotation_deg=vary(12),
            shift_px=(vary(14), vary(16)),
            pressure=0.5 + vary(0.2),
            moisture=vary(0.35),
            distortion=float(rng.uniform(0, 0.2 + 0.7 * severity)),
            wear=float(rng.uniform(0, 0.3 * severity)),
            noise=float(rng.uniform(0.1, 0.2 + 0.5 * severity)),
        )
