"""The aggregator's store as its administrator has it, to be changed behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.kit.shared_site import Site

Database = sqlite3.Connection


@contextmanager
def database(shared: Site) -> Iterator[Database]:
    """The aggregator's store as its administrator has it; each statement commits."""
    with closing(sqlite3.connect(shared.server.file, isolation_level=None)) as connection:
        yield connection


def fill(db: Database, table: str, rows: list[tuple[object, ...]]) -> None:
    """Put these rows in place of all that a table has."""
    db.execute(f"DELETE FROM {table}")  # noqa: S608
    marks = ", ".join("?" * len(rows[0]))
    db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
