"""Erasures of other appliances that were carried out before the delivery that brought them was taken.

They are not this appliance's to tell: signed anew by it, an erasure by a thief with a former member's key
would count. Runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlite_utils import Database

from firmware.store import changes, tombstones
from trust.gallery.change import Change


def put(database: Database, change: Change, *, erased: bool) -> None:
    """Note a change that erases; erased: its entry was here until now."""
    database.execute(
        "INSERT OR IGNORE INTO erasures_seen (entry_id, author, seq) VALUES (?, ?, ?)",
        (change.entry_id, change.author, change.seq),
    )
    if erased:
        tombstones.drop(database, [change.entry_id])
        changes.mark_unopened(database, change.entry_id)


def read(database: Database) -> dict[bytes, tuple[int, int]]:
    """Return (author, seq) of the change that erases each entry."""
    rows = database.execute("SELECT entry_id, author, seq FROM erasures_seen")
    return {entry_id: (author, seq) for entry_id, author, seq in rows}


def drop(database: Database, entry_ids: Iterable[bytes]) -> None:
    """Forget entries whose erasure is in the log."""
    database.conn.executemany(
        "DELETE FROM erasures_seen WHERE entry_id = ?", [(entry_id,) for entry_id in entry_ids]
    )


def void(database: Database, members: Collection[int]) -> None:
    """Forget the erasures of who is no member any more: the entry may come back, sealed anew by who is."""
    gone = [entry_id for entry_id, (author, _) in read(database).items() if author not in members]
    drop(database, gone)
