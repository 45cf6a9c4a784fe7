"""A card in the wrong hands: a root that was changed, a bundle that somebody else signed, an old one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from imaging import keys
from tests.image.machine import Plugs
from tests.image.range_server import serving
from tests.image.result import Notes
from tests.image.serving import online
from tests.image.stage import BOOT_S, Stage
from tests.image.variants import nothing_else, signed

CORRUPTED = r"dm-verity device corrupted|is corrupted|cannot be mounted|is not what this slot was signed with"
FOREIGN, OLD, SAME = "foreign.raucb", "old.raucb", "same.raucb"
OLDER = "0.0.1"


async def scenario(stage: Stage, notes: Notes) -> None:
    """Try each on a fresh card."""
    await tampered_root(stage, notes)
    await refused_bundles(stage, notes)


async def tampered_root(stage: Stage, notes: Notes) -> None:
    """Turn over bytes all over the root; it must not get to a system."""
    disk = await stage.disk("tampered")
    disk.damage("root_a", stage.built.made.hash_offset)
    async with stage.machine(disk, "tampered", Plugs(agent=False, append="systemd.show_status=1")) as machine:
        line = await machine.console.wait(CORRUPTED, BOOT_S)
        notes.seen(f"a root with changed bytes is not started: {line.text.split('] ')[-1].strip()}")
        await machine.until_boot(2, BOOT_S)
        started = [line.text for line in machine.console.lines if "Reached target multi-user" in line.text]
        notes.check(not started, "the machine starts anew instead", started)


async def refused_bundles(stage: Stage, notes: Notes) -> None:
    """Install what must not be; none of it may write anything, and each is refused for what it is."""
    built = stage.built
    contents = await asyncio.to_thread(built.variant, built.later(1), nothing_else)
    stranger = await asyncio.to_thread(keys.make, stage.folder / "stranger")
    await asyncio.to_thread(signed, contents, stranger, stage.folder / FOREIGN)
    # What each has to be refused for: any other failure is no refusal.
    refused = {FOREIGN: ("that somebody else signed", "signature verification failed")}
    for name, what, version in (
        (OLD, "of an older version", OLDER),
        (SAME, "of the version that runs", built.made.version),
    ):
        labelled = replace(built.contents, version=version)
        await asyncio.to_thread(signed, labelled, built.keys, stage.folder / name)
        refused[name] = (what, f"{built.made.version} runs here, and {version} is not newer")
    disk = await stage.disk("bundles")
    before = await asyncio.to_thread(disk.digest, "root_b")
    with serving(stage.folder) as server:
        async with stage.machine(disk, "bundles") as machine:
            agent = await machine.agent(BOOT_S)
            await online(agent)
            for name, (what, reason) in refused.items():
                answer = await agent.sh(f"rauc install {server.url(name)}", BOOT_S)
                said = answer.output + await agent.run("journalctl -b -u rauc --no-pager -o cat -n 20")
                holds = answer.status != 0 and reason in said
                notes.check(holds, f"refuses a bundle {what}: {reason}", (answer.status, said[-1500:]))
            slots = await agent.run("/usr/lib/rauc/aidpost-tryboot get-primary")
            notes.check(slots.strip() == "A", "and goes on from its own slot", slots)
    notes.check(await asyncio.to_thread(disk.digest, "root_b") == before, "nothing of them was written")
