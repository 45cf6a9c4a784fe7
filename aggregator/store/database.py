"""Opening the store's file: one writer, any number of readers."""

from __future__ import annotations

import fcntl
import importlib
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, overload

from sqlite_utils import Database as SqliteUtils

from aggregator.store.errors import (
    StatementRefused,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreMissing,
    StoreMoved,
    StoreNotOurs,
    StoreUnavailable,
)
from aggregator.store.migrations import APPLICATION_ID, MOVED_APPLICATION_ID, check_not_newer, migrations
from aggregator.store.place import Place, Server
from aggregator.store.port import Database

# Of the write-ahead log before it is moved into the file: 32 MB. With SQLite's own 1000 every second commit
# of a busy server did that, and wrote pages that the next one changed again.
LOG_PAGES = 8000
BUSY_TIMEOUT_S = 5.0  # a reader's checkpoint or a backup tool may hold the lock for a moment


class SqliteDatabase(SqliteUtils):
    """The `aggregator.store.port.Database` of a file, by sqlite-utils."""

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do one statement for each row of parameters."""
        self.conn.executemany(sql, rows)

    def insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], on_conflict: str = ""
    ) -> None:
        """Insert rows, in their order."""
        done = 0
        for size, statement in _insertions(table, tuple(columns), on_conflict):
            while len(rows) - done >= size:
                self.execute(statement, tuple(chain.from_iterable(rows[done : done + size])))
                done += size

    def drop_events(self, before_ns: int, *, telemetry: bool) -> bool:
        """A file keeps all events in one piece."""
        return False

    def take_turn(self, device_ids: Collection[str] | None = None) -> None:
        """Begin with a write: another process may commit between a read and a write."""
        self.execute("UPDATE outboxes SET outbox = outbox WHERE 1 = 0")

    def need_turn(self) -> None:
        """Nobody else writes in any transaction."""

    def empty_log(self) -> bool:
        """Move the write-ahead log into the file and cut it to nothing; a reader prevents it."""
        self.execute("PRAGMA busy_timeout = 0")  # it can be done later, and devices wait for commits
        try:
            (busy, _, _) = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000):d}")
        return not busy


@lru_cache(maxsize=64)
def _insertions(table: str, columns: tuple[str, ...], on_conflict: str) -> tuple[tuple[int, str], ...]:
    """Return how many rows a statement takes, and the statement, the largest first.

    Python gives up its lock for each step of a statement, and the event loop may then keep it for 5 ms: with
    one step for many rows the writer waits less.
    By itself, 50 rows a step took 0.9 us less an event than one.
    """
    into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608
    row = f"({', '.join('?' * len(columns))})"
    return tuple((rows, f"{into}{', '.join([row] * rows)} {on_conflict}") for rows in (50, 10, 1))


@overload
def open_writer(
    place: Path, max_bytes: int | None, *, beside_server: bool = False
) -> AbstractContextManager[SqliteDatabase]: ...


@overload
def open_writer(
    place: Place, max_bytes: int | None, *, beside_server: bool = False
) -> AbstractContextManager[Database]: ...


def open_writer(
    place: Place, max_bytes: int | None, *, beside_server: bool = False
) -> AbstractContextManager[Database]:
    """Open a store for writing, make or migrate its tables; raises StoreError.

    max_bytes, beside_server: of a file; a server has limits of its own, and every writer is beside others.
    """
    if isinstance(place, Server):
        opened: AbstractContextManager[Database] = servers().open_writer(place)
        return opened
    return _open_file(place, max_bytes, beside_server=beside_server)


@overload
def open_reader(place: Path) -> AbstractContextManager[SqliteDatabase]: ...


@overload
def open_reader(place: Place) -> AbstractContextManager[Database]: ...


def open_reader(place: Place) -> AbstractContextManager[Database]:
    """Open a store read-only, also while a server writes to it; raises StoreError."""
    if isinstance(place, Server):
        opened: AbstractContextManager[Database] = servers().open_reader(place)
        return opened
    return _read_file(place)


def open_for_move(server: Server) -> AbstractContextManager[Database]:
    """Open a store that is being filled from a file and which nobody else may open; raises StoreError."""
    opened: AbstractContextManager[Database] = servers().open_writer(server, being_filled=True)
    return opened


def translated(place: Place) -> AbstractContextManager[None]:
    """Turn SQLite's errors into the store's own; what talks to a server does so by itself."""
    return nullcontext() if isinstance(place, Server) else _translated_file(place)


def servers() -> Any:
    """Return what opens stores on servers; imported for those who use it: asyncpg is an extra."""
    try:
        return importlib.import_module("aggregator.store.postgres.opening")
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            "this aggregator was installed without PostgreSQL: install aidpost[postgresql], or name a file"
        ) from error


@contextmanager
def _open_file(path: Path, max_bytes: int | None, *, beside_server: bool) -> Iterator[SqliteDatabase]:
    """Open the store for writing, make or migrate its tables; raises StoreError.

    beside_server: also while a server writes to it; every transaction must then begin with a write. The file
    is then never made: a name with a slip in it would be a new store.

    max_bytes: the size that the file may reach; a full store refuses events and takes them again after
    room was made. None: as much as the disk holds.
    """
    if beside_server:
        _check_there(path)
    with (
        _translated_file(path),
        nullcontext() if beside_server else _locked(path),
        closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection,
    ):
        connection.create_function("clock_ns", 0, time.time_ns)
        db = SqliteDatabase(connection, execute_plugins=False)
        _check_ours(db, path, empty_allowed=not beside_server)
        _make_private(path)
        check_not_newer(db)
        db.enable_wal()
        # FULL: a commit that was acknowledged survives a power cut, not only a crash of the process.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what was erased is overwritten, ciphertext or not
        if max_bytes is not None:
            (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {max(1, max_bytes // page_bytes)}")
        migrations.apply(db)
        yield db


@contextmanager
def _read_file(path: Path) -> Iterator[SqliteDatabase]:
    """Open the store read-only, also while a server writes to it; raises StoreError."""
    _check_there(path)
    with _translated_file(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.create_function("clock_ns", 0, time.time_ns)
            db = SqliteDatabase(connection, execute_plugins=False)
            _check_ours(db, path, empty_allowed=False)
            check_not_newer(db)
            yield db


@contextmanager
def _translated_file(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the store's own."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(path, error) from error


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise StoreMissing(f"there is no store at {path}: name the file that `serve --store` was given")


def _make_private(path: Path) -> None:
    """Take the rights of others from a store that was copied back or made elsewhere."""
    try:
        for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            if each.exists() and each.stat().st_mode & 0o077:
                each.chmod(0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"others can read {path} and that cannot be changed ({error.strerror}): chmod 600 it"
        ) from error


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # without the extended part: CORRUPT_INDEX is CORRUPT
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"the store {path} is full: make room on its disk or raise its size limit")
        case sqlite3.SQLITE_CORRUPT:
            return StoreUnavailable(
                f"the store {path} is damaged ({error}): stop the server, keep the file, and restore a copy"
            )
        case sqlite3.SQLITE_NOTADB:
            return StoreNotOurs(
                f"{path} is not a SQLite database: name another file, or restore a copy if this is the store"
            )
        # Its message names tables and columns, and no value.
        case (
            sqlite3.SQLITE_ERROR | sqlite3.SQLITE_CONSTRAINT | sqlite3.SQLITE_MISMATCH | sqlite3.SQLITE_RANGE
        ):
            return StatementRefused(
                f"the store {path} refused a statement ({error}): tell those who keep Aidpost"
            )
        case _:
            return StoreUnavailable(
                f"the store {path} cannot be used ({error}): check the disk and the rights"
            )


def _check_ours(db: Database, path: Path, *, empty_allowed: bool) -> None:
    (application_id,) = db.execute("PRAGMA application_id").fetchone()
    if application_id == MOVED_APPLICATION_ID:
        (to,) = db.execute("SELECT place FROM moved").fetchone()
        raise StoreMoved(f"what {path} held was moved to {to}: name that with --store", to)
    empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    if application_id != APPLICATION_ID and not (empty and empty_allowed):
        raise StoreNotOurs(f"{path} is not an aggregator's store: name another file")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file beside the store that says a server is running, and make the store private to its user.

    A file of its own: closing a second descriptor of the database file would drop SQLite's POSIX locks.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot create {path} ({error.strerror}): check the folder and its rights"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreInUse(f"another server is using {path}: stop it, or name another file") from error
        except OSError as error:
            raise StoreUnavailable(f"{lock} cannot be locked ({error.strerror}): use a local disk") from error
        yield
    finally:
        os.close(descriptor)
