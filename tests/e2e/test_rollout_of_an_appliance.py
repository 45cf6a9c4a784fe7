"""A whole appliance takes up what a rollout of a real aggregator brings; a bad change stops the rollout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from aggregator.fleet.rollout import Change, Ring, Rollout, RolloutState, Standing
from aggregator.store import fleet_rollout_making, fleet_rollouts
from aggregator.store.database import open_reader
from aggregator.store.fleet_rollout_making import Wish
from aggregator.store.fleet_rollouts import Held
from aggregator.store.port import Database
from firmware.host import Ending
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.desired_rig import DEADLINE_S, Rig, rig
from tests.kit.fleet_store import ACTOR, beside
from tests.kit.rollouts import UNJUDGED
from tests.kit.store_values import DEVICE

WISH = Wish("tries", "", Change({"session.tries": "2"}), "", (Ring("all", "", 100, 0),), UNJUDGED)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Rig]:
    server = running_aggregator(tmp_path / "store.db", clock=time.time_ns, rollout_turn_s=0.05)
    async with server as running, rig(tmp_path) as made:
        made.target = running.target
        yield made


async def until(post: Rig, holds: Callable[[Database], bool]) -> None:
    """Read the aggregator's store until this holds of it."""

    def read() -> bool:
        with open_reader(post.folder / "store.db") as db:
            return holds(db)

    async with asyncio.timeout(DEADLINE_S):
        while not await asyncio.to_thread(read):
            pass


def start(post: Rig) -> None:
    with beside(post.folder / "store.db") as db:
        made = fleet_rollout_making.make(db, WISH, time.time_ns(), (), ACTOR)
        assert isinstance(made, Rollout), made
        assert isinstance(fleet_rollouts.create(db, made, time.time_ns(), ACTOR), Held)


def has_reported(db: Database) -> bool:
    return db.execute("SELECT 1 FROM reported_states WHERE device_id = ?", (DEVICE,)).fetchone() is not None


def seen(db: Database) -> tuple[RolloutState, Standing, str]:
    found = fleet_rollouts.whole(db, "tries")
    assert found is not None
    (member,) = found[0].members
    return found[0].state, member.standing, member.reason


async def test_an_appliance_takes_it_up_and_the_rollout_is_done(post: Rig) -> None:
    async with post.started():
        await until(post, has_reported)
        start(post)
        await post.until_asked_to_start_anew()
    async with post.started() as appliance:
        await until(post, lambda db: seen(db)[:2] == (RolloutState.DONE, Standing.APPLIED))
        assert appliance.config.session.tries == 2
    assert post.endings == [Ending.ANEW]


async def test_an_appliance_that_goes_back_stops_the_rollout_with_its_reason(post: Rig) -> None:
    async with post.started():
        await until(post, has_reported)
        start(post)
        await post.until_asked_to_start_anew()
    post.camera_is_there = False
    async with post.started() as appliance:
        await until(post, lambda db: seen(db)[:2] == (RolloutState.STOPPED, Standing.ROLLED_BACK))
        assert appliance.config.session.tries == 4
    with open_reader(post.folder / "store.db") as db:
        assert seen(db)[2].startswith("self_test: ")
