"""A server that is killed, or whose disk is full: nothing is acknowledged that is not stored."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from aggregator.codec import parse_batch
from aggregator.records import Batch, Hello
from aggregator.store import ingest
from aggregator.store.database import open_reader, open_writer
from aggregator.store.errors import StatementRefused, StoreError, StoreFull, StoreGone
from aggregator.store.ingest import Admitted, Kept
from aggregator.store.place import Place
from aggregator.store.port import Database
from aggregator.store.postgres.connection import PostgresDatabase
from aggregator.store.reader import read_devices, read_events
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained, check_in
from tests.kit.postgres import PROGRAMS, PostgresServer, running_postgres

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs Debian's postgresql")
DEVICES = [f"desk-{number}" for number in range(6)]
EVENTS = 400


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@asynccontextmanager
async def worker(place: Place, on_fault: Callable[[StoreError | None], None]) -> AsyncIterator[StoreWriter]:
    writer = StoreWriter(place, wall_ns=lambda: NOW_NS, max_bytes=None, on_fault=on_fault)
    await writer.open()
    try:
        yield writer
    finally:
        await writer.close()


def batches(device_id: str, size: int) -> list[Batch]:
    chained = Chained(device_id, EPOCH)
    return [
        parse_batch(chained.pack([check_in(seq) for seq in range(first, first + size)]), max_events=500)
        for first in range(1, EVENTS + 1, size)
    ]


async def report(
    writer: StoreWriter, device_id: str, size: int, again: asyncio.Event, on_acked: Callable[[str, int], None]
) -> None:
    """Hand in everything, as a device does: after a fault it says hello anew and sends what was not acked."""
    left = batches(device_id, size)
    admitted: Admitted | None = None
    while left:
        try:
            if admitted is None:
                hello = Hello(device_id, EPOCH, EVENTS, "0.1.0", SITE, 1, EPOCH)
                answer = await writer.admit(hello, None)
                assert isinstance(answer, Admitted)
                admitted = answer
            kept = await writer.keep(admitted, left[0])
        except StoreError:
            admitted = None
            await again.wait()
            continue
        assert not kept.conflicts
        on_acked(device_id, kept.acked_seq)
        left.pop(0)


def held(place: Place) -> list[tuple[str, int]]:
    with open_reader(place) as db:
        assert all(not outbox.breaks for device in read_devices(db) for outbox in device.outboxes)
        return sorted((event.device_id, event.seq) for event in read_events(db))


def check_acked_is_held(place: Place, acked: dict[str, int]) -> None:
    """See that what was acknowledged is there once, though more may be."""
    found = held(place)
    assert len(set(found)) == len(found)
    assert {(each, seq) for each, upto in acked.items() for seq in range(1, upto + 1)} <= set(found)


async def test_a_server_killed_in_the_middle_has_all_that_was_acknowledged(server: PostgresServer) -> None:
    place, acked = server.new_database("killed"), dict.fromkeys(DEVICES, 0)
    half, back = asyncio.Event(), asyncio.Event()
    faults: list[StoreError | None] = []

    def on_acked(device_id: str, seq: int) -> None:
        acked[device_id] = seq
        if sum(acked.values()) >= len(DEVICES) * EVENTS // 2:
            half.set()

    async with worker(place, faults.append) as writer:
        view = StoreView(place, lambda: NOW_NS)
        await view.open()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for device_id in DEVICES:
                group.create_task(report(writer, device_id, 2, back, on_acked))
            await half.wait()
            await asyncio.to_thread(server.kill)
            at_the_crash = dict(acked)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(check_acked_is_held, place, at_the_crash)
            back.set()
        assert isinstance(faults[0], StoreGone)
        assert faults[-1] is None, "it goes on by itself"
        # What only reads is not told of the crash at all.
        assert await view.read(lambda db: db.execute("SELECT count(*) FROM devices").fetchone()) == (
            len(DEVICES),
        )
        await view.close()
    everything = [(each, seq) for each in DEVICES for seq in range(1, EVENTS + 1)]
    assert await asyncio.to_thread(held, place) == everything


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of 60 MB, which is the server's."""
    folder.mkdir()
    options = f"size=60m,mode=0700,uid={folder.parent.stat().st_uid}"
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Take all the room that a disk has left."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
async def test_a_full_disk_refuses_and_is_written_again_when_there_is_room(server: PostgresServer) -> None:
    acked = dict.fromkeys(DEVICES, 0)
    full, room = asyncio.Event(), asyncio.Event()
    faults: list[StoreError | None] = []

    def on_fault(fault: StoreError | None) -> None:
        faults.append(fault)
        full.set()

    with small_disk(server.folder / "small") as disk:
        place = server.new_database("small", disk=disk)
        async with worker(place, on_fault) as writer, asyncio.timeout(60), asyncio.TaskGroup() as group:
            fill(disk / "ballast")
            for device_id in DEVICES:
                group.create_task(report(writer, device_id, 50, room, acked.__setitem__))
            await full.wait()
            assert isinstance(faults[0], StoreFull)
            assert "make some on its disk" in str(faults[0])
            await asyncio.to_thread(check_acked_is_held, place, dict(acked))
            (disk / "ballast").unlink()
            room.set()
        assert faults[-1] is None
        everything = [(each, seq) for each in DEVICES for seq in range(1, EVENTS + 1)]
        assert await asyncio.to_thread(held, place) == everything
        server.run_sql("DROP DATABASE small")


