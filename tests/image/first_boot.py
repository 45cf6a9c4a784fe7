"""A card from the factory boots: time, memory, and what the system looks like from inside."""

from __future__ import annotations

from tests.image.machine import Plugs
from tests.image.result import Notes
from tests.image.stage import BOOT_S, Stage


async def scenario(stage: Stage, notes: Notes) -> None:
    """Boot once and look."""
    plugs = Plugs(append="systemd.show_status=1")
    async with stage.machine(await stage.disk(), plugs=plugs) as machine:
        agent = await machine.agent(BOOT_S)
        notes.seen("a fresh card boots slot A" if machine.boots[0].slot == "A" else "slot B")
        notes.progress(await agent.run("uname -a; findmnt -no SOURCE,FSTYPE,OPTIONS /"))
