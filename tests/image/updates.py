"""Software from the fleet: the next version is taken up, and one that does not serve is left again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from tests.image.machine import Machine
from tests.image.result import Notes
from tests.image.serving import serves
from tests.image.site import Site
from tests.image.stage import BOOT_S, Stage
from tests.image.variants import does_not_start, nothing_else

TRIES_S = 8 * BOOT_S
"""Three tries of a slot that never serves, with the primary's boots between them."""


@dataclass(frozen=True, slots=True)
class Bundles:
    """The next version, and one after it that does not serve."""

    good: tuple[str, Path]
    bad: tuple[str, Path]

    @classmethod
    async def of(cls, stage: Stage) -> Bundles:
        """Make both."""
        made: list[tuple[str, Path]] = []
        for steps, change in ((1, nothing_else), (2, does_not_start)):
            version = stage.built.later(steps)
            path = stage.folder / f"{version}.raucb"
            made.append((version, await asyncio.to_thread(stage.built.bundle, version, change, path)))
        return cls(*made)


async def taken_up(here: Site, machine: Machine, bundles: Awaitable[Bundles], notes: Notes) -> None:
    """Desire a good version: it is started on trial in the other slot and kept."""
    version, path = (await bundles).good
    before = (await serves(machine)).slot
    desired_s = machine.console.now_s()
    await desire(here, path, version)
    boot = await machine.until_boot(len(machine.boots) + 1, TRIES_S)
    written_s = machine.console.now_s() - desired_s
    notes.check(
        boot.tryboot and boot.slot != before, f"{version} is started on trial in slot {boot.slot}", boot
    )
    state = await serves(machine)
    kept = (state.slot, state.version) == (boot.slot, version)
    notes.check(kept, f"{version} passes its health gate and is kept", state)
    notes.figure("update_from_desire_to_restart_s", round(written_s, 1))
    notes.figure("update_from_desire_to_kept_s", round(machine.console.now_s() - desired_s, 1))
    await here.until_shown(version, BOOT_S)
    notes.seen("and the aggregator is told")


async def left_again(here: Site, machine: Machine, bundles: Awaitable[Bundles], notes: Notes) -> None:
    """Desire a version that does not serve: it is tried, and left for the one before."""
    version, path = (await bundles).bad
    before, first = await serves(machine), len(machine.boots)
    await desire(here, path, version)
    await here.until_shown("rolled back", TRIES_S)
    tried = [boot for boot in machine.boots[first:] if boot.tryboot]
    state = await serves(machine)
    notes.check(
        state == before, f"{version}, which does not serve, is left again for {before.version}", state
    )
    notes.check(1 <= len(tried) <= 3, f"after {len(tried)} tries", [boot.slot for boot in tried])


async def desire(here: Site, path: Path, version: str) -> None:
    """Hand the bundle in and desire it of the appliance."""
    words = ("fleet", "artifacts", "add", str(path), "--kind", "software", "--version", version)
    said = json.loads(await here.server.administer(*words, "--format", "json"))
    (digest,) = {row["digest"] for row in (said if isinstance(said, list) else [said])}
    # A full download is taken only where it is asked for, and the variants have few blocks in common.
    allowed = ("updates.most_mb=1000", "--artifact", digest[:12])
    await here.server.administer("fleet", "desire", "set", "--device", here.device, *allowed)
