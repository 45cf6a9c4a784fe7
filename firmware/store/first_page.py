"""Stands in for the pages that say where a store's tables begin, the first among them, when those are lost.

A new store of the same migrations begins its tables on the same pages, and with the same key and salt its
pages are as good as the lost ones. Where the damaged store grew by migrations in between, later tables may
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
    """Yield a copy of the file whose tables are named anew; it is gone afterwards. Raises StoreError."""
    folder = path.with_name("reading")
    shutil.rmtree(folder, ignore_errors=True)  # of a start that was cut short
    try:
        folder.mkdir(mode=0o700)
        copy, new = folder / path.name, folder / "new.db"
        shutil.copy(path, copy)
        log = path.with_name(path.name + "-wal")
        if log.exists():
            shutil.copy(log, folder)
        schema = _make(new, key, pages=path.stat().st_size // PAGE_BYTES)
        with new.open("rb") as source, copy.open("r+b") as target:
            for page in schema:
                source.seek((page - 1) * PAGE_BYTES)
                target.seek((page - 1) * PAGE_BYTES)
                target.write(source.read(PAGE_BYTES))
        yield copy
    except OSError as error:
        raise StoreError(f"cannot copy the damaged store: {error.strerror}; free space there") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(path: Path, key: SecretKey, pages: int) -> list[int]:
    """Make an empty store of at least so many pages, and return the numbers of those that name its tables.

    Its first page says how many pages are valid.
    """
    database = open_database(path, key)
    with translated(path):
        migrate(database)
        # Each table and index is empty and has one page; what is left over belongs to the schema itself.
        (count,) = database.execute("PRAGMA page_count").fetchone()
        roots = {root for (root,) in database.execute("SELECT rootpage FROM sqlite_schema")}
        database.execute("INSERT INTO records (seq, event) VALUES (1, zeroblob(?))", (pages * PAGE_BYTES,))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return [page for page in range(1, count + 1) if page not in roots]
