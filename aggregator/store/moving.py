"""Moves what a store's file holds to an empty store on a server, and compares the two.

Each batch of rows is one transaction, which also counts it: a move that was broken off goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import msgspec

from aggregator.store import administration
from aggregator.store.errors import MoveRefused
from aggregator.store.migrations import MOVED_APPLICATION_ID
from aggregator.store.port import Database

BATCH_ROWS = 2_000
"""With a face's sealed template in each, 30 MB in memory."""

OnRows: TypeAlias = Callable[["Table", int], None]
"""Told of so many more rows of a table."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file. key: columns of its primary key; counts: whether that is a number it gives out."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    counts: bool
    rows: int


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows, and SHA-256 over them in the order of their key."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Compared:
    """One table on both sides."""

    table: str
    there: Sum
    here: Sum


def tables(source: Database) -> tuple[Table, ...]:
    """Return the tables of a file, each after those that it refers to."""
    names = [
        name
        for (name,) in source.execute(
            r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite\_%' ESCAPE '\'"
        )
    ]
    refers = {
        name: sorted({row[2] for row in source.execute(f"PRAGMA foreign_key_list({name})")})
        for name in sorted(names)
    }
    return tuple(_table(source, name) for name in TopologicalSorter(refers).static_order())


def begin(target: Database, of: Sequence[Table]) -> None:
    """See to it that the store is empty, or is being filled already. Raises MoveRefused."""
    with target.atomic():
        if _is_begun(target):
            return
        for table in of:
            if target.execute(f"SELECT 1 FROM {table.name} LIMIT 1").fetchone() is not None:  # noqa: S608
                raise MoveRefused(
                    "the database is an aggregator's store already: name an empty one, made with createdb"
                )
        target.execute("CREATE TABLE moving (name TEXT PRIMARY KEY, held BIGINT NOT NULL)")
        for table in of:
            target.execute("INSERT INTO moving VALUES (?, 0)", (table.name,))


def copy(source: Database, target: Database, table: Table, tell: OnRows) -> None:
    """Copy the rows of a table that are not there yet. Raises MoveRefused."""
    (held,) = target.execute("SELECT held FROM moving WHERE name = ?", (table.name,)).fetchone()
    tell(table, held)
    for batch in _batches(source, table, held):
        with target.atomic():
            # Another one that fills the same tables has counted on, and only one of the two goes on.
            counted = target.execute(
                "UPDATE moving SET held = held + ? WHERE name = ? AND held = ?",
                (len(batch), table.name, held),
            )
            if counted.rowcount != 1:
                raise MoveRefused("another move to this database is under way: wait for it")
            target.insert_many(table.name, table.columns, batch)
        held += len(batch)
        tell(table, len(batch))


def compare(source: Database, target: Database, table: Table, tell: OnRows) -> Compared:
    """Count and add up a table on both sides."""
    there = _sum(source, table)
    with target.atomic():
        here = _sum(target, table)
    tell(table, table.rows)
    return Compared(table.name, there, here)


def finish(source: Database, target: Database, table: Table) -> None:
    """Let the target give out numbers from where the file had come to."""
    if not table.counts:
        return
    (number,) = target.execute(f"SELECT max({table.key[0]}) FROM {table.name}").fetchone()  # noqa: S608
    if _has_sequences(source):
        given = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        number = max(number or 0, given[0] if given else 0)
    if number:
        target.execute(
            "SELECT setval(CAST(pg_get_serial_sequence(?, ?) AS regclass), ?)",
            (table.name, table.key[0], number),
        )


def leave(source: Database, to: str, now_ns: int) -> None:
    """Mark the file as moved: nobody opens it as a store any more. It is otherwise as it was."""
    source.execute("CREATE TABLE moved (place TEXT NOT NULL, at_ns INTEGER NOT NULL) STRICT")
    source.execute("INSERT INTO moved VALUES (?, ?)", (to, now_ns))
    source.execute(f"PRAGMA application_id = {MOVED_APPLICATION_ID}")


def open_to_others(target: Database, came_from: str, now_ns: int, actor: str) -> bool:
    """Let servers open the store, and write that into its audit log; False: it was done before."""
    with target.atomic():
        if not _is_begun(target):
            return False
        target.execute("DROP TABLE moving")
        administration.append(target, now_ns, actor, "store moved", came_from)
        return True


def _table(source: Database, name: str) -> Table:
    columns = source.execute(f"PRAGMA table_info({name})").fetchall()
    key = tuple(row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5])
    (rows,) = source.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608
    kinds = {row[1]: row[2] for row in columns}
    counts = len(key) == 1 and kinds[key[0]] == "INTEGER"
    return Table(name, tuple(row[1] for row in columns), key, counts, rows)


def _batches(db: Database, table: Table, offset: int = 0) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows in the order of their key, after the first so many."""
    key = ", ".join(table.key)
    chosen = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608
    ordered = f"ORDER BY {key} LIMIT {BATCH_ROWS}"
    after = f"{chosen} WHERE ({key}) > ({', '.join('?' * len(table.key))}) {ordered}"
    places = [table.columns.index(column) for column in table.key]
    batch = db.execute(f"{chosen} {ordered} OFFSET ?", (offset,)).fetchall()
    while batch:
        yield batch
        batch = db.execute(after, [batch[-1][place] for place in places]).fetchall()


def _sum(db: Database, table: Table) -> Sum:
    digest, count = hashlib.sha256(), 0
    for batch in _batches(db, table):
        digest.update(b"".join(map(msgspec.msgpack.encode, batch)))
        count += len(batch)
    return Sum(count, digest.hexdigest())


def _is_begun(target: Database) -> bool:
    (begun,) = target.execute("SELECT to_regclass('moving') IS NOT NULL").fetchone()
    return bool(begun)


def _has_sequences(source: Database) -> bool:
    return source.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone() is not None
