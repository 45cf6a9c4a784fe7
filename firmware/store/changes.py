"""The rows of a shared gallery's changes; runs in the caller's transaction.

Written many at a time: a newcomer takes over 10,000 in one transaction, and a statement for each lookup and
each row held the store for a minute and a half where two hold it for some seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlite_utils import Database

from firmware.gallery import change_message
from trust.gallery.change import Change, Kind
from trust.gallery.roster import Roster

_INSERT = """
    INSERT OR REPLACE INTO gallery_changes (author, seq, place, entry_id, entry_version, erases, epoch, link,
        newest, unopened, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Newest(NamedTuple):
    """The newest version of an entry; unopened: it is not in the gallery here, though nobody erased it."""

    author: int
    seq: int
    version: int
    unopened: bool
    erased: bool


def newest(database: Database) -> dict[bytes, Newest]:
    """Return the newest version of every entry."""
    rows = database.execute(
        "SELECT entry_id, author, seq, entry_version, unopened, erases FROM gallery_changes WHERE newest"
    )
    return {
        entry_id: Newest(author, seq, version, bool(unopened), bool(erases))
        for entry_id, author, seq, version, unopened, erases in rows
    }


def lacking(database: Database) -> tuple[tuple[int, int], ...]:
    """Return (author, seq) of the changes up to their authors' heads that are not there."""
    rows = database.execute(
        """SELECT author, seq, (SELECT count(*) FROM gallery_changes AS own WHERE own.author = heads.author)
           FROM gallery_authors AS heads"""
    ).fetchall()
    missing: list[tuple[int, int]] = []
    for author, seq, count in rows:
        if count < seq:
            there = database.execute("SELECT seq FROM gallery_changes WHERE author = ?", (author,))
            numbers = set(range(1, seq + 1)) - {number for (number,) in there}
            missing += [(author, number) for number in sorted(numbers)]
    return tuple(missing)


def keep(
    database: Database,
    changes: Sequence[tuple[int, Change]],
    known: dict[bytes, Newest],
    unopened: Collection[bytes] = (),
) -> None:
    """Keep changes with their places in the log; what they replace loses its sealed parts.

    known: the newest versions before, which this brings up to date. unopened: entries that are not opened.
    """
    rows: dict[tuple[int, int], tuple[int, Change, bool]] = {}
    replaced: list[tuple[int, int]] = []
    moved: list[tuple[int, int, int]] = []
    for place, change in changes:
        key, before = (change.author, change.seq), known.get(change.entry_id)
        if change.kind is Kind.SEEN:
            rows[key] = (place, change, False)
            continue
        if before is not None and key == (before.author, before.seq):
            if key not in rows:
                moved.append((place, *key))
            continue
        is_newest = before is None or (not before.erased and before.version <= change.version)
        if before is not None and is_newest:
            former = (before.author, before.seq)
            if former in rows:
                rows[former] = (rows[former][0], rows[former][1].replaced(), False)
            else:
                replaced.append(former)
        rows[key] = (place, change, is_newest)
        if is_newest:
            unopened_now, erased = change.entry_id in unopened, change.kind is Kind.ERASE
            known[change.entry_id] = Newest(*key, change.version, unopened_now, erased)
    if changes:
        _bare(database, changes[0][1].gallery_id, replaced)
    _many(database, "UPDATE gallery_changes SET place = ? WHERE author = ? AND seq = ?", moved)
    _many(
        database,
        _INSERT,
        [_row(place, change, is_newest, unopened) for place, change, is_newest in rows.values()],
    )


def mark_opened(database: Database, entry_ids: Collection[bytes]) -> None:
    """Note that these entries are in the gallery now."""
    statement = "UPDATE gallery_changes SET unopened = 0 WHERE entry_id = ? AND newest"
    _many(database, statement, [(entry_id,) for entry_id in entry_ids])


def is_unopened(database: Database, entry_id: bytes) -> bool:
    """Whether an entry is there that cannot be used here, or whose erasure was shown and then held back."""
    statement = "SELECT 1 FROM gallery_changes WHERE entry_id = ? AND newest AND unopened AND NOT erases"
    return database.execute(statement, (entry_id,)).fetchone() is not None


def mark_unopened(database: Database, entry_id: bytes) -> None:
    """Note that an entry is not in the gallery here, and that nobody here erased it."""
    database.execute("UPDATE gallery_changes SET unopened = 1 WHERE entry_id = ? AND newest", (entry_id,))


def strip(database: Database, entry_id: bytes) -> None:
    """Take the sealed parts from the newest version of an entry that was erased here; it stays the newest."""
    row = database.execute(
        "SELECT author, seq, change FROM gallery_changes WHERE entry_id = ? AND newest", (entry_id,)
    ).fetchone()
    if row is None:
        return
    author, seq, data = row
    (roster,) = database.execute("SELECT roster FROM gallery_rosters ORDER BY epoch DESC LIMIT 1").fetchone()
    stub = change_message.decoded(Roster.parse(roster).gallery_id, data).replaced()
    database.execute(
        "UPDATE gallery_changes SET change = ? WHERE author = ? AND seq = ?",
        (change_message.encoded(stub), author, seq),
    )


def _bare(database: Database, gallery_id: bytes, keys: Sequence[tuple[int, int]]) -> None:
    """Take the sealed parts from rows that a newer version has replaced."""
    stubs = []
    for author, seq in keys:
        (data,) = database.execute(
            "SELECT change FROM gallery_changes WHERE author = ? AND seq = ?", (author, seq)
        ).fetchone()
        stub = change_message.encoded(change_message.decoded(gallery_id, data).replaced())
        stubs.append((stub, author, seq))
    statement = "UPDATE gallery_changes SET newest = 0, change = ? WHERE author = ? AND seq = ?"
    _many(database, statement, stubs)


def _row(place: int, change: Change, is_newest: bool, unopened: Collection[bytes]) -> tuple[Any, ...]:
    return (
        change.author,
        change.seq,
        place,
        change.entry_id,
        change.version,
        change.kind is Kind.ERASE,
        change.epoch,
        change.link,
        is_newest,
        is_newest and change.entry_id in unopened,
        change_message.encoded(change),
    )


def _many(database: Database, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    database.conn.executemany(statement, rows)
