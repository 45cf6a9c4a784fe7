"""The runner turns what is under way, sees what no report says, and holds nothing up for a defect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from msgspec.structs import replace

from aggregator.fleet.rollout import Change, Rollout, RolloutState, Standing
from aggregator.link.rolling import RolloutRunner
from aggregator.records import DeviceFault
from aggregator.store import fleet_devices, fleet_reports, fleet_rollout_making, fleet_rollouts
from aggregator.store.fleet_rollout_making import Wish
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.fleet_store import ACTOR, fleet_store, report, wanted
from tests.kit.rollouts import UNJUDGED
from tests.unit.test_rollout_store import DEVICES, HALVES

SECOND_NS = 1_000_000_000
WISH = Wish("tries", "", Change({"session.tries": "4"}), "", HALVES, UNJUDGED)


@dataclass
class Post:
    """A runner on a store of six connected devices; told: whose desired state it changed, by turn."""

    folder: Path
    writer: StoreWriter
    log: structlog.testing.LogCapture
    now_ns: int = NOW_NS
    told: list[frozenset[str]] = field(default_factory=list)

    async def make(self, wish: Wish = WISH) -> None:
        def work(db: Database) -> None:
            made = fleet_rollout_making.make(db, wish, self.now_ns, (), ACTOR)
            assert isinstance(made, Rollout), made
            fleet_rollouts.create(db, made, self.now_ns, ACTOR)

        await self.writer.submit(work)

    async def whole(self, name: str = "tries") -> Rollout:
        found = await self.writer.submit(lambda db: fleet_rollouts.whole(db, name))
        assert found is not None
        return found[0]

    async def apply(self, device_ids: Collection[str]) -> None:
        def work(db: Database) -> None:
            for device_id in device_ids:
                fleet_reports.note(db, device_id, report(wanted(db, device_id)), self.now_ns)

        await self.writer.submit(work)


@asynccontextmanager
async def runner(folder: Path) -> AsyncIterator[tuple[Post, RolloutRunner]]:
    with fleet_store(folder / "store.db", DEVICES):
        pass
    path, log = folder / "store.db", structlog.testing.LogCapture()
    post: Post
    writer = StoreWriter(path, wall_ns=lambda: post.now_ns, max_bytes=None, on_fault=lambda _: None)
    view = StoreView(path, lambda: post.now_ns)
    post = Post(folder, writer, log)
    # All levels, whatever another test of this process had the loggers leave out.
    every_level = structlog.make_filtering_bound_logger(0)
    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[log], wrapper_class=every_level)
    made = RolloutRunner(
        writer,
        view,
        lambda: frozenset(DEVICES),
        lambda device_ids: post.told.append(frozenset(device_ids)),
        lambda: post.now_ns,
        logger,
    )
    await writer.open()
    await view.open()
    try:
        yield post, made
    finally:
        await view.close()
        await writer.close()


async def test_a_turn_tells_a_ring_once_and_the_next_when_reports_have_come(tmp_path: Path) -> None:
    async with runner(tmp_path) as (post, turning):
        await post.make()
        for _ in range(3):
            await turning.turn()
        assert [len(told) for told in post.told] == [3]
        post.now_ns += 5 * SECOND_NS
        await post.apply(post.told[0])
        await turning.turn()
        assert post.told[1] == set(DEVICES) - post.told[0]


async def test_a_device_that_fails_after_the_change_is_seen_within_a_minute(tmp_path: Path) -> None:
    async with runner(tmp_path) as (post, turning):
        await post.make()
        await turning.turn()
        await post.apply(post.told[0])
        await turning.turn()
        failing = min(post.told[0])
        fault = DeviceFault("inference", recovered=False, kind="InferenceError")
        await post.writer.submit(lambda db: fleet_devices.note_fault(db, failing, fault, post.now_ns))
        post.now_ns += 60 * SECOND_NS
        await turning.turn()
        stopped = await post.whole()
        assert (stopped.state, stopped.reason) == (
            RolloutState.STOPPED,
            f"stopped: ring first: 1 of 3 devices, {failing} first: nobody is recognised without inference",
        )
        assert all(each.standing is not Standing.TOLD for each in stopped.members)
        (moved,) = [entry for entry in post.log.entries if entry["event"] == "rollout.moved"]
        assert (moved["rollout"], moved["state"]) == ("tries", "stopped")


async def test_a_rollout_that_cannot_be_read_holds_no_other_up(tmp_path: Path) -> None:
    async with runner(tmp_path) as (post, turning):
        await post.make(replace(WISH, name="broken", change=Change({"page.language": '"uk"'})))
        await post.make()
        await post.writer.submit(
            lambda db: db.execute("UPDATE rollouts SET content = '{}' WHERE name = 'broken'")
        )
        await turning.turn()
        await turning.turn()
        assert len(post.told) == 1
        broken = [entry for entry in post.log.entries if entry["event"] == "rollout.not_turned"]
        assert [(entry["rollout"], entry["kind"]) for entry in broken] == [("broken", "ValidationError")]
