"""What writes an appliance's slots: the same tests for the fake of other tests and for real RAUC.

Real RAUC, on slots in files, needs device mapper: in `test_real_rauc_passes_the_same` these very tests run in
a Linux of their own.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from firmware.slots.machine import Slot, Slots
from firmware.updater import Trial, UpdateFailed
from firmware.updating.image_updater import ImageUpdater
from firmware.updating.installer import Installer, Rauc
from firmware.updating.ranges import serving
from tests.kit import small_linux
from tests.kit.desired_rig import artifact
from tests.kit.fake_installer import FakeInstaller
from tests.kit.rauc_room import BUNDLES, NEW, NEXT, RUNNING, bundle, image, make_machine, make_room
from tests.kit.slot_machine import Firmware
from trust.state import Artifact, ArtifactKind

IN_SMALL_LINUX = "AIDPOST_ROOM_OF_RAUC"
needs_rauc = pytest.mark.skipif(
    shutil.which("rauc") is None or shutil.which("mksquashfs") is None, reason="needs Debian's rauc"
)
pytestmark = needs_rauc
of_the_updater = pytest.mark.skipif(IN_SMALL_LINUX in os.environ, reason="the same with either installer")
WELL = ("camera", "recognition")
DEADLINE_S = 120.0


class OnDisk:
    """A bundle in a file; counts what is read of it. most: bytes, after which there are no more."""

    def __init__(self, path: Path, most: int | None = None) -> None:
        self._path = path
        self._most = most
        self.read_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self._path.stat().st_size

    async def read(self, offset: int, count: int) -> bytes:
        if self._most is not None and self.read_bytes + count > self._most:
            raise UpdateFailed("no more than that")
        self.read_bytes += count
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(count)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if (room := os.environ.get(IN_SMALL_LINUX)) is not None:
        return Path(room)
    folder = tmp_path_factory.mktemp("bundles")
    make_room(folder)
    return folder


@pytest.fixture
def machine(tmp_path: Path, bundles: Path) -> Firmware:
    return make_machine(tmp_path / "machine", bundles)


@pytest.fixture
async def installer(machine: Firmware, bundles: Path) -> AsyncIterator[Installer]:
    folder = machine.machine.selector.parent
    if IN_SMALL_LINUX not in os.environ:
        fake = FakeInstaller(machine, bundles)
        yield fake
        await fake.close()
        return
    async with service(folder):
        yield Rauc()


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[None]:
    """Real RAUC with the configuration in a folder, on the system's bus."""
    rauc, config = os.environ.get("AIDPOST_RAUC", "rauc"), f"--conf={folder / 'system.conf'}"
    with (folder / "rauc.log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            rauc, config, "--override-boot-slot=A", "service", stdout=log, stderr=log
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    with suppress(UpdateFailed):
                        await Rauc().until_idle()
                        break
            yield
        finally:
            started.terminate()
            await started.wait()


def wanted(bundles: Path, kind: str, version: str | None = None) -> Artifact:
    return artifact(ArtifactKind.SOFTWARE, bundle(bundles, kind).read_bytes(), version or BUNDLES[kind])


def updater(installer: Installer, machine: Firmware) -> ImageUpdater:
    return ImageUpdater(installer, RUNNING, machine.machine.selector.parent, machine.machine)


def root(machine: Firmware, slot: str) -> bytes:
    return (machine.machine.selector.parent / f"root_{slot}").read_bytes()


async def test_a_bundle_is_written_beside_what_runs_and_started_from_once_it_is_activated(
    machine: Firmware, installer: Installer, bundles: Path
) -> None:
    new, made = wanted(bundles, "new"), updater(installer, machine)
    before = root(machine, "a")
    await made.stage(new, OnDisk(bundle(bundles, "new")))
    assert (root(machine, "a"), root(machine, "b")) == (before, image(NEW))
    assert not made.holds(new)
    assert machine.reboot() is Slot.A
    assert not machine.start()
    await made.activate(new, WELL)
    assert made.holds(new)
    assert machine.reboot() is Slot.B


@of_the_updater
async def test_what_was_staged_is_not_read_again(
    machine: Firmware, installer: Installer, bundles: Path
) -> None:
    made, again = updater(installer, machine), OnDisk(bundle(bundles, "new"))
    await made.stage(wanted(bundles, "new"), OnDisk(bundle(bundles, "new")))
    await updater(installer, machine).stage(wanted(bundles, "new"), again)
    assert again.read_bytes == 0


async def test_a_bundle_that_is_not_for_this_appliance_is_refused_and_nothing_is_written(
    machine: Firmware, installer: Installer, bundles: Path
) -> None:
    before = root(machine, "b")
    for kind, said in (
        ("older", "andler"),
        ("same", "andler"),
        ("foreign", "signature"),
        ("strange", "ismatch"),
    ):
        async with serving(OnDisk(bundle(bundles, kind))) as served:
            with pytest.raises(UpdateFailed, match=said):
                await installer.install(served.url)
    assert root(machine, "b") == before
    assert machine.slots == Slots(Slot.A)


@of_the_updater
async def test_a_bundle_of_another_version_than_is_desired_is_never_started_from(
    machine: Firmware, installer: Installer, bundles: Path
) -> None:
    made, other = updater(installer, machine), wanted(bundles, "new", "1.2.1")
    with pytest.raises(UpdateFailed, match=r"holds 1\.2\.0, and 1\.2\.1 is desired"):
        await made.stage(other, OnDisk(bundle(bundles, "new")))
    with pytest.raises(UpdateFailed, match=r"holds 1\.2\.0"):
        await made.activate(other, WELL)
    assert machine.reboot() is Slot.A


async def test_a_bundle_that_was_changed_is_never_started_from(
    machine: Firmware, installer: Installer, bundles: Path
) -> None:
    made, tampered = updater(installer, machine), wanted(bundles, "tampered")
    with pytest.raises(UpdateFailed):
        await made.stage(tampered, OnDisk(bundle(bundles, "tampered")))
    with pytest.raises(UpdateFailed, match="nothing whole"):
        await made.activate(tampered, WELL)
    assert machine.reboot() is Slot.A


async def test_a_bundle_that_cannot_be_read_to_its_end_says_why_and_goes_on_later(
    machine: Firmware, installer: Installer, bundles: Path
) -> None:
    new, made = wanted(bundles, "new"), updater(installer, machine)
    path = bundle(bundles, "new")
    with pytest.raises(UpdateFailed, match="no more than that"):
        await made.stage(new, OnDisk(path, most=path.stat().st_size // 2))
    assert machine.slots == Slots(Slot.A)
    await made.stage(new, OnDisk(path))
    assert root(machine, "b") == image(NEW)


async def test_only_the_blocks_that_differ_are_read(
    machine: Firmware, installer: Installer, bundles: Path
) -> None:
    new, following = OnDisk(bundle(bundles, "new")), OnDisk(bundle(bundles, "next"))
    made = updater(installer, machine)
    await made.stage(wanted(bundles, "new"), new)
    await made.stage(wanted(bundles, "next"), following)
    assert root(machine, "b") == image(NEXT)
    if IN_SMALL_LINUX in os.environ and following.read_bytes >= following.size_bytes:
        pytest.skip("this RAUC was built without streaming")
    assert following.read_bytes < following.size_bytes / 3


@of_the_updater
@pytest.mark.parametrize("passes", [True, False])
async def test_a_slot_on_trial_is_kept_or_left(
    machine: Firmware, installer: Installer, bundles: Path, passes: bool
) -> None:
    new, made = wanted(bundles, "new"), updater(installer, machine)
    await made.stage(new, OnDisk(bundle(bundles, "new")))
    assert made.trial() is None
    await made.activate(new, WELL)
    assert machine.reboot() is Slot.B
    assert not machine.start()
    assert made.trial() == Trial(WELL)
    await (made.keep() if passes else made.take_back())
    assert machine.reboot() is (Slot.B if passes else Slot.A)
    assert not machine.start()
    assert made.trial() is None


@pytest.mark.skipif(IN_SMALL_LINUX in os.environ, reason="is in it")
@pytest.mark.skipif(not small_linux.is_here(), reason="needs Debian's user-mode-linux and kmod")
def test_real_rauc_passes_the_same(bundles: Path) -> None:
    room = small_linux.ROOM
    words = ["pytest", "-q", "--durations=5", "-p", "no:cacheprovider", "--basetemp=/run/tests", __file__]
    status, said = small_linux.run(
        bundles,
        f"""
        dbus-daemon --system --fork --nopidfile
        ip link set lo up
        cd {shlex.quote(str(Path(__file__).parents[2]))}
        {os.environ.get("AIDPOST_BEFORE_RAUC", "true")}
        export {IN_SMALL_LINUX}={room}
        {shlex.join([sys.executable, "-m", *words])}
        """,
    )
    assert status == 0, said
    assert " passed" in said