def test_the_store_of_an_earlier_version_is_brought_up_with_what_it_holds(server: PostgresServer) -> None:
    place = server.new_database("earlier")
    with open_writer(place, None) as db:
        db.execute("INSERT INTO devices VALUES ('desk-1', 'north-gate', '0.1.0', 1, 2, '{}', 1, 0)")
        db.execute("INSERT INTO reported_states VALUES ('desk-1', 1, 'applied', '{}', 1, '', '[]', 0)")
        # As before m0011.
        db.execute("ALTER TABLE reported_states DROP COLUMN doubted_ns")
        db.execute("DELETE FROM steps WHERE name = 'm0011_doubts'")
    with open_writer(place, None) as db:
        found = db.execute("SELECT device_id, doubted_ns FROM reported_states").fetchall()
        assert found == [("desk-1", 0)]


def hello_and_keep(db: Database) -> Kept:
    """Hand in what one device has, as its first batch or once more."""
    with db.atomic():
        db.take_turn(("desk-1",))
        admitted = ingest.admit(db, Hello("desk-1", EPOCH, EVENTS, "0.1.0", SITE, 1, EPOCH), NOW_NS)
        assert isinstance(admitted, Admitted)
        return ingest.keep(db, admitted, batches("desk-1", EVENTS)[0], NOW_NS)


def test_a_commit_that_a_lost_standby_holds_up_is_no_acknowledgement_and_is_stored_once(
    server: PostgresServer,
) -> None:
    place = server.new_store("held_up")
    with closing(PostgresDatabase(place, statement_s=1.0)) as db:
        server.run_sql("ALTER SYSTEM SET synchronous_standby_names = 'one_that_is_gone'")
        server.run_sql("SELECT pg_reload_conf()")
        try:
            for _ in range(2):  # also where it is there already: a standby lacks it still
                with pytest.raises(StoreGone):
                    hello_and_keep(db)
        finally:
            server.run_sql("ALTER SYSTEM RESET synchronous_standby_names")
            server.run_sql("SELECT pg_reload_conf()")
        kept = hello_and_keep(db)
        assert (kept.acked_seq, kept.stored, kept.repeated) == (EVENTS, 0, EVENTS)
    assert held(place) == [("desk-1", seq) for seq in range(1, EVENTS + 1)]


def test_a_block_whose_session_or_statement_failed_is_not_committed_though_nobody_noticed(
    server: PostgresServer,
) -> None:
    place = server.new_store("unnoticed")
    insert = "INSERT INTO workers VALUES ('ada', 1)"
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'unnoticed'"

    def lose_the_session(db: Database) -> None:
        with db.atomic():
            db.execute(insert)
            server.run_sql(end)
            with contextlib.suppress(StoreGone):
                db.execute("SELECT 1")

    def fail_in_the_middle(db: Database) -> None:
        with db.atomic():
            db.execute(insert)
            with contextlib.suppress(StatementRefused):
                db.execute("SELECT 1 FROM workers WHERE worker = 1")

    with closing(PostgresDatabase(place)) as db:
        with pytest.raises(StoreGone):
            lose_the_session(db)
        with pytest.raises(StoreError, match="25P02"):
            fail_in_the_middle(db)
        assert db.execute("SELECT count(*) FROM workers").fetchone() == (0,)


def test_an_interrupt_within_a_statement_ends_it_and_is_no_fault_of_the_store(server: PostgresServer) -> None:
    place = server.new_store("interrupted")
    asking = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep(600%'"""

    def interrupt() -> None:
        with closing(PostgresDatabase(place)) as other:
            while other.execute(asking).fetchone() != (1,):
                pass
        os.kill(os.getpid(), signal.SIGINT)

    def be_interrupted(db: Database, thread: ThreadPoolExecutor) -> None:
        with db.atomic():
            db.execute("INSERT INTO workers VALUES ('ada', 1)")
            thread.submit(interrupt)
            db.execute("SELECT pg_sleep(600)")

    with closing(PostgresDatabase(place)) as db:
        with ThreadPoolExecutor(1) as thread, pytest.raises(KeyboardInterrupt):
            be_interrupted(db, thread)
        assert db.execute("SELECT count(*) FROM workers").fetchone() == (0,)
