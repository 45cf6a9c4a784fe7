"""The only module that opens SQLite and knows its error classes.

A later release opens SQLCipher here; nothing else changes with it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from firmware.store.errors import StoreBusy, StoreDamaged, StoreError, StoreFull

BUSY_TIMEOUT_S = 5.0  # somebody may look into the file with the sqlite3 tool; nobody may stay
APPLICATION_ID = 0x41445354  # "ADST" in the file's header, so that `file` and we can tell it from others
FREE_NEEDED_BYTES = 1 << 20  # the WAL index grows in steps of 32 KiB, the WAL up to 4 MiB before a checkpoint

_SETTINGS = (
    "PRAGMA synchronous = FULL",  # a commit that was answered survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # a removed template is overwritten, not only unlinked
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
)


def open_database(path: Path, *, max_pages: int | None = None) -> Database:
    """Open or create the file for the calling thread; max_pages (4 KiB each) caps its size.

    Raises StoreError and its kinds.
    """
    with translated(path):
        try:
            # Made by hand so that it is private from the start; WAL and index take over its mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(
                f"cannot open the store {path}: {error.strerror}; check its owner and mode"
            ) from error
        # isolation_level None: transactions begin where the code says so, and nowhere else.
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if journal != "wal":
                raise StoreError(f"the file system of {path} has no shared memory; use a local disk")
            for setting in _SETTINGS:
                connection.execute(setting)
            if max_pages is not None:
                connection.execute(f"PRAGMA max_page_count = {max_pages:d}")
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
        return Database(connection, recursive_triggers=False, execute_plugins=False)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StoreError and its kinds."""
    try:
        yield
    except sqlite3.Error as error:
        raise _typed(error, path) from error


def empty_wal(database: Database) -> bool:
    """Move the write-ahead log into the file and cut it to nothing, so that deleted content is in neither.

    Returns whether that was done; another program that reads the file prevents it. Flash may still hold old
    blocks; only encryption helps there.
    """
    database.execute("PRAGMA busy_timeout = 0")  # it can be done later, and a person may be waiting
    try:
        busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        database.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000):d}")
    return not busy


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and tables:
        raise StoreDamaged(f"{path} is a database of another program; change `device.data` or move it away")
    if application != APPLICATION_ID:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
    # Finds torn and swapped pages; 33 ms for 10,000 entries (18 MB).
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StoreDamaged(_DAMAGED.format(path=path))


_DAMAGED = (
    "the store {path} is damaged; keep the file, stop using this card, and restore a copy or start with an "
    "empty `device.data` (what was sent is safe at the aggregator)"
)
_KINDS_OF_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_KINDS_OF_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _typed(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_space(path)):
        return StoreFull(f"no space left for the store {path}; nothing was lost: free space on this disk")
    if code in _KINDS_OF_DAMAGE:
        return StoreDamaged(_DAMAGED.format(path=path))
    if code in _KINDS_OF_BUSY:
        return StoreBusy(f"the store {path} is in use by another program; close it and try again")
    return StoreError(f"the store {path} failed ({error}); run `aidpost doctor`")


def _no_space(path: Path) -> bool:
    # A full disk shows as an I/O error where SQLite extends the WAL index (SQLITE_IOERR_SHMSIZE).
    try:
        return shutil.disk_usage(path.parent).free < FREE_NEEDED_BYTES
    except OSError:  # the disk itself has gone
        return False
