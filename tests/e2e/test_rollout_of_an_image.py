"""A rollout brings a new image to a whole appliance over mutual TLS: staged, tried, and kept or left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware.demo.joining import join
from firmware.demo.server import Server
from firmware.slots.machine import Slot
from firmware.updating.image_updater import ImageUpdater
from tests.contract.test_image_updates import needs_rauc
from tests.kit.aggregator_stub import AggregatorStub
from tests.kit.desired_rig import DEADLINE_S, Rig, artifact
from tests.kit.fake_installer import FakeInstaller
from tests.kit.rauc_room import NEW, RUNNING, bundle, make_machine, make_room
from tests.kit.slot_machine import Firmware
from trust.state import ArtifactKind

pytestmark = needs_rauc
ROLLOUT = """
name = "image"
filter = ""
artifacts = ["{digest}"]

[[rings]]
name = "all"

[thresholds]
min_devices = 0
min_check_ins = 0
failure_to_acquire_points = 0.0
no_match_points = 0.0
"""


class Post:
    """A whole appliance on two slots, and its aggregator."""

    def __init__(
        self, appliance: Rig, server: Server, machine: Firmware, bundles: Path, installer: FakeInstaller
    ) -> None:
        self.appliance = appliance
        self.machine = machine
        self._server = server
        self._bundle = bundle(bundles, "new")
        self._installer = installer
        self.starts_as(RUNNING)

    def starts_as(self, version: str) -> None:
        """Have the appliance find at its next start what the slot that runs says."""
        data = self.appliance.config.device.data
        self.appliance.updater = ImageUpdater(self._installer, version, data, self.machine.machine)
        self.appliance.version = version

    async def roll_out(self) -> None:
        digest = artifact(ArtifactKind.SOFTWARE, self._bundle.read_bytes(), NEW).digest
        file = self.appliance.folder / "rollout.toml"
        file.write_text(ROLLOUT.format(digest=digest))
        add = ("artifacts", "add", str(self._bundle), "--kind", "software", "--version", NEW)
        for words in (add, ("rollouts", "start", str(file), "--yes")):
            await self._server.administer("fleet", *words)

    async def shown(self) -> str:
        return (await self._server.administer("fleet", "rollouts", "show", "image")).lower()

    async def devices(self) -> str:
        return await self._server.administer("fleet", "devices", "list", "--format", "json")

    async def until_shown(self, word: str) -> str:
        async with asyncio.timeout(DEADLINE_S):
            while word not in (said := await self.shown()):
                pass
        return said

    async def reboots_into_the_new_slot(self) -> None:
        async with self.appliance.started() as appliance, asyncio.timeout(DEADLINE_S):
            await appliance.link.until_connected()
            await self.roll_out()
            await self.appliance.power.asked.wait()
        assert self.machine.reboot() is Slot.B
        assert not self.machine.start()
        self.starts_as(NEW)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    bundles, room = tmp_path / "bundles", tmp_path / "server"
    for folder in (bundles, room):
        folder.mkdir()
    make_room(bundles)
    machine = make_machine(tmp_path / "machine", bundles)
    installer = FakeInstaller(machine, bundles)
    server = await Server.start(room)
    appliance = Rig(tmp_path, AggregatorStub(), target=server.target, with_tls=True)
    await join(server, appliance.config)
    yield Post(appliance, server, machine, bundles, installer)
    await server.stop()
    await installer.close()


async def test_it_is_tried_in_the_other_slot_kept_and_the_rollout_is_done(post: Post) -> None:
    await post.reboots_into_the_new_slot()
    async with post.appliance.started():
        await post.until_shown("done")
    assert post.machine.power_cut() is Slot.B


async def test_a_slot_with_which_a_part_is_lost_is_left_and_stops_the_rollout(post: Post) -> None:
    await post.reboots_into_the_new_slot()
    post.appliance.camera_is_there = False
    async with post.appliance.started():
        assert post.appliance.power.reboots == 2
    assert post.machine.reboot() is Slot.A
    assert not post.machine.start()
    post.starts_as(RUNNING)
    post.appliance.camera_is_there = True
    async with post.appliance.started():
        assert "camera was well before" in await post.until_shown("stopped")
    assert post.machine.slots.primary is Slot.A


async def test_older_software_in_place_of_a_damaged_one_is_told_until_it_was_written_anew(post: Post) -> None:
    async def until_told(part: bool) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while ("SoftwareDamaged" in await post.devices()) is not part:
                pass

    post.machine.machine.damaged.touch()
    for _ in range(2):
        async with post.appliance.started() as appliance:
            assert f"{RUNNING} runs in its place" in appliance.notices["software"]
            await until_told(True)
    post.machine.machine.damaged.unlink()
    async with post.appliance.started() as appliance:
        assert "software" not in appliance.notices
        await until_told(False)
