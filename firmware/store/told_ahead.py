"""Which erasures the aggregator was told while what it sends was refused; in the caller's transaction.

They come back with the log, as this appliance's own changes do whose answer was lost. Until then they are in
no log here: the next such erasure follows the last of them, and none is made a second time.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database

from trust.gallery.change import Change
from trust.gallery.judge import Head


def put(database: Database, made: Sequence[Change]) -> None:
    """Note erasures that the aggregator took, in their order."""
    database.conn.executemany(
        "INSERT INTO told_ahead (entry_id, seq, link) VALUES (?, ?, ?)",
        [(change.entry_id, change.seq, change.link) for change in made],
    )


def read(database: Database) -> tuple[set[bytes], Head | None]:
    """Return the entries, and the last change; None where there is none."""
    rows = database.execute("SELECT entry_id, seq, link FROM told_ahead ORDER BY seq").fetchall()
    return {entry_id for entry_id, _, _ in rows}, Head(rows[-1][1], rows[-1][2]) if rows else None


def clear(database: Database) -> None:
    """Forget them: the log is held again, and says what came of them."""
    database.execute("DELETE FROM told_ahead")
