"""The end of the first boot on a whole appliance: what is not well is told, and may be gone without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from firmware import demo
from firmware.config import Camera, Config, Device, Keys, Page
from firmware.first_boot.terms import Situation, Step, Trouble
from firmware.first_boot.trying import Trying
from firmware.first_boot.waiting import Waiting
from firmware.host import Host
from firmware.opening import open_keys
from tests.kit.link_device import PATIENCE_S
from trust.consent import Purpose
from trust.keys.guard import GuardKind

FACE = sorted((Path(demo.__file__).parent / "assets" / "faces").glob("*.jpg"))[0]


@dataclass
class Rig:
    """A first boot at its last steps. told: each situation."""

    config: Config
    trying: Trying = field(
        default_factory=lambda: Trying(Host, lambda _appliance: None, connect_s=0.01, heard_s=0.0)
    )
    waiting: Waiting = field(default_factory=Waiting)
    told: list[Situation] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    done: bool = False

    def show(self, situation: Situation) -> None:
        self.told.append(situation)
        self.news.set()

    def finish(self) -> None:
        self.done = True

    async def until(self, trouble: Trouble) -> Situation:
        async with asyncio.timeout(PATIENCE_S):
            while not (self.told and self.told[-1].trouble is trouble):
                self.news.clear()
                await self.news.wait()
        return self.told[-1]


@asynccontextmanager
async def trying(rig: Rig) -> AsyncIterator[asyncio.Task[None]]:
    with open_keys(rig.config) as guard:
        work = rig.trying.try_out(rig.config, guard, rig.show, rig.waiting, rig.finish)
        task = asyncio.create_task(work)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "pictures").mkdir()
    return Config(
        device=Device(id="kit-1", site="site-1", purpose=Purpose.CLINIC_CHECK_IN, data=tmp_path / "data"),
        keys=Keys(guard=GuardKind.FILE),
        camera=Camera(driver="replay", device=str(tmp_path / "pictures")),
        page=Page(languages=("sw",)),
    )


async def test_a_part_that_is_mended_is_tried_again_by_itself(config: Config, tmp_path: Path) -> None:
    rig = Rig(config)
    async with trying(rig) as task:
        told = await rig.until(Trouble.PARTS)
        assert [(each.part, bool(each.advice)) for each in told.findings] == [("camera", True)]
        assert told.languages == ("sw",)
        (tmp_path / "pictures" / "face.jpg").write_bytes(FACE.read_bytes())
        async with asyncio.timeout(PATIENCE_S):
            while not task.done():
                rig.waiting.stir()
                await asyncio.wait({task}, timeout=0.2)
    assert rig.done
    assert [each.step for each in rig.told[:2]] == [Step.SETTINGS, Step.SELF_TEST]


async def test_somebody_goes_on_without_a_part(config: Config) -> None:
    rig = Rig(config)
    async with trying(rig) as task:
        await rig.until(Trouble.PARTS)
        assert not rig.done
        rig.trying.go_on = True
        rig.waiting.stir()
        await asyncio.wait_for(task, PATIENCE_S)
    assert rig.done
