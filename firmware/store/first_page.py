"""Stands in for a store's first page when that alone is lost: it says where the tables begin.

A new store of the same migrations begins its tables on the same pages, and with the same key and salt its
first page is as good as the lost one. Where the damaged store grew by migrations in between, later tables may
begin elsewhere; what does not fit is then unreadable, and what is read is verified as ever.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware.store.connection import PAGE_BYTES, open_database, translated
from firmware.store.errors import StoreError
from firmware.store.migrations import migrate
from trust.keys.secret import SecretKey


@contextmanager
def with_new_first_page(path: Path, key: SecretKey) -> Iterator[Path]:
    """Yield a copy of the file with another first page; it is gone afterwards. Raises StoreError."""
    folder = path.with_name("reading")
    shutil.rmtree(folder, ignore_errors=True)  # of a start that was cut short
    try:
        folder.mkdir(mode=0o700)
        copy, new = folder / path.name, folder / "new.db"
        shutil.copy(path, copy)
        log = path.with_name(path.name + "-wal")
        if log.exists():
            shutil.copy(log, folder)
        _make(new, key, pages=path.stat().st_size // PAGE_BYTES)
        with new.open("rb") as source, copy.open("r+b") as target:
            target.write(source.read(PAGE_BYTES))
        yield copy
    except OSError as error:
        raise StoreError(f"cannot copy the damaged store: {error.strerror}; free space there") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(path: Path, key: SecretKey, pages: int) -> None:
    """Make an empty store of at least so many pages: its first page says how many pages are valid."""
    database = open_database(path, key)
    with translated(path):
        migrate(database)
        database.execute("INSERT INTO records (seq, event) VALUES (1, zeroblob(?))", (pages * PAGE_BYTES,))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
