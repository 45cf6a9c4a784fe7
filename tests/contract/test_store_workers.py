"""Several workers write to one server: nothing is counted twice, and none waits for another crosswise."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from aggregator.codec import parse_batch
from aggregator.records import Batch, Hello
from aggregator.store import administration, commands
from aggregator.store.database import open_reader
from aggregator.store.errors import StoreError
from aggregator.store.ingest import Admitted
from aggregator.store.place import Place
from aggregator.store.reader import read_devices, read_events, read_overview
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained, check_in, device_fault
from tests.kit.postgres import PROGRAMS, PostgresServer, running_postgres
from trust.events import CommandKind

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs Debian's postgresql")
DEVICES = [f"desk-{number}" for number in range(8)]
BATCHES, BATCH = 12, 5


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@asynccontextmanager
async def worker(place: Place, faults: list[StoreError | None]) -> AsyncIterator[StoreWriter]:
    writer = StoreWriter(place, wall_ns=lambda: NOW_NS, max_bytes=None, on_fault=faults.append)
    await writer.open()
    try:
        yield writer
    finally:
        await writer.close()


def batches(device_id: str) -> list[Batch]:
    chained = Chained(device_id, EPOCH)
    return [
        parse_batch(
            chained.pack(
                [device_fault(seq) if seq % 10 == 0 else check_in(seq) for seq in range(first, first + BATCH)]
            ),
            max_events=500,
        )
        for first in range(1, BATCHES * BATCH + 1, BATCH)
    ]


async def report(writer: StoreWriter, device_id: str) -> None:
    """Say hello and hand in everything, several batches at a time."""
    admitted = await writer.admit(Hello(device_id, EPOCH, 0, "0.1.0", SITE, 1, EPOCH), None)
    assert isinstance(admitted, Admitted)
    kept = await asyncio.gather(*(writer.keep(admitted, batch) for batch in batches(device_id)))
    assert kept[-1].acked_seq == BATCHES * BATCH
    assert not any(each.conflicts or each.new_breaks for each in kept)


async def administrate(writer: StoreWriter, by: str) -> None:
    for number in range(20):
        device_id = DEVICES[number % len(DEVICES)]
        command_id = hashlib.blake2b(f"{by} {number}".encode(), digest_size=16).digest()
        await writer.submit(
            lambda db, device_id=device_id, command_id=command_id: commands.send(  # type: ignore[misc]
                db, command_id=command_id, device_id=device_id, kind=CommandKind.SELF_TEST, asked_by=by,
                now_ns=NOW_NS, expires_ns=NOW_NS + 10,
            )
        )  # fmt: skip


def check_record(place: Place) -> None:
    """See that each event is held and counted once, and that the audit log has each act."""
    with open_reader(place) as db:
        held = [(event.device_id, event.seq) for event in read_events(db)]
        assert sorted(held) == [(each, seq) for each in DEVICES for seq in range(1, BATCHES * BATCH + 1)]
        assert all(not outbox.breaks for device in read_devices(db) for outbox in device.outboxes)
        assert administration.first_broken(db) is None
        (sent,) = db.execute("SELECT count(*) FROM commands").fetchone()
        assert len(administration.read(db, 1, 1000)) == sent > 0
        counted = read_overview(db, "2026-01-01", 1).tallies.total
        assert counted == {"match": len(DEVICES) * BATCHES * BATCH * 9 // 10}
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert db.execute(deadlocks).fetchone() == (0,)


async def test_two_workers_take_the_same_events_and_administrate_at_once(server: PostgresServer) -> None:
    place = server.new_database("two_workers")
    faults: list[StoreError | None] = []
    async with worker(place, faults) as first, worker(place, faults) as second, asyncio.TaskGroup() as group:
        # Each device hands in all of its outbox through both, the second in the opposite order of devices.
        for name, writer, order in (("first", first, DEVICES), ("second", second, DEVICES[::-1])):
            for device_id in order:
                group.create_task(report(writer, device_id))
            group.create_task(administrate(writer, name))
    assert faults == []
    await asyncio.to_thread(check_record, place)
