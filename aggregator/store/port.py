"""What the functions of the store need of a database: the one interface that its engines have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

Parameters: TypeAlias = "Sequence[Any] | dict[str, Any]"


class Rows(Protocol):
    """What a statement returned. Values are int, float, str, bytes or None."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""

    def fetchone(self) -> Any:
        """Return the next row, a tuple, and None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the rows that are left."""


class Database(Protocol):
    """One connection, for one thread. SQL is what SQLite and PostgreSQL both take; a fault is a StoreError.

    Parameters stand as ? in order, or as :name.
    """

    def execute(self, sql: str, parameters: Parameters = ()) -> Rows:
        """Do one statement."""

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do one statement for each row of parameters; it returns nothing."""

    def insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], on_conflict: str = ""
    ) -> None:
        """Insert rows, in their order; on_conflict: ON CONFLICT and what follows it, for all rows."""

    def drop_events(self, before_ns: int, *, telemetry: bool) -> bool:
        """Drop the parts of events that ended before then: of telemetry days, of all others months.

        False where they are not kept in parts: each has to be deleted.
        """

    def take_turn(self, device_ids: Collection[str] | None = None) -> None:
        """Begin a transaction: nobody else writes until it ends, so that what is read stays true.

        device_ids: where others may write of other devices meanwhile, of which this one writes.
        """

    def need_turn(self) -> None:
        """Raise TurnNeeded in a transaction that has taken its turn for some devices alone."""

    def empty_log(self) -> bool:
        """See to it that what was replaced is not kept in a log beside the tables; False: try again later."""

    def atomic(self) -> AbstractContextManager[object]:
        """Do all or nothing of what the block does; a block within one is a part of it."""
