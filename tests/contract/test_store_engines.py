"""The store does the same on a file and on a server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from aggregator.cli import main
from aggregator.codec import parse_batch
from aggregator.fleet.tallies import DAY_NS
from aggregator.link import ending
from aggregator.records import Hello
from aggregator.store import administration, commands, ingest, keeping
from aggregator.store.commands import Sent
from aggregator.store.database import open_reader, open_writer
from aggregator.store.errors import (
    StatementRefused,
    StoreError,
    StoreMissing,
    StoreNotOurs,
    StoreTooNew,
    StoreUnavailable,
)
from aggregator.store.ingest import Admitted
from aggregator.store.place import Place, PlaceRefused, Server, parse_place
from aggregator.store.port import Database
from aggregator.store.reader import read_devices, read_events, read_missing, read_overview
from aggregator.store.writer import StoreWriter
from firmware.records import DeviceFault, Measured
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained, check_in, device_fault, registration
from tests.kit.postgres import PROGRAMS, PostgresServer, running_postgres
from tests.kit.telemetry_sender import Sender
from tests.kit.telemetry_values import BUSY
from trust.events import CommandKind

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return tmp_path / "store.db"
    if PROGRAMS is None:
        pytest.skip("needs Debian's postgresql")
    running: PostgresServer = request.getfixturevalue("server")
    return running.new_database(f"store_{next(_numbers)}")


@pytest.fixture
def db(place: Place) -> Iterator[Database]:
    with open_writer(place, None) as opened:
        yield opened


def address(place: Place) -> str:
    return place.dsn if isinstance(place, Server) else str(place)


def admitted(db: Database, device_id: str = "desk-1") -> Admitted:
    with db.atomic():
        found = ingest.admit(db, Hello(device_id, EPOCH, 0, "0.1.0", SITE, 1, b"i" * 16), NOW_NS)
    assert isinstance(found, Admitted)
    return found


def test_events_are_held_once_whatever_comes_twice_or_out_of_order(db: Database) -> None:
    device, chained = admitted(db), Chained("desk-1", EPOCH)
    events = [check_in(1), registration(2), device_fault(3), *(check_in(seq) for seq in range(4, 101))]
    first, second = chained.pack(events[:60]), chained.pack(events[60:])
    for packed, acked_seq in ((second, 0), (first, 100), (first, 100)):
        with db.atomic():
            kept = ingest.keep(db, device, parse_batch(packed, max_events=500), NOW_NS)
        assert kept.acked_seq == acked_seq
    assert kept.repeated == 60
    held = list(read_events(db))
    assert sorted(event.seq for event in held) == list(range(1, 101))
    assert [event.seq for event in read_events(db, kinds=("device_fault",))] == [3]
    (shown,) = read_devices(db)
    assert shown.events_held == 100
    assert shown.outboxes[0].breaks == ()
    assert read_overview(db, "2026-01-01", 5).tallies.on_day == {"match": 98}


def test_events_of_telemetry_go_after_a_day_or_two_and_others_stay(db: Database) -> None:
    def held() -> list[int]:
        return sorted(seq for (seq,) in db.execute("SELECT seq FROM events"))

    sender, fault = Sender(db), DeviceFault("camera", recovered=False, kind="Gone")
    with db.atomic():
        sender.send(fault, Measured(BUSY), Measured(BUSY), fault)
        # Above a gap: the chain was not followed past it, so it is needed yet.
        Sender(db, sent=5).send(Measured(BUSY))
    for days, left in ((0, [1, 2, 3, 4, 6]), (3, [1, 4, 6])):
        with db.atomic():
            keeping.forget_telemetry(db, NOW_NS + days * DAY_NS, 100)
        assert held() == left
    with db.atomic():
        kept = Sender(db).send(fault, Measured(BUSY), Measured(BUSY), fault)
    assert (kept.stored, kept.repeated, held()) == (0, 4, [1, 4, 6])


def test_other_events_go_when_their_time_is_over_and_what_was_counted_stays(db: Database) -> None:
    def held_after(days: int) -> list[int]:
        with db.atomic():
            keeping.forget_records(db, NOW_NS + days * DAY_NS, 100)
        return sorted(seq for (seq,) in db.execute("SELECT seq FROM events"))

    fault = DeviceFault("camera", recovered=False, kind="Gone")
    with db.atomic():
        Sender(db).send(fault, Measured(BUSY), fault)
    before = read_devices(db)
    assert held_after(0) == [1, 2, 3]
    assert held_after(40) == [2]  # they came on the first of a month
    assert read_devices(db) == before
    with db.atomic():
        kept = Sender(db).send(fault, Measured(BUSY), fault)
        Sender(db, sent=4).send(fault)  # in the same month, and above a gap
    assert (kept.stored, kept.repeated, kept.conflicts) == (0, 3, ())
    assert held_after(40) == [2, 5]


def test_a_gap_and_a_contradiction_are_seen(db: Database) -> None:
    device, chained = admitted(db), Chained("desk-1", EPOCH)
    ingest.keep(db, device, parse_batch(chained.pack([check_in(3)]), max_events=500), NOW_NS)
    db.execute("UPDATE outboxes SET told_seq = 5")
    (missing,) = read_missing(db)
    assert missing.ranges == ((1, 2), (4, 5))
    other = Chained("desk-1", EPOCH).pack([check_in(3, salt="another")])
    kept = ingest.keep(db, device, parse_batch(other, max_events=500), NOW_NS)
    assert (kept.conflicts, kept.new_conflicts) == ((3,), (3,))


def test_what_a_block_began_is_undone_when_it_fails(db: Database) -> None:
    def fail(subject: str) -> None:
        with db.atomic():
            administration.append(db, NOW_NS, "root", "act", subject)
            raise KeyError(subject)

    def outer() -> None:
        with db.atomic():
            administration.append(db, NOW_NS, "root", "act", "outer")
            with pytest.raises(KeyError):
                fail("inner")
            assert [each.subject for each in administration.read(db, 1, 10)] == ["outer"]
            fail("outer too")

    with pytest.raises(KeyError, match="outer too"):
        outer()
    assert administration.read(db, 1, 10) == ()


def test_commands_are_due_until_they_expire_and_the_audit_log_only_grows(db: Database, place: Place) -> None:
    admitted(db)
    asked: dict[str, Any] = {
        "command_id": b"c" * 16, "device_id": "desk-1", "kind": CommandKind.SELF_TEST, "asked_by": "root",
        "now_ns": NOW_NS, "expires_ns": NOW_NS + 10, "duration_s": 0,
    }  # fmt: skip
    assert commands.send(db, **asked) is Sent.DONE
    assert commands.send(db, **asked) is Sent.BEFORE
    assert commands.send(db, **asked | {"device_id": "desk-2"}) is Sent.TAKEN
    assert commands.send(db, **asked | {"device_id": "desk-2", "command_id": b"d" * 16}) is Sent.NO_DEVICE
    assert len(commands.read(db, "desk-1", 10)) == len(commands.read(db, None, 10)) == 1
    shown = CliRunner().invoke(main, ["audit", "verify", "--store", address(place)])
    assert "All 1 entries hold" in shown.output
    with pytest.raises(Exception, match="append-only"), db.atomic():
        db.execute("DELETE FROM administration")
    assert len(administration.read(db, 1, 10)) == 1


def test_data_protection_is_reported_of_either(db: Database, place: Place, tmp_path: Path) -> None:
    with db.atomic():
        administration.append(db, NOW_NS, "root", "person added", "amina")
    days = ("--from", "2026-11-01", "--to", "2026-11-30")
    asked = ["report", "data-protection", "--store", address(place), *days, "--out", str(tmp_path / "annex")]
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "annex" / "data-protection.json").is_file()


def test_a_reader_sees_one_commit_and_writes_nothing(place: Place) -> None:
    with open_writer(place, None) as db:
        admitted(db)
        with open_reader(place) as reader, reader.atomic():
            assert len(read_devices(reader)) == 1
            admitted(db, "desk-2")
            assert len(read_devices(reader)) == 1
        with open_reader(place) as reader:
            assert len(read_devices(reader)) == 2
            with pytest.raises(Exception, match=r"(?i)read.?only|takes no writes"), reader.atomic():
                reader.execute("UPDATE devices SET site = 'elsewhere'")


def test_opening_again_changes_nothing_and_a_later_versions_store_is_refused(place: Place) -> None:
    for _ in range(2):
        with open_writer(place, None) as db:
            tables = "aidpost.steps" if isinstance(place, Server) else "_sqlite_migrations"
            names = [name for (name,) in db.execute(f"SELECT name FROM {tables}")]  # noqa: S608
            assert len(names) == len(set(names)) > 10
    with open_writer(place, None) as db:
        if isinstance(place, Server):
            db.execute("INSERT INTO steps VALUES ('m9999_from_later', 0)")
        else:
            db.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
                "VALUES ('aidpost-aggregator', 'm9999_from_later', '2030-01-01')"
            )
    for opening in (open_writer(place, None), open_reader(place)):
        with pytest.raises(StoreTooNew, match="m9999_from_later"), opening:
            pass


async def test_a_statement_that_is_refused_is_no_store_that_is_down_and_tells_no_value(place: Place) -> None:
    told: list[StoreError | None] = []
    writer = StoreWriter(place, wall_ns=lambda: NOW_NS, max_bytes=None, on_fault=told.append)
    await writer.open()
    insert = "INSERT INTO tallies VALUES ('2026-01-01', 'household HH-4711', 1)"
    await writer.submit(lambda db: db.execute(insert).rowcount)
    with pytest.raises(StatementRefused) as refused:
        await writer.submit(lambda db: db.execute(insert).rowcount)
    assert "HH-4711" not in str(refused.value)
    assert [type(fault) for fault in told] == [StatementRefused]
    assert ending.not_stored(refused.value).code is grpc.StatusCode.INTERNAL
    await writer.submit(lambda db: db.execute("SELECT 1").fetchone())
    assert len(told) == 1
    await writer.close()


@pytest.mark.skipif(PROGRAMS is None, reason="needs Debian's postgresql")
def test_a_server_that_is_none_says_what_to_do(server: PostgresServer) -> None:
    other = server.new_database("other_program")
    with open_writer(other, None) as db:
        db.execute("DROP SCHEMA aidpost CASCADE")
        db.execute("CREATE TABLE public.things (thing TEXT)")
    nobody = f"postgresql://aidpost@127.0.0.1:{server.port + 1}/store"
    stranger = f"postgresql://stranger:secret@127.0.0.1:{server.port}/postgres"
    server.run_sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    wrong: list[tuple[Server, type[StoreError], str]] = [
        (Server(server.dsn("latin")), StoreNotOurs, "encoded in LATIN1"),
        (Server(server.dsn("postgres?sslmode=so")), StoreUnavailable, "sslmode"),
        (other, StoreNotOurs, "another program"),
        (Server(server.dsn("missing")), StoreMissing, "createdb"),
        (Server(nobody), StoreUnavailable, "check that it runs"),
        (Server(stranger), StoreUnavailable, "let this user"),
    ]
    for place, kind, says in wrong:
        with pytest.raises(kind, match=says) as refused, open_writer(place, None):
            pass
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["postgresql://", "postgresql://host", "mysql://host/db", "postgresql://h:x/db"]
)
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PlaceRefused, match="USER@HOST/DATABASE"):
        parse_place(text)
