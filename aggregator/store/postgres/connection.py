"""One connection to PostgreSQL for one thread, by asyncpg, as the store's functions use it.

The functions of the store run in a thread and wait for each statement; the connection has an event loop of
its own there, which runs while a statement is under way and at no other time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, unique
from typing import Any, TypeVar

import asyncpg
import uvloop

from aggregator.store.errors import TurnNeeded
from aggregator.store.place import Server
from aggregator.store.port import Parameters
from aggregator.store.postgres import organisations
from aggregator.store.postgres.faults import FAULTS, store_error
from aggregator.store.postgres.hosts import CONNECT_S, connect
from aggregator.store.postgres.partitions import drop_telemetry, parts_of
from aggregator.store.postgres.statements import translated, with_organisation

T = TypeVar("T")
STATEMENT_S = 60.0
LOCK_MS = 500  # to drop a part that readers look at: devices wait meanwhile
MAX_PREPARED = 500

_TURN = 0x4149_4450_4F53_5402  # "AIDPOST", 2: of who writes
_LOCK_DEVICES = """
    SELECT 1 FROM devices WHERE device_id = ANY($1::text[]) ORDER BY device_id FOR NO KEY UPDATE"""
_TYPES = """
    SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped"""


@unique
class _Turn(Enum):
    """Who else may write while a transaction lasts: everybody, those of other devices, nobody."""

    NONE = "none"
    OF_DEVICES = "of devices"
    WHOLE = "whole"


class PostgresRows:
    """What a statement returned."""

    def __init__(self, rows: Sequence[Any], status: str) -> None:
        self._rows = iter(rows)
        # "INSERT 0 5", "UPDATE 5": the last word counts.
        words = status.split()
        self.rowcount = int(words[-1]) if words and words[-1].isdigit() else -1

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        return next(self, None)

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return tuple(next(self._rows))


class PostgresDatabase:
    """The `aggregator.store.port.Database` of a server. Raises StoreError kinds.

    A connection that is lost is opened anew with the next transaction; what was under way was not stored.
    """

    def __init__(self, server: Server, *, read_only: bool = False) -> None:
        self._server = server
        self._read_only = read_only
        self._loop = uvloop.new_event_loop()
        self._connection: asyncpg.Connection | None = None
        self._prepared: dict[str, Any] = {}
        self._parts: set[str] = set()
        self._new_parts: set[str] = set()
        self._insertions: dict[tuple[str, tuple[str, ...], str], str] = {}
        self.organisation = 0
        """Of the role that is signed in; 0 where the database is not shared, and for the tables' owner."""
        self._depth = 0
        self._turn = _Turn.NONE

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None and not self._connection.is_closed():
            self._wait(self._connection.close(timeout=CONNECT_S))
        self._loop.close()

    def execute(self, sql: str, parameters: Parameters = ()) -> PostgresRows:
        """Do one statement."""
        text, values = translated(sql, parameters)
        rows: PostgresRows = self._wait(self._execute(text, values))
        return rows

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do one statement for each row of parameters."""
        for text, group in _alike(sql, rows):
            self._wait(self._execute_many(text, group))

    def insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], on_conflict: str = ""
    ) -> None:
        """Insert rows, in their order, with one statement: by COPY where nothing can conflict."""
        if not rows:
            return
        if table == "events":
            self._make_parts(columns, rows)
        if on_conflict or self.organisation:  # nobody may COPY into a table of which he sees rows of his own
            self._wait(self._insert_many(table, columns, rows, on_conflict))
        else:
            # Of 1,600 events COPY took 1.4 us each here and 5.5 us at the server, arrays 7.6 and 8.5.
            self._wait(self._copy(table, columns, rows))

    def _make_parts(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        for parent, name, from_ns, to_ns in sorted(parts_of(columns, rows)):
            if name not in self._parts:
                self.execute("SELECT make_part(?, ?, ?, ?)", (parent, name, from_ns, to_ns))
                self._new_parts.add(name)

    def drop_telemetry(self, before_ns: int) -> bool:
        """Drop whole days, unless readers hold them: then it is done with the next call."""
        if self.organisation:
            return False  # the parts are of all together
        self.run_script(f"SET LOCAL lock_timeout = {LOCK_MS}")
        self._parts.difference_update(drop_telemetry(self.execute, before_ns))
        return True

    def take_turn(self, device_ids: Collection[str] | None = None) -> None:
        """Wait for those who need the turn, and for those who write of the same devices.

        Whoever writes of some devices holds the lock with others, and these devices' rows, in one order.
        """
        if device_ids is None:
            self.execute("SELECT pg_advisory_xact_lock(? + 256 * own_organisation())", (_TURN,))
            self._turn = _Turn.WHOLE
            return
        self.execute("SELECT pg_advisory_xact_lock_shared(? + 256 * own_organisation())", (_TURN,))
        self._turn = _Turn.OF_DEVICES
        self._wait(self._lock(sorted(device_ids)))

    def need_turn(self) -> None:
        """See to it that nobody else writes."""
        if self._turn is _Turn.OF_DEVICES:
            raise TurnNeeded
        if self._turn is _Turn.NONE and self._depth:
            self.take_turn()

    def run_script(self, script: str) -> None:
        """Do statements that take no parameters, as PostgreSQL writes them."""
        self._wait(self._run_script(script))

    def empty_log(self) -> bool:
        """The server keeps its log as it is set to: what that means for erasures is in docs/scaling.md."""
        return True

    @contextmanager
    def atomic(self) -> Iterator[object]:
        """Do all or nothing of what the block does."""
        savepoint = f"level_{self._depth}"
        if self._depth == 0:
            mode = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if self._read_only else ""
            self.run_script(f"BEGIN{mode}")
        else:
            self.run_script(f"SAVEPOINT {savepoint}")
        self._depth += 1
        try:
            yield self
        except BaseException:
            self._depth -= 1
            self._undo(savepoint)
            raise
        self._depth -= 1
        if self._depth:
            self.run_script(f"RELEASE SAVEPOINT {savepoint}")
            return
        self._turn = _Turn.NONE
        self.run_script("COMMIT")
        self._parts |= self._new_parts
        self._new_parts.clear()

    def _undo(self, savepoint: str) -> None:
        if self._depth == 0:
            self._turn = _Turn.NONE
            self._new_parts.clear()
            self._parts.clear()  # it may have failed since another worker dropped one
        connection = self._connection
        if connection is None or connection.is_closed():
            return
        back = "ROLLBACK" if self._depth == 0 else f"ROLLBACK TO SAVEPOINT {savepoint}"
        self.run_script(back)

    async def _execute(self, text: str, values: Sequence[Any]) -> PostgresRows:
        statement = await self._statement(text)
        rows = await statement.fetch(*values, timeout=STATEMENT_S)
        return PostgresRows(rows, statement.get_statusmsg() or "")

    async def _execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        await (await self._opened()).executemany(text, rows, timeout=STATEMENT_S)

    async def _insert_many(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], on_conflict: str
    ) -> None:
        key = (table, tuple(columns), on_conflict)
        if (text := self._insertions.get(key)) is None:
            types = dict(await (await self._opened()).fetch(_TYPES, table))
            arrays = ", ".join(f"${place}::{types[name]}[]" for place, name in enumerate(columns, 1))
            text = self._insertions[key] = (
                f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608
                f"SELECT * FROM unnest({arrays}) {with_organisation(on_conflict)}"
            )
        statement = await self._statement(text)
        await statement.fetch(*zip(*rows, strict=True), timeout=STATEMENT_S)

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        connection = await self._opened()
        await connection.copy_records_to_table(
            table, records=rows, columns=columns, schema_name="aidpost", timeout=STATEMENT_S
        )

    async def _lock(self, device_ids: Sequence[str]) -> None:
        await (await self._statement(_LOCK_DEVICES)).fetch(device_ids, timeout=STATEMENT_S)

    async def _run_script(self, script: str) -> None:
        await (await self._opened()).execute(script, timeout=STATEMENT_S)

    async def _statement(self, text: str) -> Any:
        connection = await self._opened()
        if (known := self._prepared.get(text)) is None:
            if len(self._prepared) >= MAX_PREPARED:
                self._prepared.clear()
            known = self._prepared[text] = await connection.prepare(text)
        return known

    async def _opened(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            if self._depth:
                raise asyncpg.ConnectionDoesNotExistError("lost within a transaction")
            self._prepared.clear()
            self._connection = await connect(self._server, read_only=self._read_only)
            # A sum of whole numbers is "numeric" there; here it is a number as on a file.
            await self._connection.set_type_codec(
                "numeric", encoder=str, decoder=_number, schema="pg_catalog", format="text"
            )
            self.organisation = await organisations.sign_in(self._connection)
        return self._connection

    def _wait(self, work: Any) -> Any:
        try:
            return self._loop.run_until_complete(work)
        except FAULTS as error:
            raise store_error(self._server, error) from error


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _alike(sql: str, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, list[list[Any]]]]:
    """Put rows together that have values and NULLs in the same places: they are one statement."""
    groups: dict[str, list[list[Any]]] = {}
    for row in rows:
        text, values = translated(sql, row)
        groups.setdefault(text, []).append(values)
    yield from groups.items()
