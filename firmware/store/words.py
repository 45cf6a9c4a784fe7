"""When each appliance of a shared gallery was heard of last; runs in the caller's transaction.

An aggregator that keeps back an erasure has to keep back all that its author tells afterwards, and all that
others tell who have seen it. Each tells something once a day: either a gap shows, or somebody falls silent.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlite_utils import Database

from firmware.gallery.values import DAY_NS, SILENT_AFTER_NS, age_ns
from firmware.records import Moment


def heard(database: Database, authors: Collection[int], now: Moment) -> None:
    """Note that these authors' changes grew."""
    database.conn.executemany(
        "UPDATE gallery_authors SET heard = ? WHERE author = ?",
        [(msgspec.msgpack.encode(now), author) for author in authors],
    )


def silent(database: Database, authors: Collection[int], now: Moment) -> list[int]:
    """Return of which of these authors nothing has come for days; of who is new, the days begin now."""
    rows = dict(database.execute("SELECT author, heard FROM gallery_authors").fetchall())
    fresh = [author for author in authors if not rows.get(author)]
    database.conn.executemany(
        "INSERT OR IGNORE INTO gallery_authors (author, seq, link) VALUES (?, 0, x'')",
        [(author,) for author in fresh],
    )
    heard(database, fresh, now)
    return [
        author
        for author in authors
        if rows.get(author)
        and age_ns(msgspec.msgpack.decode(rows[author], type=Moment), now) >= SILENT_AFTER_NS
    ]


def is_due(database: Database, now: Moment) -> bool:
    """Whether this appliance has told nothing for a day; its first day begins now."""
    (told,) = database.execute("SELECT told FROM gallery_position").fetchone()
    if told:
        return age_ns(msgspec.msgpack.decode(told, type=Moment), now) >= DAY_NS
    note_told(database, now)
    return False


def note_told(database: Database, now: Moment) -> None:
    """Note that this appliance told something."""
    database.execute("UPDATE gallery_position SET told = ?", (msgspec.msgpack.encode(now),))
