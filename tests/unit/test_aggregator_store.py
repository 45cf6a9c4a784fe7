"""The store's file: whose it is, which version it has, who may write to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aggregator.codec import parse_batch
from aggregator.records import Batch, Hello
from aggregator.store import claims, identities, ingest
from aggregator.store.database import open_reader, open_writer
from aggregator.store.errors import (
    StoreError,
    StoreFull,
    StoreInUse,
    StoreMissing,
    StoreNotOurs,
    StoreTooNew,
    StoreUnavailable,
)
from aggregator.store.identities import Certificate, JoinAnswer, JoinPending, JoinRefused
from aggregator.store.ingest import Admitted
from aggregator.store.migrations import migrations
from aggregator.store.port import Database
from aggregator.store.reader import read_devices
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, Chained, check_in
from trust.certificates import new_key
from trust.checking import Request
from trust.names import DeviceName


def make_store(path: Path) -> None:
    with open_writer(path, None):
        pass


def test_a_new_store_is_private_durable_and_has_every_migration_by_name(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_writer(path, None) as db:
        assert db.journal_mode == "wal"
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        names = [migration.name for migration in migrations.applied(db)]
        assert names[0] == "m0001_devices_and_events"
        assert names == sorted(set(names))
        assert not migrations.pending(db)
    assert path.stat().st_mode & 0o077 == 0


def test_a_store_that_others_could_read_is_private_after_opening(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    make_store(path)
    path.chmod(0o644)
    with open_writer(path, None):
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


def test_a_damaged_store_is_said_to_need_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    make_store(path)
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"damaged .* restore a copy"), open_writer(path, None):
        pass


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    make_store(path)
    with open_reader(path) as db:
        before = db.schema
    make_store(path)
    with open_reader(path) as db:
        assert db.schema == before


def test_a_store_from_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    make_store(path)
    with closing(sqlite3.connect(path)) as later_version:
        later_version.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('aidpost-aggregator', 'm9999_from_later', '2030-01-01')"
        )
        later_version.commit()
    with pytest.raises(StoreTooNew, match="m9999_from_later"), open_writer(path, None):
        pass
    with pytest.raises(StoreTooNew, match="m9999_from_later"), open_reader(path):
        pass


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE things (thing TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreNotOurs, match="not an aggregator's store"), open_writer(path, None):
        pass
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a database, but long enough to look at " * 100)
    before = path.read_bytes()
    with pytest.raises(StoreNotOurs, match="name another file"), open_writer(path, None):
        pass
    assert path.read_bytes() == before


def test_a_second_server_on_the_same_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with (
        open_writer(path, None),
        pytest.raises(StoreInUse, match="another server"),
        open_writer(path, None),
    ):
        pass
    make_store(path)  # the first is gone: nothing stays locked


def test_a_reader_neither_writes_nor_makes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StoreMissing, match="there is no store"), open_reader(path):
        pass
    assert not path.exists()
    make_store(path)
    with pytest.raises(StoreUnavailable, match="readonly"), open_reader(path) as db:
        db.execute("DELETE FROM devices")


def test_devices_are_read_as_of_one_commit(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    def newcomer_between_two_queries(statement: str) -> None:
        if "FROM devices" in statement:
            with writer.atomic():
                ingest.admit(writer, Hello("desk-2", EPOCH, 0, "1", "", 1, EPOCH), NOW_NS)

    with open_writer(path, None) as writer, open_reader(path) as reader:
        with writer.atomic():
            ingest.admit(writer, Hello("desk-1", EPOCH, 0, "1", "", 1, EPOCH), NOW_NS)
        reader.conn.set_trace_callback(newcomer_between_two_queries)
        assert [device.device_id for device in read_devices(reader)] == ["desk-1"]
        reader.conn.set_trace_callback(None)
        assert [device.device_id for device in read_devices(reader)] == ["desk-1", "desk-2"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreUnavailable, match="check the folder"),
        open_writer(tmp_path / "no" / "s.db", None),
    ):
        pass


async def test_a_batch_that_finds_no_room_does_not_fail_those_that_wait_beside_it(tmp_path: Path) -> None:
    faults: list[StoreError | None] = []
    path = tmp_path / "store.db"
    make_store(path)
    room = path.stat().st_size + 100_000  # for a batch, and not for two thousand events
    writer = StoreWriter(path, wall_ns=lambda: NOW_NS, max_bytes=room, on_fault=faults.append)
    await writer.open()
    one, two = [
        await writer.admit(Hello(device_id, EPOCH, 0, "0.1.0", "gate", 1, EPOCH), None)
        for device_id in ("desk-1", "desk-2")
    ]
    assert isinstance(one, Admitted)
    assert isinstance(two, Admitted)
    # Handed in without a pause: both are in the next commit.
    large = writer.keep(one, events("desk-1", 2000))
    small = writer.keep(two, events("desk-2", 1))
    with pytest.raises(StoreFull, match="full"):
        await large
    assert (await small).acked_seq == 1
    assert [type(fault) for fault in faults] == [StoreFull, type(None)]
    await writer.close()


async def test_a_full_store_works_again_when_a_batch_says_so_and_not_a_smaller_write(tmp_path: Path) -> None:
    faults: list[StoreError | None] = []
    path = tmp_path / "store.db"
    make_store(path)
    room = path.stat().st_size + 100_000
    writer = StoreWriter(path, wall_ns=lambda: NOW_NS, max_bytes=room, on_fault=faults.append)
    await writer.open()
    hello = Hello("desk-1", EPOCH, 0, "0.1.0", "gate", 1, EPOCH)
    admitted = await writer.admit(hello, None)
    assert isinstance(admitted, Admitted)
    with pytest.raises(StoreFull):
        await writer.keep(admitted, events("desk-1", 2000))
    await writer.submit(lambda db: db.execute("UPDATE devices SET last_seen_ns = last_seen_ns"))
    await writer.admit(hello, None)
    assert [type(fault) for fault in faults] == [StoreFull]
    await writer.keep(admitted, events("desk-1", 1))
    assert [type(fault) for fault in faults] == [StoreFull, type(None)]
    await writer.close()


def events(device_id: str, count: int) -> Batch:
    batch = Chained(device_id, EPOCH).pack(check_in(seq) for seq in range(1, count + 1))
    return parse_batch(batch, max_events=count)


def test_only_so_many_new_devices_wait_and_the_code_of_one_too_many_stays_good(tmp_path: Path) -> None:
    key = new_key().public_key()

    def ask(db: Database, number: int) -> JoinAnswer:
        request = Request(DeviceName(f"kit-{number}", "north-gate"), key)
        return identities.join(db, request, number.to_bytes(32, "big"), NOW_NS, _issues_nothing)

    with open_writer(tmp_path / "store.db", None) as db, db.atomic():
        for number in range(identities.MAX_WAITING + 1):
            claims.add(db, number.to_bytes(32, "big"), "north-gate", NOW_NS, NOW_NS + 1, "operator")
        answers = [ask(db, number) for number in range(identities.MAX_WAITING)]
        assert set(answers) == {JoinPending(first_time=True)}
        refused = ask(db, identities.MAX_WAITING)
        assert isinstance(refused, JoinRefused)
        assert "approve or revoke some first" in refused.why
        identities.revoke(db, "kit-0", NOW_NS, "operator")
        assert ask(db, identities.MAX_WAITING) == JoinPending(first_time=True)


def _issues_nothing(_request: Request) -> Certificate:
    raise AssertionError("nobody approved")
