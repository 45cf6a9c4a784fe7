"""Reads the rows of a store's file that can be read, and counts those that cannot.

SQLCipher checks each page's HMAC as it reads it, and a connection that met a bad page reads nothing more. So
ranges of keys are halved until the rows beside a bad page are had, with a new connection after each failure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from firmware.store.connection import connect, is_damage, translated
from trust.keys.secret import SecretKey

SPARE = 1000  # keys tried past the highest that is known, where the table does not say
# A failure costs some 5 ms for the new connection. After so many keys in a row that failed, a range is given
# up when its ends and its middle fail too: what a whole table's damage costs is then below a second.
RUN = 32


class RangeReader:
    """One file, opened for reading alone. Close it, or use it as a context manager."""

    def __init__(self, path: Path, key: SecretKey) -> None:
        """key: stays the caller's, and open as long as this is."""
        self._path = path
        self._key = key
        self._connection: Any = None

    def knows_its_tables(self) -> bool:
        """Whether the page that names them can be read."""
        return bool(self._query("SELECT name FROM sqlite_schema"))

    def tables(self) -> frozenset[str]:
        """Return the names of the tables, as far as they can be read."""
        rows = self._query("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return frozenset(name for (name,) in rows or ())

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns, as far as they can be read."""
        return frozenset(
            name for (name,) in self._query("SELECT name FROM pragma_table_info(?)", table) or ()
        )

    def only_row(self, table: str) -> dict[str, Any] | None:
        """Return a table's only row by column, None when it cannot be read."""
        columns = self._query("SELECT name FROM pragma_table_info(?)", table)
        rows = self._query(f"SELECT * FROM {table}")  # noqa: S608
        return (
            {name: value for (name,), value in zip(columns, rows[0], strict=True)}
            if rows and columns
            else None
        )

    def rows(
        self, table: str, key: str, columns: str, *, at_least: int = 0
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Return (key, columns...) of the rows in order of their integer key, and about how many were lost.

        at_least: the highest key that is known of from elsewhere.
        """
        query = f"SELECT {key}, {columns} FROM {table} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"  # noqa: S608
        highest = self._query(f"SELECT max({key}) FROM {table}")  # noqa: S608
        last = max(highest[0][0] or 0, at_least) if highest else at_least + SPARE
        found: list[tuple[Any, ...]] = []
        failed: list[tuple[int, int]] = []
        run = 0
        ranges = [(1, last)] if last else []
        while ranges:
            low, high = ranges.pop()
            middle = (low + high) // 2
            rows = self._query(query, low, high)
            if rows is not None:
                found += rows
                run = 0
            elif low == high or (
                run >= RUN and all(self._query(query, at, at) is None for at in (low, middle, high))
            ):
                failed.append((low, high))
                run += high - low + 1
            else:
                ranges += [(middle + 1, high), (low, middle)]
        known = max(at_least, found[-1][0] if found else 0)
        lost = sum(min(high, known) - low + 1 for low, high in failed if low <= known)
        # Where the end of the table is on a bad page, at least one row was there.
        return found, lost + any(high > known for _, high in failed)

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _query(self, query: str, *parameters: int | str) -> list[tuple[Any, ...]] | None:
        with translated(self._path):
            try:
                if self._connection is None:
                    self._connection = connect(self._path, self._key, read_only=True)
                    # Otherwise SQLite refuses a file that is shorter than its header says, altogether.
                    self._connection.execute("PRAGMA writable_schema = ON")
                rows: list[tuple[Any, ...]] = self._connection.execute(query, parameters).fetchall()
            except Exception as error:
                self.close()
                if not is_damage(error):
                    raise
                return None
            return rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
