"""SIGKILL of the whole machine at random moments of an update: it comes up, and is updated in the end."""

from __future__ import annotations

import asyncio

from tests.image.agent import Agent
from tests.image.life import appliance
from tests.image.machine import Machine
from tests.image.range_server import RangeServer, serving
from tests.image.result import Notes
from tests.image.serving import serves
from tests.image.stage import BOOT_S, Stage
from tests.image.variants import nothing_else

TIMES = 10
# From the first block to the new slot's health gate, idle; the moments of the cuts are spread over it.
UPDATE_S = 300.0
BUNDLE = "update.raucb"


async def scenario(stage: Stage, notes: Notes) -> None:
    """Cut the power ten times during the same update, then let it be done."""
    built = stage.built
    version = built.later(1)
    await asyncio.to_thread(built.bundle, version, nothing_else, stage.folder / BUNDLE)
    rng = stage.rng()
    times = round(TIMES * stage.share) or 1
    # One in each part of the update, so that ten hit every part of it.
    cuts = [UPDATE_S * (number + rng.random()) / times for number in range(times)]
    rng.shuffle(cuts)
    with serving(stage.folder) as server:
        async with appliance(stage, notes) as (_site, machine, _sensor):
            for cut_s in cuts:
                agent = await machine.agent(BOOT_S)
                phase = await _cut(machine, agent, server, cut_s)
                began_s = machine.console.now_s()
                await machine.power_on()
                state = await serves(machine)
                took_s = machine.console.now_s() - began_s
                notes.seen(
                    f"cut after {cut_s:.0f} s ({phase}): slot {state.slot} serves {took_s:.0f} s later"
                )
            await _updated(machine, server, version, notes)


async def _cut(machine: Machine, agent: Agent, server: RangeServer, cut_s: float) -> str:
    """Begin the update and cut the power after so many seconds; return what was going on, in words."""
    await agent.run(
        "systemctl reset-failed update.service 2>/dev/null; systemd-run --unit=update sh -c "
        f"'rauc install {server.url(BUNDLE)} && systemctl reboot'"
    )
    boots, served = len(machine.boots), server.served_bytes
    await asyncio.sleep(cut_s)
    await machine.kill()
    if len(machine.boots) > boots:
        return "in the new slot" if machine.boots[-1].tryboot else "after the reboot"
    return f"writing, {(server.served_bytes - served) / 1e6:.0f} MB fetched"


async def _updated(machine: Machine, server: RangeServer, version: str, notes: Notes) -> None:
    """Let the update be done in peace."""
    agent = await machine.agent(BOOT_S)
    if (await agent.run("cat /usr/lib/aidpost/version")).strip() != version:
        boots = len(machine.boots)
        await agent.run(f"rauc install {server.url(BUNDLE)}", 4 * BOOT_S)
        await agent.sh("systemctl reboot")
        await machine.until_boot(boots + 1, BOOT_S)
        await serves(machine)
        agent = await machine.agent(BOOT_S)
    found = (await agent.run("cat /usr/lib/aidpost/version")).strip()
    notes.check(found == version, "after all cuts the update is done and in use", found)
