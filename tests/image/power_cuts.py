"""SIGKILL of the whole machine at random moments of an update: it comes up, and is updated in the end.

And then the new root is damaged on the card: the former one serves again.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from tests.image.disk import Disk
from tests.image.firmware import SELECTOR, chosen
from tests.image.life import appliance
from tests.image.machine import Machine
from tests.image.range_server import RangeServer, serving
from tests.image.result import Notes
from tests.image.serving import Serving, online, serves
from tests.image.stage import BOOT_S, Stage
from tests.image.variants import nothing_else

TIMES = 10
BUNDLE = "update.raucb"
KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Course:
    """How long the parts of an update take, in seconds: until it is written, and until it is kept."""

    written_s: float
    kept_s: float


async def scenario(stage: Stage, notes: Notes) -> None:
    """Time one update, cut the power at ten moments of it on the same card, then let it be done."""
    built = stage.built
    version = built.later(1)
    await asyncio.to_thread(built.bundle, version, nothing_else, stage.folder / BUNDLE)
    times = round(TIMES * stage.share) or 1
    with serving(stage.folder) as server:
        async with appliance(stage, notes) as (_site, machine, _sensor):
            before = await serves(machine)
            await machine.kill()
            joined = await asyncio.to_thread(machine.disk.copy, stage.folder / "joined.img")
            await machine.power_on()
            await serves(machine)
            course = await _undisturbed(machine, server)
            notes.figure("update_to_written_s", round(course.written_s, 1))
            notes.figure("update_to_kept_s", round(course.kept_s, 1))
            await machine.kill()
            await _put_back(joined, machine, before)
            length_s = course.kept_s
            for part in moments(stage.rng(), times):
                cut_s = part * length_s
                # It may be quicker than the one that was timed; a cut after it is none during it.
                while (found := await _cut(machine, server, cut_s)) is KEPT:
                    notes.progress(f"kept before {cut_s:.0f} s were over: once more, earlier")
                    await _put_back(joined, machine, before)
                    length_s = 0.9 * cut_s
                    cut_s = part * length_s
                began_s = machine.console.now_s()
                await machine.power_on()
                state = await serves(machine)
                took_s = machine.console.now_s() - began_s
                what = f"cut after {cut_s:.0f} s ({found})"
                notes.check(
                    state.version in (before.version, version),
                    f"{what}: slot {state.slot} serves {state.version} {took_s:.0f} s after its return",
                    state,
                )
                if state.version == version:
                    # Its second try passed: the next cut needs an update that is still to be done.
                    await machine.kill()
                    await _put_back(joined, machine, before)
            await _undisturbed(machine, server)
            state = await serves(machine)
            notes.check(state.version == version, "after all cuts the update is done and in use", state)
            await _falls_back(machine, before, built.made.hash_offset, notes)


def moments(rng: random.Random, times: int) -> list[float]:
    """Return one moment in each of so many equal parts of an update, as shares of it, in random order."""
    cuts = [(number + rng.random()) / times for number in range(times)]
    rng.shuffle(cuts)
    return cuts


async def _put_back(joined: Disk, machine: Machine, before: Serving) -> None:
    """Give the machine, which is off, the card as it was before any update, and wait until it serves."""
    await asyncio.to_thread(joined.copy, machine.disk.path)
    await machine.power_on()
    state = await serves(machine)
    assert state == before, state


async def _begin(machine: Machine, server: RangeServer) -> None:
    """Have the update written and started on trial, as the appliance does it at the desk's word."""
    agent = await machine.agent(BOOT_S, boot=len(machine.boots))
    await online(agent)
    await agent.run(
        "systemctl reset-failed update.service 2>/dev/null; systemd-run --unit=update sh -c "
        f"'rauc install {server.url(BUNDLE)} && rauc status mark-active other && systemctl reboot'"
    )


async def _undisturbed(machine: Machine, server: RangeServer) -> Course:
    """Let the update be done in peace."""
    boots, began_s = len(machine.boots), machine.console.now_s()
    await _begin(machine, server)
    boot = await machine.until_boot(boots + 1, 4 * BOOT_S)
    written_s = boot.at_s - began_s
    await serves(machine)
    return Course(written_s, machine.console.now_s() - began_s)


async def _cut(machine: Machine, server: RangeServer, cut_s: float) -> str:
    """Begin the update and cut the power after so many seconds; return what was going on, in words.

    Nothing is asked of the guest, which would shift the moment: what was going on is read from the card.
    """
    boots, served = len(machine.boots), server.served_bytes
    slot = machine.boots[-1].slot
    await _begin(machine, server)
    await asyncio.sleep(cut_s)
    await machine.kill()
    if chosen(machine.disk, tryboot=False) != f"boot_{slot.lower()}":
        return KEPT
    if len(machine.boots) > boots:
        return f"while slot {machine.boots[-1].slot} was started on trial"
    if b"trial" in (machine.disk.read_file(SELECTOR, "slots.txt") or b""):
        return "between its mark for a trial and the start"
    return f"while it was written, {(server.served_bytes - served) / 1e6:.0f} MB fetched"


async def _falls_back(machine: Machine, former: Serving, size: int, notes: Notes) -> None:
    """Damage the root of the primary, as an old card does; the other slot was good."""
    slot, boots = machine.boots[-1].slot, len(machine.boots)
    await machine.kill()
    machine.disk.damage(f"root_{slot.lower()}", size)
    await machine.power_on()
    state = await serves(machine)
    starts = len(machine.boots) - boots
    what = f"a primary whose root was damaged is left for {former.version}, at start {starts}"
    notes.check(state == former, what, state)
