"""How many bytes a check-in takes on a PostgreSQL server and in its log, and in a file.

Run as ``python -m tests.bench.bytes_of_events``. The server is Debian's (`tests/kit/postgres.py`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from aggregator.codec import parse_batch
from aggregator.records import Hello
from aggregator.store import ingest
from aggregator.store.database import open_writer
from aggregator.store.ingest import Admitted
from aggregator.store.port import Database
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained, check_in
from tests.kit.postgres import running_postgres

BEFORE = 200  # events that come before the log is looked at: the first make tables and fill caches
EVENTS = {1: 2_000, 20: 20_000, 100: 20_000}
_LOG = "SELECT CAST(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS BIGINT)"
_TABLES = """
    SELECT CAST(sum(pg_total_relation_size(pg_class.oid)) AS BIGINT)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = 'aidpost' AND relkind = 'r' AND relname LIKE 'record_events%'"""


class Device:
    """Hands in check-ins, each batch in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._chained = Chained("bench-1", EPOCH)
        self._given = 0
        with db.atomic():
            admitted = ingest.admit(db, Hello("bench-1", EPOCH, 10**6, "0.1.0", SITE, 1, EPOCH), NOW_NS)
        assert isinstance(admitted, Admitted)
        self._admitted = admitted

    def report(self, events: int, batch: int) -> None:
        for _ in range(events // batch):
            first = self._given + 1
            self._given += batch
            packed = self._chained.pack(check_in(seq) for seq in range(first, self._given + 1))
            with self._db.atomic():
                self._db.take_turn(["bench-1"])
                ingest.keep(self._db, self._admitted, parse_batch(packed, max_events=500), NOW_NS)


def main() -> None:
    """Measure and print."""
    with running_postgres() as server:
        for batch, events in EVENTS.items():
            with open_writer(server.new_database(f"batch_{batch}"), None) as db:
                device = Device(db)
                device.report(BEFORE, batch)
                (before,) = db.execute(_LOG).fetchone()
                device.report(events, batch)
                (after,) = db.execute(_LOG).fetchone()
                (held,) = db.execute(_TABLES).fetchone()
            sys.stdout.write(
                f"PostgreSQL, batches of {batch}: {held / (events + BEFORE):.0f} B an event with indexes, "
                f"{(after - before) / events:,.0f} B of the log\n"
            )
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        path = Path(folder) / "store.db"
        with open_writer(path, None) as db:
            Device(db).report(EVENTS[100], 100)
        sys.stdout.write(f"SQLite: {path.stat().st_size / EVENTS[100]:.0f} B an event\n")


if __name__ == "__main__":
    main()
