"""What every scenario of the image is given: what the build left, and machines on copies of its card."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from tests.image.disk import Disk, unpacked
from tests.image.machine import Machine, Plugs
from tests.image.variants import Built

BOOT_S = 900.0
"""The longest that a boot may take before it counts as failed: 120 s on a free PC without KVM, and many
times that where others use its processors."""


@dataclass(frozen=True, slots=True)
class Stage:
    """built: what the build left. folder: for what the scenario leaves. share: of the tries."""

    built: Built
    folder: Path
    seed: int
    share: float

    def rng(self) -> random.Random:
        """Return the scenario's own random numbers, the same for the same seed."""
        return random.Random(f"{self.seed}/{self.folder.name}")  # noqa: S311  (a seeded experiment)

    async def disk(self, name: str = "card") -> Disk:
        """Return a card with the image as it leaves the factory."""
        path = self.folder / f"{name}.img"
        path.unlink(missing_ok=True)
        return await asyncio.to_thread(unpacked, self.built.folder / "disk.img", path)

    def machine(self, disk: Disk, name: str = "machine", plugs: Plugs | None = None) -> Machine:
        """Return a machine with this card; its console is kept in the scenario's folder."""
        return Machine(disk, self.folder / name, plugs)
