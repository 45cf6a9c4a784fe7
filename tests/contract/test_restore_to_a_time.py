"""A server's store comes back as it was at a time, from a base backup and the archived log."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from aggregator.codec import parse_batch
from aggregator.records import Hello
from aggregator.store import ingest
from aggregator.store.database import open_reader, open_writer
from aggregator.store.ingest import Admitted
from aggregator.store.place import Server
from aggregator.store.postgres.connection import PostgresDatabase
from aggregator.store.reader import read_events
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained, check_in
from tests.kit.postgres import PROGRAMS, copy_of, restored_postgres, running_postgres

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs Debian's postgresql")

# What docs/backups.md tells to set.
ARCHIVING = {"archive_mode": "on", "archive_command": "test ! -f FOLDER/%f && cp %p FOLDER/%f"}


def report(place: Server, first: int, last: int) -> int:
    """Report events as a device that holds all of them; returns how far they were held before."""
    with open_writer(place, None) as db, db.atomic():
        db.take_turn(["desk-1"])
        device = ingest.admit(db, Hello("desk-1", EPOCH, last, "0.1.0", SITE, 1, b"i" * 16), NOW_NS)
        assert isinstance(device, Admitted)
        packed = Chained("desk-1", EPOCH).pack(check_in(seq) for seq in range(first, last + 1))
        assert ingest.keep(db, device, parse_batch(packed, max_events=500), NOW_NS).acked_seq == last
        return device.acked_seq


def held(place: Server) -> list[int]:
    with open_reader(place) as db:
        return [event.seq for event in read_events(db)]


def test_a_store_comes_back_as_it_was_at_a_time_and_devices_send_the_rest_again() -> None:
    with running_postgres(ARCHIVING) as server:
        place = server.new_database("fleet")
        report(place, 1, 10)
        copy_of(server)
        report(place, 11, 20)
        with closing(PostgresDatabase(place)) as db:
            (until,) = db.execute("SELECT clock_timestamp()::text").fetchone()
            report(place, 21, 30)
            (last,) = db.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
            archived = "SELECT last_archived_wal >= ? FROM pg_stat_archiver"
            while db.execute(archived, (last,)).fetchone() != (True,):
                pass
        assert held(place) == list(range(1, 31))
        with restored_postgres(server, Path(server.folder), until) as restored:
            back = Server(restored.dsn("fleet"))
            assert held(back) == list(range(1, 21))
            assert report(back, 21, 30) == 20
            assert held(back) == list(range(1, 31))
