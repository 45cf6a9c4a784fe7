"""The master finger: what stays the same over all impressions of one synthetic finger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.synthesis.condition import Condition
from inference.synthesis.impression import Skin, draw_crease, render
from inference.synthesis.pattern import Pattern, Topology, draw_topology
from inference.synthesis.ridges import draw_period, grow_ridges, smooth_noise
from sensors.frames import Pixels

# The first joint of a finger at 500 ppi: 20 by 26 mm, with room for shifts and turns of the largest sensor.
MASTER_WIDTH, MASTER_HEIGHT = 400, 520
WAVER_RAD = 0.10


@dataclass(frozen=True, slots=True, eq=False)
class MasterFinger:
    """A synthetic finger. Two fingers of one seed are the same finger."""

    seed: int
    pattern: Pattern
    topology: Topology
    skin: Skin

    @property
    def pixels(self) -> Pixels:
        """The whole pattern as a clean image: shape (520, 400), uint8, 0 on ridges."""
        return np.asarray(np.rint(127.5 - 127.5 * self.skin.ridges), np.uint8)

    def impression(
        self, rng_seed: int, condition: Condition | None = None, size: tuple[int, int] = (192, 192)
    ) -> Pixels:
        """What a 500 ppi sensor of `size` (width, height) shows: (height, width), uint8, 0 is ridge."""
        rng = np.random.default_rng([self.seed, rng_seed])
        return render(self.skin, rng, condition if condition is not None else Condition(), size)


def make_finger(seed: int, pattern: Pattern | None = None) -> MasterFinger:
    """The finger of a seed; without `pattern`, of a class as often as it occurs in people."""
    rng = np.random.default_rng(seed)
    drawn = Pattern.random(rng)
    pattern = pattern if pattern is not None else drawn
    topology = draw_topology(pattern, rng, MASTER_WIDTH, MASTER_HEIGHT)
    # Ridges waver; without it the fingers of one class resemble each other more than people's do.
    waver = WAVER_RAD * smooth_noise(rng, MASTER_WIDTH, MASTER_HEIGHT, 50)
    orientation = np.asarray(topology.orientation(MASTER_WIDTH, MASTER_HEIGHT) + waver, np.float32)
    ridges = grow_ridges(rng, orientation, draw_period(rng, MASTER_WIDTH, MASTER_HEIGHT))
    centre = (
        topology.centre_x,
        topology.centre_y + 22,
    )  # people put the middle of the pad down, not the core
    creases = tuple(
        draw_crease(rng, centre, width_px=float(rng.uniform(1.5, 3.2))) for _ in range(int(rng.poisson(0.7)))
    )
    return MasterFinger(seed, pattern, topology, Skin(ridges, centre, creases))
