"""The aggregator's store as its administrator has it, to be changed behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from aggregator.store.place import Place, Server
from aggregator.store.port import Rows
from aggregator.store.postgres.connection import PostgresDatabase
from tests.kit.shared_site import Site


class _Connection(Protocol):
    def execute(self, sql: str, parameters: Sequence[object] = ()) -> Rows: ...

    def close(self) -> None: ...


class Database:
    """Each statement commits. All in one thread: a server's connection has an event loop of its own there."""

    def __init__(self, connection: _Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> Rows:
        """Do one statement, with ? for each parameter."""
        return self._thread.submit(self._connection.execute, sql, parameters).result()

    def close(self) -> None:
        """Close the connection."""
        self._thread.submit(self._connection.close).result()


@contextmanager
def database(shared: Site) -> Iterator[Database]:
    """Open the store, wherever it is, beside the aggregator that runs."""
    with ThreadPoolExecutor(1) as thread:
        connection = thread.submit(_connected, shared.server.store).result()
        with closing(Database(connection, thread)) as db:
            yield db


def content_of(shared: Site) -> bytes:
    """Return all that is in the store: a file with its log, or every row of every table."""
    place = shared.server.store
    if isinstance(place, Path):
        return b"".join(path.read_bytes() for path in (place, *place.parent.glob(f"{place.name}-*")))
    with database(shared) as db:
        tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'aidpost'").fetchall()
        rows = [row for (table,) in tables for row in db.execute(f"SELECT * FROM {table}")]  # noqa: S608
    return b"\0".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )


def fill(db: Database, table: str, rows: list[tuple[object, ...]]) -> None:
    """Put these rows in place of all that a table has."""
    db.execute(f"DELETE FROM {table}")  # noqa: S608
    marks = ", ".join("?" * len(rows[0]))
    for row in rows:
        db.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608


def _connected(place: Place) -> _Connection:
    if isinstance(place, Server):
        return PostgresDatabase(place)
    connection: _Connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    return connection
