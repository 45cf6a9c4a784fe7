"""A card in the wrong hands: a root that was changed, a bundle that somebody else signed, an old one."""

from __future__ import annotations

import asyncio

from imaging import keys
from tests.image.machine import Plugs
from tests.image.range_server import serving
from tests.image.result import Notes
from tests.image.stage import BOOT_S, Stage
from tests.image.variants import nothing_else, signed

CORRUPTED = r"dm-verity device corrupted|is corrupted|cannot be mounted|is not what this slot was signed with"
FOREIGN, OLD = "foreign.raucb", "old.raucb"


async def scenario(stage: Stage, notes: Notes) -> None:
    """Try each on a fresh card."""
    await tampered_root(stage, notes)
    await refused_bundles(stage, notes)


async def tampered_root(stage: Stage, notes: Notes) -> None:
    """Turn over bytes all over the root, as far apart as a boot cannot miss; it must not get to a system."""
    disk = await stage.disk("tampered")
    size = stage.built.made.hash_offset
    for offset in range(1 << 20, size, 1 << 20):
        disk.flip("root_a", offset, 16)
    async with stage.machine(disk, "tampered", Plugs(agent=False, append="systemd.show_status=1")) as machine:
        line = await machine.console.wait(CORRUPTED, BOOT_S)
        notes.seen(f"a root with changed bytes is not started: {line.text.split('] ')[-1].strip()}")
        await machine.until_boot(2, BOOT_S)
        started = [line.text for line in machine.console.lines if "Reached target multi-user" in line.text]
        notes.check(not started, "the machine starts anew instead", started)


async def refused_bundles(stage: Stage, notes: Notes) -> None:
    """Install a bundle of another signer, and one of the version that runs; neither may write anything."""
    built = stage.built
    contents = await asyncio.to_thread(built.variant, built.later(1), nothing_else)
    stranger = await asyncio.to_thread(keys.make, stage.folder / "stranger")
    await asyncio.to_thread(signed, contents, stranger, stage.folder / FOREIGN)
    await asyncio.to_thread(signed, built.contents, built.keys, stage.folder / OLD)
    disk = await stage.disk("bundles")
    before = disk.read("root_b", 0, 1 << 20)
    with serving(stage.folder) as server:
        async with stage.machine(disk, "bundles") as machine:
            agent = await machine.agent(BOOT_S)
            for name, what in ((FOREIGN, "that somebody else signed"), (OLD, "of the version that runs")):
                answer = await agent.sh(f"rauc install {server.url(name)}", BOOT_S)
                why = answer.output.strip().splitlines()[-1] if answer.output.strip() else ""
                notes.check(answer.status != 0, f"refuses a bundle {what}: {why}", answer.output)
            slots = await agent.run("/usr/lib/rauc/aidpost-tryboot get-primary")
            notes.check(slots.strip() == "A", "and goes on from its own slot", slots)
    notes.check(disk.read("root_b", 0, 1 << 20) == before, "nothing of them was written")
