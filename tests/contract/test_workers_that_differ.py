"""A worker that has another identity or clock than its store is told so, and serves nobody."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import structlog

from aggregator.authority import Authority
from aggregator.bus.in_process import InProcess
from aggregator.clock_check import ClockDiffers
from aggregator.link.desks import Desks
from aggregator.link.presence import Presence
from aggregator.link.workers import Worker
from aggregator.store.errors import StoreError, StoreOfAnother
from aggregator.store.place import Place
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.link_device import PATIENCE_S, LinkDevice, check_in, dialled
from tests.kit.postgres import PostgresServer

HOUR_NS = 3_600_000_000_000


async def test_a_store_is_served_by_the_authority_that_served_it_first_alone(
    store: Place, tmp_path: Path
) -> None:
    own, other = Authority.create(tmp_path / "own"), Authority.create(tmp_path / "other")
    for _ in range(2):
        async with running_aggregator(store, files=tmp_path / "files", authority=own):
            pass
    with pytest.raises(StoreOfAnother, match=f"another authority than the one in {tmp_path}/other"):
        async with running_aggregator(store, files=tmp_path / "files", authority=other):
            pass


@pytest.mark.parametrize(("hours", "says"), [(1, "3,600 s ahead of"), (-1, "3,600 s behind")])
async def test_a_worker_whose_clock_is_not_the_databases_does_not_start(
    postgres: PostgresServer, tmp_path: Path, hours: int, says: str
) -> None:
    place = postgres.new_store(f"clocks_{hours + 1}")
    with pytest.raises(ClockDiffers, match=f"{says} that of the database server .* NTP"):
        async with running_aggregator(
            place,
            files=tmp_path,
            clock=lambda: time.time_ns() + hours * HOUR_NS,
            compare_clock=True,
        ):
            pass


async def test_a_clock_that_jumps_while_a_worker_serves_is_told_once_and_so_is_its_return(
    postgres: PostgresServer,
) -> None:
    place, ahead_ns = postgres.new_store("a_clock_that_jumps"), [0]
    faults: list[StoreError | None] = []
    told: list[bool] = []

    def clock() -> int:
        return time.time_ns() + ahead_ns[0]

    log = structlog.testing.LogCapture()
    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[log])
    writer = StoreWriter(place, wall_ns=clock, max_bytes=None, on_fault=faults.append)
    view = StoreView(place, clock)
    await writer.open()
    await view.open()
    bus = InProcess()
    presence, desks = Presence("ada", bus), Desks.over(view, clock, logger, bus)
    worker = Worker(writer, view, presence, desks, clock, told.append, logger)
    for ahead_ns[0] in (0, HOUR_NS, HOUR_NS, 0, 0):
        await worker.beat()
    await view.close()
    await writer.close()
    assert told == [False, True]
    assert [entry["event"] for entry in log.entries] == ["worker.clock_differs", "worker.clock_agrees"]
    assert faults == []


async def test_a_worker_starts_and_stores_though_no_bus_is_there(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    place = postgres.new_store("no_bus")
    async with running_aggregator(place, files=tmp_path, bus=("nats://127.0.0.1:1",)) as running:
        async with dialled(running.target) as channel:
            device = LinkDevice(channel)
            await device.hello(last_seq=1)
            assert await device.report([check_in(1)]) == 1
        async with asyncio.timeout(PATIENCE_S):
            while not running.logged("bus.lost"):  # noqa: ASYNC110 -- of the client's own pace
                await asyncio.sleep(0.05)
