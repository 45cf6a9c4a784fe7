"""Opening a store on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aggregator.store.place import Server
from aggregator.store.postgres.connection import PostgresDatabase
from aggregator.store.postgres.tables import check_alone, check_not_newer, check_whole, migrate


@contextmanager
def open_writer(server: Server, *, being_filled: bool = False) -> Iterator[PostgresDatabase]:
    """Open the store for writing, make or migrate its tables; raises StoreError.

    being_filled: for what fills it from a file; nobody else may open it before it is whole.
    """
    db = PostgresDatabase(server)
    try:
        migrate(db)
        if not being_filled:
            check_whole(db)
            check_alone(db)
        yield db
    finally:
        db.close()


@contextmanager
def open_reader(server: Server) -> Iterator[PostgresDatabase]:
    """Open the store read-only; raises StoreError."""
    db = PostgresDatabase(server, read_only=True)
    try:
        check_not_newer(db)
        check_whole(db)
        check_alone(db)
        yield db
    finally:
        db.close()
