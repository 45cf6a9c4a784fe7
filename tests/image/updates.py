"""Software from the fleet: the next version is taken up, and one that does not serve is left again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.image.life import DEVICE, appliance
from tests.image.power_cuts import serves
from tests.image.result import Notes
from tests.image.site import Site
from tests.image.stage import BOOT_S, Stage
from tests.image.variants import Change, does_not_start, nothing_else, signed

TRIES_S = 8 * BOOT_S
"""Three tries of a slot that never serves, with the primary's boots between them."""


async def scenario(stage: Stage, notes: Notes) -> None:
    """Desire a good version, then a broken one."""
    good, bad = stage.built.later(1), stage.built.later(2)
    async with appliance(stage, notes) as (here, machine, _sensor):
        before = (await serves(machine)).slot
        desired_s = machine.console.now_s()
        await desire(here, await made(stage, good, nothing_else), good)
        boot = await machine.until_boot(len(machine.boots) + 1, TRIES_S)
        notes.check(
            boot.tryboot and boot.slot != before, f"{good} is started on trial in slot {boot.slot}", boot
        )
        state = await serves(machine)
        notes.check(
            (state.slot, state.version) == (boot.slot, good), f"{good} passes its gate and is kept", state
        )
        notes.figure("update_from_desire_to_kept_s", round(machine.console.now_s() - desired_s, 1))
        await here.until_shown(good, BOOT_S)
        notes.seen("and the aggregator is told")

        first = len(machine.boots)
        await desire(here, await made(stage, bad, does_not_start), bad)
        await here.until_shown("rolled back", TRIES_S)
        tried = [boot for boot in machine.boots[first:] if boot.tryboot]
        state = await serves(machine)
        notes.check(state.version == good, f"{bad}, which does not serve, is left again for {good}", state)
        notes.check(1 <= len(tried) <= 3, f"after {len(tried)} tries", [boot.slot for boot in tried])


async def made(stage: Stage, version: str, change: Change) -> Path:
    """Return a signed bundle of this version."""
    contents = await asyncio.to_thread(stage.built.variant, version, change, stage.folder / version)
    return await asyncio.to_thread(signed, contents, stage.built.keys, stage.folder / f"{version}.raucb")


async def desire(here: Site, path: Path, version: str) -> None:
    """Hand the bundle in and desire it of the appliance."""
    words = ("fleet", "artifacts", "add", str(path), "--kind", "software", "--version", version)
    said = json.loads(await here.server.administer(*words, "--format", "json"))
    (digest,) = {row["digest"] for row in (said if isinstance(said, list) else [said])}
    await here.server.administer("fleet", "desire", "set", "--device", DEVICE, "--artifact", digest[:12])
