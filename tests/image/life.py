"""The life of an appliance: joins its site by its claim file, registers somebody and checks them in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np

from firmware.demo.cast import FACES
from inference.synthesis.condition import Condition
from inference.synthesis.master import MasterFinger, make_finger
from sensors.emulator.virtual import VirtualSensor
from sensors.frames import Pixels
from tests.image import first_boot, guest_camera
from tests.image.agent import GuestFailed
from tests.image.hands import Hands, Impression, check_in, register
from tests.image.machine import Machine, Plugs
from tests.image.result import Notes
from tests.image.site import Site, site
from tests.image.stage import BOOT_S, Stage
from tests.image.updates import Bundles, left_again, taken_up

DEVICE = "kit-01"
JOURNAL_S = 120.0
KEPT = (
    "cat /proc/meminfo",
    "for p in /proc/[0-9]*; do echo $(grep -hE '^(Name|VmRSS|RssAnon):' $p/status 2>/dev/null); done | sort",
    "systemctl --failed --plain --no-pager",
    "systemd-analyze blame --no-pager | head -40",
    "systemd-analyze critical-chain --no-pager aidpost.service",
    "journalctl -b -p warning --no-pager -o short-monotonic | tail -100",
)
SENSOR_SIZE = (192, 192)
# Without a screen the board shows what the page would.
HARDWARE: Mapping[str, str | bool] = {"port": "/dev/ttyS0", "board": "console", "screen": False}
IN_IMAGE = "/usr/lib/aidpost/venv/lib/python3.13/site-packages/firmware/demo/assets/faces"
REPLAY = {**HARDWARE, "camera": "replay", "camera_device": IN_IMAGE}


@asynccontextmanager
async def appliance(stage: Stage, notes: Notes) -> AsyncIterator[tuple[Site, Machine, VirtualSensor]]:
    """Boot a card with a claim file of an aggregator on this host; it has joined and serves at the yield."""
    disk = await stage.disk()
    with VirtualSensor("R503") as sensor:
        async with site(stage.folder) as here:
            await here.put_claim_on(disk, DEVICE, REPLAY)
            plugs = Plugs(fingerprint=Path(sensor.port), board=True, append="systemd.show_status=1")
            path = stage.folder / "journal.txt"
            async with stage.machine(disk, plugs=plugs) as machine, journal_kept(machine, path):
                words = await here.approve(BOOT_S)
                notes.seen(f"asks to join by its claim file, and is approved by its key's words ({words})")
                await machine.board.wait("^== .*Show the appointment card", BOOT_S)
                took_s = machine.console.now_s() - machine.boots[0].at_s
                notes.figure("first_boot_to_joined_and_ready_s", round(took_s, 1))
                yield here, machine, sensor


@asynccontextmanager
async def journal_kept(machine: Machine, path: Path) -> AsyncIterator[None]:
    """Keep the guest's journal where something fails while it runs."""
    try:
        yield
    except Exception:
        with suppress(GuestFailed, TimeoutError):
            agent = await machine.agent(JOURNAL_S, boot=len(machine.boots))
            said = await agent.sh(
                "systemctl --failed --no-pager; journalctl -b --no-pager -o short-monotonic"
            )
            await asyncio.to_thread(path.write_text, said.output)
        raise


async def fingers() -> Impression:
    """Return the impressions of one person's two index fingers."""
    made: dict[str, MasterFinger] = {}
    for seed, name in enumerate(("right index", "left index"), 7):
        made[name] = await asyncio.to_thread(make_finger, seed)

    def impression(name: str, take: int) -> Pixels:
        condition = Condition.random(np.random.default_rng(take), 0.3)
        return made[name].impression(take, condition, SENSOR_SIZE)

    return impression


async def scenario(stage: Stage, notes: Notes) -> None:
    """Join, serve people, take up a setting and software, and leave software that does not serve."""
    finger = await fingers()
    making = asyncio.create_task(Bundles.of(stage))  # two minutes, while the machine boots
    async with appliance(stage, notes) as (here, machine, sensor):
        disk = machine.disk
        hands = Hands(sensor, finger, machine.press)
        # Each says something of its own: what one finds wrong does not keep the next from being tried.
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "people": partial(people, here, machine, hands, notes),
            "setting": partial(desired, here, notes),
            "idle": partial(at_idle, machine, stage.folder / "inside.txt", notes),
            "update": partial(taken_up, here, machine, making, notes),
            "broken update": partial(left_again, here, machine, making, notes),
        }
        for what, step in steps.items():
            try:
                async with journal_kept(machine, stage.folder / f"{what}.journal.txt"):
                    await step()
            except Exception as failed:  # noqa: BLE001  (whatever ends a step is what it found)
                notes.wrong(f"{what}: {type(failed).__name__}: {failed}")
        await (await machine.agent()).sh("systemctl --no-block poweroff")
        await machine.until_off(BOOT_S)
    timed = Plugs(agent=False, append="systemd.show_status=1")
    async with stage.machine(disk, "timed", timed) as machine:
        notes.figure("boot_to_ready_s", await first_boot.ready_s(machine))


async def people(here: Site, machine: Machine, hands: Hands, notes: Notes) -> None:
    """Register somebody and check them in, by the buttons and before a camera of picamera2."""
    hands.forget(machine.board)
    machine.on_board = hands.hear
    photograph = await asyncio.to_thread(sorted(FACES.glob("*.jpg"))[0].read_bytes)
    agent = await machine.agent()
    await guest_camera.show(agent, "face.jpg", photograph)
    try:
        await served(here, machine, hands, notes)
    finally:
        await guest_camera.put_away(agent)


async def served(here: Site, machine: Machine, hands: Hands, notes: Notes) -> None:
    """Register somebody and check them in, before whichever camera is there."""
    await register(hands, machine.board, "1001")
    event = await here.until_event("registration", BOOT_S)
    kept = (event["face_templates"], event["finger_templates"])
    told = "a person is registered: the face by picamera2 on the virtual pipeline, fingers by the reader"
    notes.check(kept[0] > 0 and kept[1] > 0, told, kept)
    await hands.screen(machine.board, "Registered")
    await hands.take()
    await check_in(hands, machine.board, "1001")
    event = await here.until_event("check_in", BOOT_S)
    notes.check(event["outcome"] == "match", "and is known again at the check-in", event["outcome"])


async def at_idle(machine: Machine, kept: Path, notes: Notes) -> None:
    """Measure what is used while nobody is served, and keep what explains it and the boot's time."""
    agent = await machine.agent()
    await first_boot.look_around(agent, notes)
    await first_boot.idle(agent, notes)
    said = [f"# {command}\n{(await agent.sh(command, 300.0)).output}" for command in KEPT]
    await asyncio.to_thread(kept.write_text, "\n".join(said))


async def desired(here: Site, notes: Notes) -> None:
    """Have a setting desired, and wait until it is in use."""
    await here.server.administer("fleet", "desire", "set", "--device", DEVICE, "session.tries=2")
    await here.until_shown("applied", BOOT_S)
    notes.seen("takes up its desired state")
