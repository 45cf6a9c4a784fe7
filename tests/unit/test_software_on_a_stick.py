"""Software on a memory stick: found by its name, with the same checks, at a supervisor's word alone."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.first_boot.configuration import tables_of
from firmware.occupancy import Occupancy
from firmware.updater import UpdateFailed
from firmware.updating.image_updater import ImageUpdater
from firmware.updating.installer import SlotFacts
from firmware.updating.stick import Phase, StickUpdates
from tests.kit.desired_rig import DEADLINE_S, CountedPower, Slots
from tests.kit.slot_machine import machine_in
from tests.unit.test_claim_file import CLAIM
from tests.unit.test_page import Visitor
from trust.state import Artifact, ArtifactKind

CONTENT = b"a signed bundle" * 1000
FILE = "sda1/aidpost-1.3.0.raucb"
SUPERVISOR = ("boris", "135713")


class Strict(Slots):
    """Refuses what is not newer, as an image does; what it is given to write may not be a bundle."""

    def refusal(self, artifact: Artifact) -> str | None:  # type: ignore[override]
        return None if artifact.version == "1.3.0" else "software never goes back"

    async def stage(self, artifact: Artifact, source: object) -> None:
        await super().stage(artifact, source)  # type: ignore[arg-type]
        if self.staged != CONTENT:
            raise UpdateFailed("signature verification failed")


class Post:
    """sleeps: called for each second that is waited for somebody to go."""

    def __init__(
        self, folder: Path, sleeps: Callable[[], None] = lambda: None, *, restarts: bool = True
    ) -> None:
        self.slots, self.power, self.busy = Strict(), CountedPower(refuses=not restarts), False
        self.tried_while_busy: list[bool] = []

        async def sleep(_time_s: float) -> None:
            sleeps()

        async def well_parts() -> tuple[str, ...]:
            self.tried_while_busy.append(self.busy)
            return ("camera",)

        occupancy = Occupancy(lambda: 0, sleep, quiet_s=0.0)
        occupancy.watch(lambda: self.busy)
        self.updates = StickUpdates(folder, self.slots, self.power, occupancy, well_parts)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "sda1").mkdir()
    (tmp_path / FILE).write_bytes(CONTENT)
    (tmp_path / "sda1" / "holiday.jpg").write_bytes(b"jpeg")
    return tmp_path


async def test_it_is_written_and_started_from_once_nobody_is_served(stick: Path) -> None:
    def leave() -> None:
        assert post.updates.phase is Phase.WAITING
        assert post.slots.asked == ["stage 1.3.0"]
        post.busy = False

    post = Post(stick, leave)
    post.busy = True
    assert await post.updates.files() == (FILE,)
    await post.updates.install(FILE)
    assert post.slots.asked == ["stage 1.3.0", "activate 1.3.0"]
    assert post.tried_while_busy == [False]
    assert post.power.reboots == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("update.raucb", CONTENT, "does not say its version"),
        ("aidpost-1.2.0.raucb", CONTENT, "never goes back"),
        ("aidpost-1.3.0.raucb", b"something else", "signature"),
        ("../aidpost-1.3.0.raucb", CONTENT, "aidpost-1.3.0.raucb"),
    ],
)
async def test_what_is_refused_is_said_and_nothing_starts_from_it(
    stick: Path, name: str, content: bytes, said: str
) -> None:
    (stick / "sda1" / name).write_bytes(content)
    post = Post(stick)
    await post.updates.install(f"sda1/{name}")
    assert post.updates.phase is Phase.FAILED
    assert said in post.updates.reason
    assert post.power.reboots == 0
    assert "activate 1.3.0" not in post.slots.asked


async def test_what_is_installed_is_not_called_otherwise_where_the_machine_does_not_start_anew(
    stick: Path,
) -> None:
    post = Post(stick, restarts=False)
    visitor = Visitor(updates=post.updates)
    await visitor.sign_in(*SUPERVISOR)
    await post.updates.install(FILE)
    assert post.slots.asked == ["stage 1.3.0", "activate 1.3.0"]
    assert post.updates.phase is Phase.INSTALLED
    said = (await visitor.client.get("/day/update")).text
    assert "It is installed, but the device did not start anew." in said
    assert "this machine has no systemd" in said
    assert "Nothing was installed." not in said


class Marks:
    """An installer whose other slot was written; remembers what it is told of slots."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def install(self, source: str) -> None:
        raise AssertionError(source)

    async def slots(self) -> tuple[SlotFacts, ...]:
        return SlotFacts("rootfs.0", booted=True), SlotFacts("rootfs.1", booted=False, version="1.3.0")

    async def mark(self, state: str, slot: str) -> None:
        self.told.append((state, slot))


async def test_what_cannot_be_recorded_is_not_started_from(tmp_path: Path) -> None:
    marks = Marks()
    updater = ImageUpdater(marks, "1.2.0", tmp_path / "gone", machine_in(tmp_path))
    with pytest.raises(UpdateFailed, match="cannot be written"):
        await updater.activate(Artifact(ArtifactKind.SOFTWARE, "1.3.0", "d" * 64, 1), ())
    assert marks.told == [("active", "other"), ("active", "booted")]


async def test_who_asks_twice_has_it_installed_once(stick: Path) -> None:
    post = Post(stick)
    await asyncio.gather(post.updates.install(FILE), post.updates.install(FILE))
    assert post.slots.asked == ["stage 1.3.0", "activate 1.3.0"]
    assert post.power.reboots == 1


def test_an_appliance_of_the_image_looks_where_its_rule_mounts_sticks() -> None:
    overlay = Path(__file__).parents[2] / "image-build/overlay/usr/lib"
    base = tomllib.loads((overlay / "aidpost/appliance.toml").read_text())
    lists = tables_of(CLAIM, base, Path("/data"))["page"]["lists"]
    assert f"$devnode {lists}/%k" in (overlay / "udev/rules.d/70-aidpost-sticks.rules").read_text()


async def test_a_link_on_the_stick_leads_nowhere(stick: Path) -> None:
    (stick / "sda1" / "aidpost-1.3.1.raucb").symlink_to(stick / FILE)
    post = Post(stick)
    assert await post.updates.files() == (FILE,)
    await post.updates.install("sda1/aidpost-1.3.1.raucb")
    assert post.updates.phase is Phase.FAILED


async def test_a_supervisor_confirms_it_with_the_pin(stick: Path) -> None:
    post = Post(stick)
    visitor = Visitor(updates=post.updates)
    await visitor.sign_in(*SUPERVISOR)
    assert "aidpost-1.3.0.raucb" in (await visitor.client.get("/day/update")).text
    await visitor.send("/day/update", file=FILE, pin="000000")
    await visitor.send("/day/update", file="/etc/passwd", pin=SUPERVISOR[1])
    assert post.slots.asked == []
    said = (await visitor.send("/day/update", file=FILE, pin=SUPERVISOR[1])).text
    assert "The software is being written." in said
    async with asyncio.timeout(DEADLINE_S):
        await post.power.asked.wait()
    assert post.slots.asked == ["stage 1.3.0", "activate 1.3.0"]


async def test_an_operator_sees_and_installs_nothing(stick: Path) -> None:
    post = Post(stick)
    visitor = Visitor(updates=post.updates)
    await visitor.sign_in()
    assert (await visitor.client.get("/day/update")).status_code == 303
    assert (await visitor.send("/day/update", file=FILE, pin="246824")).status_code == 303
    assert post.slots.asked == []
