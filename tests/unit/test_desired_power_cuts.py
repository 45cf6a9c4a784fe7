"""The power fails before and after every write while a desired state is taken up; then it goes on."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from firmware.clock import Clock
from firmware.config import Camera, Config, Device, Keys, Session
from firmware.desired.fetching import Fetching
from firmware.desired.judging import Judge
from firmware.desired.shelf import Shelf
from firmware.desired.starting import Beginning
from firmware.desired.taking_up import TakingUp, Used
from firmware.desired.terms import Standing
from firmware.host import Ending, Host
from firmware.occupancy import Occupancy
from firmware.recognition import Measured
from firmware.store.store import Store
from firmware.updater import NotFromImage
from firmware.uplink.backoff import Backoff
from firmware.uplink.errors import LinkLost
from firmware.uplink.state_message import Desired
from firmware.uplink.time_hints import TimeHints
from tests.kit.desired_rig import artifact
from tests.kit.operating_points import drawn_operating_point
from tests.kit.store_values import DEVICE, SITE, open_store
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.state import Artifact, ArtifactKind, DesiredResult, DesiredState

T = TypeVar("T")
DEADLINE_S = 60.0
CONTENT = msgspec.json.encode(drawn_operating_point())
POINT = artifact(ArtifactKind.OPERATING_POINT, CONTENT, "drawn")
WANTED = DesiredState(1, {"session.tries": "2", "session.face_frames": "3"}, (POINT,))
MODELS = Artifact(ArtifactKind.MODELS, "models", "00" * 32, 0)
VERSION = "1.0"


class Machine:
    """One appliance's folder and its store; cuts: copies of the folder as a power cut would leave it."""

    def __init__(self, folder: Path, cuts: Path | None = None) -> None:
        self.folder = folder
        self._cuts = cuts
        self.cut: list[Path] = []
        self._store = open_store(folder)
        self.downloads = 0

    async def run(self, work: Callable[[Store], T], /) -> T:
        self._copy()
        try:
            return work(self._store)
        finally:
            self._copy()

    @property
    def standing(self) -> Standing:
        return self._store.desired.standing()

    def close(self) -> None:
        self._store.close()

    async def start(self) -> tuple[Config, Standing, bool]:
        """Start as an appliance does, and go on until it wants to start anew or has decided.

        Returns what it started with, how it then stands, and whether it wants to start anew.
        """
        base = Config(
            device=Device(id=DEVICE, site=SITE, purpose=Purpose.CLINIC_CHECK_IN, data=self.folder),
            keys=Keys(guard=GuardKind.FILE),
            camera=Camera(driver="replay"),
            session=Session(tries=4),
        )
        asked, changed = asyncio.Event(), asyncio.Event()

        def start_anew(_ending: Ending) -> None:
            asked.set()
            changed.set()

        host, clock, shelf = Host(start_anew, quiet_s=0.0, version=VERSION), Clock(), Shelf(self.folder)
        beginning = Beginning(base, shelf, self.run, clock, host)
        await beginning.begin()
        if beginning.tries:
            await beginning.judge(("camera",))
        updater = NotFromImage()
        taking_up = TakingUp(
            beginning.standing,
            judge=Judge(base, shelf, updater, Measured({}, ()), MODELS, VERSION),
            shelf=shelf,
            used=Used({}, ()),
            bundles=None,
            fetching=Fetching(shelf, self._download, Backoff(random.Random(1)), _at_once),  # noqa: S311
            occupancy=Occupancy(clock.monotonic_ns, _at_once, 0.0),
            host=host,
            in_store=self.run,
            clock=clock,
            hints=TimeHints(),
            self_test=_well,
            on_change=changed.set,
            sleep=_at_once,
        )
        taking_up.hear(Desired(WANTED))  # the aggregator says it until it has heard what became of it
        task = asyncio.create_task(taking_up.run())
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (asked.is_set() or is_decided(taking_up)):
                    changed.clear()
                    await changed.wait()
        finally:
            task.cancel()
            await asyncio.wait({task})
        return beginning.config, self.standing, asked.is_set()

    async def _download(self, _digest: bytes, offset: int) -> AsyncIterator[bytes]:
        self.downloads += 1
        half = len(CONTENT) // 2
        if offset < half:
            yield CONTENT[offset:half]
            raise LinkLost("the link broke")
        yield CONTENT[offset:]

    def _copy(self) -> None:
        if self._cuts is not None:
            cut = self._cuts / str(len(self.cut))
            shutil.copytree(self.folder, cut, ignore=shutil.ignore_patterns("*.lock"))
            self.cut.append(cut)


def is_decided(taking_up: TakingUp) -> bool:
    reported = taking_up.reported()
    return reported.generation > 0 and reported.result is not DesiredResult.WAITING


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


async def _well() -> tuple[str, ...]:
    return ("camera",)


def is_whole(config: Config) -> bool:
    """Whether it is wholly the old one or wholly the new one."""
    used = (config.session.tries, config.session.face_frames, config.inference.operating_point is not None)
    if used[2] and config.inference.operating_point is not None:
        assert config.inference.operating_point.read_bytes() == CONTENT
    return used in ((4, 2, False), (2, 3, True))


async def test_wherever_the_power_fails_it_starts_whole_and_ends_in_the_new(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    cuts: list[Path] = []
    anew = True
    for number in range(4):
        machine = Machine(tmp_path / "live", tmp_path / f"cuts-{number}")
        config, standing, anew = await machine.start()
        machine.close()
        cuts += machine.cut
        assert is_whole(config)
        if not anew:
            break
    assert not anew
    assert standing.decision is not None
    assert standing.decision.result is DesiredResult.APPLIED
    assert len(cuts) >= 20
    phases = set()
    for cut in cuts:
        machine = Machine(cut)
        before = machine.standing
        phases.add(before.under_way.phase if before.under_way else None)
        for _ in range(3):
            config, standing, anew = await machine.start()
            assert is_whole(config), cut
            if not anew:
                break
        machine.close()
        assert standing.decision is not None
        assert standing.decision.result is DesiredResult.APPLIED, cut
        assert standing.in_use is not None
        assert standing.in_use.digest == WANTED.digest()
    assert len(phases) == 5
