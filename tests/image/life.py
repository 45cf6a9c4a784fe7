"""The life of an appliance: joins its site by its claim file, registers somebody and checks them in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np

from firmware.demo.cast import FACES
from inference.synthesis.condition import Condition
from inference.synthesis.master import MasterFinger, make_finger
from sensors.emulator.virtual import VirtualSensor
from sensors.frames import Pixels
from tests.image import guest_camera
from tests.image.agent import GuestFailed
from tests.image.hands import Hands, Impression, check_in, register
from tests.image.machine import Machine, Plugs
from tests.image.result import Notes
from tests.image.site import Site, site
from tests.image.stage import BOOT_S, Stage

DEVICE = "kit-01"
JOURNAL_S = 120.0
SENSOR_SIZE = (192, 192)
HARDWARE = {"port": "/dev/ttyS0", "board": "console"}
# As the image has them: the demonstration's photographs are part of the wheel.
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
    """Join, register, check in, and take up a desired state."""
    finger = await fingers()
    async with appliance(stage, notes) as (here, machine, sensor):
        hands = Hands(sensor, finger, machine.press)
        hands.forget(machine.board)
        machine.on_board = hands.hear
        photograph = await asyncio.to_thread(sorted(FACES.glob("*.jpg"))[0].read_bytes)
        await guest_camera.show(await machine.agent(), "face.jpg", photograph)
        await register(hands, machine.board, "1001")
        event = await here.until_event("registration", BOOT_S)
        kept = (event["face_templates"], event["finger_templates"])
        told = (
            "a person is registered: face by picamera2 on libcamera's virtual pipeline, fingers by the reader"
        )
        notes.check(kept[0] > 0 and kept[1] > 0, told, kept)
        await hands.screen(machine.board, "Registered")
        await hands.take()
        await check_in(hands, machine.board, "1001")
        event = await here.until_event("check-in", BOOT_S)
        notes.check(event["outcome"] == "match", "and is known again at the check-in", event["outcome"])
        await desired(here, machine, notes)


async def desired(here: Site, machine: Machine, notes: Notes) -> None:
    """Have a setting desired, and wait until it is in use."""
    await here.server.administer("fleet", "desire", "set", "--device", DEVICE, "session.tries=2")
    await here.until_shown("applied", BOOT_S)
    notes.seen("takes up its desired state")
