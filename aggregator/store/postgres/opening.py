"""Opening a store on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aggregator.store.place import Server
from aggregator.store.postgres.connection import PostgresDatabase
from aggregator.store.postgres.tables import check_not_newer, migrate


@contextmanager
def open_writer(server: Server) -> Iterator[PostgresDatabase]:
    """Open the store for writing, make or migrate its tables; raises StoreError."""
    db = PostgresDatabase(server)
    try:
        migrate(db)
        yield db
    finally:
        db.close()


@contextmanager
def open_reader(server: Server) -> Iterator[PostgresDatabase]:
    """Open the store read-only; raises StoreError."""
    db = PostgresDatabase(server, read_only=True)
    try:
        check_not_newer(db)
        yield db
    finally:
        db.close()
