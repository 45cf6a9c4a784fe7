"""In which hour each entry was registered, here or elsewhere; runs in the caller's transaction.

It travels sealed with the entry, so that no appliance counts an entry's days anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils import Database

from firmware.records import Moment

HOUR_NS = 3600 * 1_000_000_000


def put(database: Database, hours: Mapping[bytes, int]) -> None:
    """Note hours since 1970-01-01 UTC by the entries' ids; 0 is not known, and is left out."""
    database.conn.executemany(
        "INSERT OR REPLACE INTO registered (entry_id, hour) VALUES (?, ?)",
        [(entry_id, hour) for entry_id, hour in hours.items() if hour],
    )


def hour_of(moment: Moment) -> int:
    """Return the hour of a moment, 0 where the clock was not good."""
    return max(0, moment.wall_ns // HOUR_NS) if moment.quality.is_set else 0


def read(database: Database) -> dict[bytes, int]:
    """Return the hours that are known."""
    return dict(database.execute("SELECT entry_id, hour FROM registered").fetchall())
