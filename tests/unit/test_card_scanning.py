"""Cards in front of the camera: one that stays there counts once, and the camera may go and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware.workflow.scanning import AWAY_S, Scanning
from sensors.errors import SensorUnavailable
from tests.kit.station_rig import Rig, rig
from trust.service import Workflow


class Picture:
    """What is in front of the camera: a code's text, nothing, or a camera that is away."""

    def __init__(self) -> None:
        self.looks: asyncio.Queue[str | SensorUnavailable] = asyncio.Queue()

    async def scan(self) -> str:
        seen = await self.looks.get()
        if isinstance(seen, SensorUnavailable):
            raise seen
        return seen


class Table:
    """The place in front of the camera of one appliance."""

    def __init__(self, camp: Rig) -> None:
        self.camp = camp
        self.picture = Picture()
        self.scanning = Scanning(
            camp.station, self.picture, lambda: "amina", camp.time.clock(), unreadable="AID:*", retry_s=0.0
        )

    async def shows(self, seen: str | SensorUnavailable) -> str:
        """Let the camera see this; returns the name of the screen that comes of it."""
        await self.rest()
        self.picture.looks.put_nowait(seen)
        await self.rest()
        return self.camp.station.screen.name

    async def rest(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
            await self.camp.rest()


@contextmanager
def table(camp: Rig) -> Iterator[Table]:
    made = Table(camp)
    try:
        yield made
    finally:
        made.scanning.stop()


async def test_a_card_that_stays_in_view_serves_one_household_once(tmp_path: Path) -> None:
    with rig(tmp_path, Workflow.DISTRIBUTION) as camp:
        await camp.boot()
        with table(camp) as lies:
            assert await lies.shows("hh-0001") == "distribution-look-at-card"
            await camp.acts("seen", "given", "next")
            for _ in range(4):
                camp.time.pass_s(AWAY_S - 0.5)
                assert await lies.shows("hh-0001") == "distribution-ready", "it lies there still"
            assert await lies.shows("AID:*") == "distribution-ready", "the same card, half in the light"
            camp.time.pass_s(AWAY_S - 0.5)
            assert await lies.shows("hh-0001") == "distribution-ready"
            assert await lies.shows("hh-0002") == "distribution-look-at-card", "another one counts at once"
            assert len(camp.services()) == 1


async def test_a_card_that_was_taken_away_counts_again(tmp_path: Path) -> None:
    with rig(tmp_path, Workflow.DISTRIBUTION) as camp:
        await camp.boot()
        with table(camp) as lies:
            await lies.shows("hh-0001")
            camp.time.pass_s(60)  # nobody looked for cards meanwhile: it may have lain there
            await camp.acts("seen", "given", "next")
            assert await lies.shows("hh-0001") == "distribution-ready"
            camp.time.pass_s(AWAY_S)
            assert await lies.shows("hh-0001") == "answer-already-collected"


async def test_cards_are_seen_again_when_the_camera_is_back(tmp_path: Path) -> None:
    with rig(tmp_path, Workflow.DISTRIBUTION) as camp:
        await camp.boot()
        with table(camp) as lies:
            for _ in range(2):
                await lies.shows(SensorUnavailable("the camera is away"))
            assert await lies.shows("hh-0001") == "distribution-look-at-card"
