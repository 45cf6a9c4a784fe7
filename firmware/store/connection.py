"""The only module that opens SQLCipher and knows its error classes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher
from sqlite_utils import Database

from firmware.store.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreKeyWrong,
    StoreNotEncrypted,
)
from firmware.store.pragma_key import lent_text
from trust.keys.secret import SecretKey

BUSY_TIMEOUT_S = 5.0  # somebody may look into the file with the sqlcipher tool; nobody may stay
APPLICATION_ID = 0x41445354  # "ADST" in the decrypted header, so that we can tell our file from others
FREE_NEEDED_BYTES = 1 << 20  # the WAL index grows in steps of 32 KiB, the WAL up to 4 MiB before a checkpoint
PAGE_BYTES = 4096  # SQLCipher's default; 80 of them are initialisation vector and HMAC-SHA-512
_PLAIN_HEADER = b"SQLite format 3\0"

_BEFORE_KEY = (
    "PRAGMA cipher_log_level = NONE",  # its lines would go to stderr, past our log; errors come as exceptions
    # What SQLite frees is overwritten, so that rows and statements do not stay in memory.
    "PRAGMA cipher_memory_security = ON",
)
_SETTINGS = (
    "PRAGMA synchronous = FULL",  # a commit that was answered survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # a removed template is overwritten, not only unlinked
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
)


def open_database(path: Path, key: SecretKey, *, max_pages: int | None = None) -> Database:
    """Open or create the file for the calling thread; max_pages (4 KiB each) caps its size.

    key: 32 bytes, used as they are, without a derivation. Raises StoreError and its kinds.
    """
    with translated(path):
        try:
            # Made by hand so that it is private from the start; WAL and index take over its mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(
                f"cannot open the store {path}: {error.strerror}; check its owner and mode"
            ) from error
        _refuse_plain(path)
        connection = connect(path, key)
        try:
            _check_key(connection, path)
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


def connect(path: Path, key: SecretKey, *, read_only: bool = False) -> Any:
    """Return a connection with the key set, and nothing read yet; errors are SQLCipher's own."""
    # isolation_level None: transactions begin where the code says so, and nowhere else.
    connection = sqlcipher.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}",
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        uri=True,
    )
    try:
        for setting in _BEFORE_KEY:
            connection.execute(setting)
        with lent_text(key, 'PRAGMA key = "', '"') as statement:
            # As a script: `execute` would keep the statement, and the key in it, in its cache.
            connection.executescript(statement)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLCipher's errors into StoreError and its kinds."""
    try:
        yield
    except sqlcipher.Error as error:
        raise _typed(error, path) from error


def is_damage(error: Exception) -> bool:
    """Whether an error of SQLCipher means that a page cannot be read."""
    return isinstance(error, sqlcipher.Error) and _code(error) in _KINDS_OF_DAMAGE


def empty_wal(database: Database) -> bool:
    """Move the write-ahead log into the file and cut it to nothing, so that deleted content is in neither.

    Returns whether that was done; another program that reads the file prevents it. Flash may still hold old
    blocks, which are ciphertext.
    """
    database.execute("PRAGMA busy_timeout = 0")  # it can be done later, and a person may be waiting
    try:
        busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        database.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000):d}")
    return not busy


def _refuse_plain(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_PLAIN_HEADER)) == _PLAIN_HEADER:
            raise StoreNotEncrypted(
                f"{path} is not encrypted: it is of a release before encryption, or of another program; move "
                "it away (a new store is made at the next start), and erase it if it held people's data"
            )


def _check_key(connection: Any, path: Path) -> None:
    """Read the first page; where it does not open, tell a foreign key from a damaged page."""
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlcipher.DatabaseError as error:
        if _code(error) != sqlcipher.SQLITE_NOTADB:
            raise
        failed = connection.execute("PRAGMA cipher_integrity_check").fetchall()
        pages = path.stat().st_size // PAGE_BYTES
        if 0 < len(failed) < pages:
            raise StoreDamaged(_DAMAGED.format(path=path)) from error
        raise StoreKeyWrong(
            f"nothing in {path} opens with the key of this appliance: put back the keys or the store that "
            "belong together, or move the folder away and restore a backup with `aidpost restore`"
        ) from error


def _check(connection: Any, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and tables:
        raise StoreError(f"{path} is a database of another program; change `device.data` or move it away")
    if application != APPLICATION_ID:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
    # Finds torn, swapped and forged pages, since each page's HMAC is checked as it is read.
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StoreDamaged(_DAMAGED.format(path=path))


_DAMAGED = (
    "the store {path} is damaged: start again, and what can be read of it is saved into a new one; copy the "
    "folder, and stop using this card"
)
_KINDS_OF_DAMAGE = {sqlcipher.SQLITE_CORRUPT, sqlcipher.SQLITE_NOTADB}
_KINDS_OF_BUSY = {sqlcipher.SQLITE_BUSY, sqlcipher.SQLITE_LOCKED}


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlcipher.SQLITE_ERROR)) & 0xFF


def _typed(error: Exception, path: Path) -> StoreError:
    code = _code(error)
    if code == sqlcipher.SQLITE_FULL or (code == sqlcipher.SQLITE_IOERR and _no_space(path)):
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
