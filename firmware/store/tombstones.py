"""Which entries were erased here, as long as no erasure of them is in the shared gallery's log.

Without them an entry comes back whose registration the aggregator took while its answer was lost, and one
whose erasure was not told yet when the store was begun anew. Runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlite_utils import Database


def put(database: Database, entry_id: bytes) -> None:
    """Note that an entry was erased here."""
    database.execute("INSERT OR IGNORE INTO tombstones (entry_id) VALUES (?)", (entry_id,))


def read(database: Database) -> set[bytes]:
    """Return the ids of the entries that were erased here and are not erased in the log."""
    return {entry_id for (entry_id,) in database.execute("SELECT entry_id FROM tombstones")}


def drop(database: Database, entry_ids: Iterable[bytes]) -> None:
    """Forget entries whose erasure is in the log, which is final."""
    database.conn.executemany(
        "DELETE FROM tombstones WHERE entry_id = ?", [(entry_id,) for entry_id in entry_ids]
    )


def looked_for(database: Database) -> None:
    """The whole of the shared gallery is held: what is known elsewhere is known here."""
    database.execute("UPDATE tombstones SET looked_for = 1 WHERE NOT looked_for")


def is_one_new(database: Database) -> bool:
    """Whether an entry was erased since the whole of the shared gallery was held last."""
    row = database.execute("SELECT 1 FROM tombstones WHERE NOT looked_for LIMIT 1").fetchone()
    return row is not None
