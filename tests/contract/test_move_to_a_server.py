"""A store moves from a file to a PostgreSQL server, whole, also when it is broken off in the middle."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aggregator.cli import main
from aggregator.holdings import StoredEvent
from aggregator.store import administration, claims
from aggregator.store.database import open_for_move, open_reader, open_writer
from aggregator.store.errors import StoreMoved, StoreUnavailable
from aggregator.store.place import Place, Server
from aggregator.store.postgres.connection import PostgresDatabase
from aggregator.store.reader import read_events
from tests.kit import big_fleet
from tests.kit.aggregator_fixture import NOW_NS, running_aggregator
from tests.kit.link_device import SITE, LinkDevice, check_in, dialled
from tests.kit.postgres import PROGRAMS, PostgresServer, running_postgres

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs Debian's postgresql")

HELD = 40  # events that the device had handed in before the move
BESIDE = (("artifacts", "ab" * 32), ("diagnostics", "cd" * 16 + ".zip"))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store of a fleet, and of a real device that has more to report."""
    path = tmp_path / "store.db"
    with open_writer(path, None) as db, db.atomic():
        big_fleet.fill(db, 30, hours=24)
        claims.add(db, b"c" * 32, SITE, NOW_NS, NOW_NS + 1, "operator ana")
    for folder, name in BESIDE:
        path.with_name(f"store.db.{folder}").mkdir()
        (path.with_name(f"store.db.{folder}") / name).write_text(f"what {name} holds")
    asyncio.run(report(path, None, 0, HELD))
    return path


async def report(place: Place, files: Path | None, held: int, count: int) -> None:
    """Let the device say hello, hear how far its events are held, and report so many more."""
    async with running_aggregator(place, files=files) as running, dialled(running.target) as channel:
        device = LinkDevice(channel)
        assert (await device.hello(held + count)).acked_seq == held
        more = [check_in(seq) for seq in range(held + 1, held + count + 1)]
        assert await device.report(more) == held + count


def arguments(file: Path, to: Server) -> list[str]:
    return ["migrate", f"--from={file}", f"--to={to.dsn}", f"--files={file.parent / 'shared'}"]


def move(file: Path, to: Server) -> Result:
    return CliRunner().invoke(main, arguments(file, to))


def broken_off(file: Path, to: Server) -> None:
    """Kill a move in the middle of a table: somebody else's row of the same key holds it up there."""
    with open_reader(file) as db:
        row = db.execute(
            "SELECT * FROM telemetry ORDER BY device_id, at_ns, seq LIMIT 1 OFFSET 5000"
        ).fetchone()
    with open_writer(to, None):
        pass
    program = Path(sys.executable).with_name("aidpost-aggregator")
    with closing(PostgresDatabase(to)) as other, closing(PostgresDatabase(to)) as onlooker:
        with other.atomic():
            other.execute("INSERT INTO telemetry VALUES (?, ?, ?, ?)", row)
            with subprocess.Popen([program, *arguments(file, to)], stderr=subprocess.DEVNULL) as moving:
                waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                while moving.poll() is None and onlooker.execute(waits).fetchone() == (0,):
                    pass
                moving.kill()
            other.execute("DELETE FROM telemetry WHERE device_id = ? AND at_ns = ? AND seq = ?", row[:3])
        assert onlooker.execute("SELECT held FROM moving WHERE name = 'telemetry'").fetchone() == (4000,)


def events(place: Place) -> list[StoredEvent]:
    with open_reader(place) as db:
        return list(read_events(db, device_id="desk-1"))


def test_a_move_that_was_killed_goes_on_and_so_does_the_device(file: Path, server: PostgresServer) -> None:
    to = server.new_database("killed")
    before = events(file)
    broken_off(file, to)
    with pytest.raises(StoreUnavailable, match="not whole yet"), open_writer(to, None):
        pass
    assert events(file) == before

    moved = move(file, to)
    assert moved.exit_code == 0, moved.stderr
    assert "both sides agree" in moved.stdout
    with pytest.raises(StoreMoved, match=f"moved to {to}"), open_writer(file, None):
        pass
    again = move(file, to)
    assert (again.exit_code, "moved to" in again.stdout) == (0, True), again.stderr

    assert events(to) == before
    with open_writer(to, None) as db:
        assert administration.first_broken(db) is None
        assert administration.read_latest(db, None, 1)[0].act == "store moved"
        claims.add(db, b"d" * 32, SITE, NOW_NS, NOW_NS + 1, "operator ana")
    shared = file.parent / "shared"
    for folder, name in BESIDE:
        assert (shared / folder / name).read_text() == f"what {name} holds"
    key = file.with_name("store.db.receipt-key.pem").read_bytes()
    assert (shared / "receipt-key.pem").read_bytes() == key
    asyncio.run(report(to, shared, HELD, 10))
    assert [event.seq for event in events(to)] == list(range(1, HELD + 11))
    assert (shared / "receipt-key.pem").read_bytes() == key


def test_what_is_not_the_same_on_both_sides_is_not_moved(file: Path, server: PostgresServer) -> None:
    to = server.new_database("changed")
    broken_off(file, to)
    with open_for_move(to) as db, db.atomic():
        db.execute("UPDATE sites SET title = 'another' WHERE name = (SELECT min(name) FROM sites)")
    moved = move(file, to)
    assert moved.exit_code == 1
    assert "Error: sites: not the same on both sides, and the file is still the store" in moved.stderr
    with open_writer(file, None):
        pass
    with pytest.raises(StoreUnavailable), open_writer(to, None):
        pass


def test_a_move_needs_an_empty_database_and_a_file_that_nobody_uses(
    file: Path, server: PostgresServer
) -> None:
    full, empty = server.new_database("full"), server.new_database("empty")
    with open_writer(full, None) as db, db.atomic():
        claims.add(db, b"d" * 32, SITE, NOW_NS, NOW_NS + 1, "operator ana")
    refused = move(file, full)
    assert (refused.exit_code, "name an empty one" in refused.stderr) == (1, True), refused.stderr
    shared = file.parent / "shared"
    shared.mkdir()
    (shared / "receipt-key.pem").write_text("of another aggregator")
    refused = move(file, empty)
    assert (refused.exit_code, "is another key than" in refused.stderr) == (1, True), refused.stderr
    with open_writer(file, None):
        refused = move(file, empty)
    assert (refused.exit_code, "another server is using" in refused.stderr) == (1, True), refused.stderr
    missing = move(file.with_name("none.db"), empty)
    assert (missing.exit_code, "there is no store at" in missing.stderr) == (1, True), missing.stderr
    with open_writer(file, None):
        pass
