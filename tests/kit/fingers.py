"""Made-up ridges, and a clock that only sleeping moves."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.zhiantec import ZhianTecReader
from sensors.frames import Pixels

Opener = Callable[..., ZhianTecReader]


def ridges(height: int, width: int, seed: int) -> Pixels:
    """Bending dark and light stripes, 9 pixels apart, with a few dozen minutiae; different for each seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    angle = rng.uniform(0, np.pi)
    phase = 2 * np.pi / 9 * (x * np.cos(angle) + y * np.sin(angle))
    phase += 6 * np.sin(y / rng.uniform(60, 90) + rng.uniform(0, 6)) * np.sin(x / rng.uniform(60, 90))
    # A ridge ends where the phase turns once around a point.
    for sign, row, column in zip(
        rng.choice([-1, 1], 40), rng.uniform(0, height, 40), rng.uniform(0, width, 40), strict=True
    ):
        phase += sign * np.arctan2(y - row, x - column)
    pixels: Pixels = np.rint(127.5 + 127.5 * np.sin(phase)).astype(np.uint8)
    return pixels


def finger_for(sensor: VirtualSensor, seed: int = 1) -> Pixels:
    """Made-up ridges of the sensor's own size."""
    return ridges(sensor.model.height, sensor.model.width, seed)


@dataclass
class ManualClock:
    """Time in seconds that stands still but for `sleep`; `then` runs after each sleep."""

    now_s: float = 100.0
    slept_s: list[float] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds
        self.then()
