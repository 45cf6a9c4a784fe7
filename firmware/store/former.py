"""The store as it was before software on trial changed its tables: the former software goes on with that.

A store of newer tables is refused by older software, so a slot that does not pass would leave an appliance
that cannot serve. Nobody is served and nothing is told to the aggregator during a trial, so going back loses
nothing that anybody has heard of.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sqlite_utils import Database

from firmware.store.errors import StoreError

_SUFFIX = ".former"


def keep(path: Path, beside: Path, database: Database) -> None:
    """Copy the store, which is open and in nobody else's hands, and the file beside it. Raises StoreError.

    A copy that is there already stays: it is of before an earlier start of the same trial.
    """
    if _copy(path).exists():
        return
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    try:
        for file in (beside, path):  # the store last: with it the copy is whole
            fresh = file.with_name(f"{file.name}{_SUFFIX}.new")
            shutil.copyfile(file, fresh)
            fresh.chmod(0o600)
            _sync(fresh)
            fresh.replace(_copy(file))
        _sync(path.parent)
    except OSError as error:
        raise StoreError(
            f"the store cannot be kept for the former software ({error.strerror}): free some of the disk"
        ) from error


def put_back(path: Path, beside: Path) -> bool:
    """Go on from the copy; False where there is none. The store must be closed. Raises StoreError."""
    if not _copy(path).exists():
        return False
    try:
        for suffix in ("-wal", "-shm"):  # of the newer tables, and empty since that was closed
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        if _copy(beside).exists():
            _copy(beside).replace(beside)
        _copy(path).replace(path)
        _sync(path.parent)
    except OSError as error:
        raise StoreError(f"the former store cannot be put back ({error.strerror})") from error
    return True


def drop(path: Path, beside: Path) -> None:
    """Erase the copy, once what runs has passed. Raises StoreError."""
    try:
        for file in (path, beside):
            _copy(file).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"the former store cannot be erased ({error.strerror})") from error


def _copy(file: Path) -> Path:
    return file.with_name(file.name + _SUFFIX)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
