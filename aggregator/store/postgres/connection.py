"""One connection to PostgreSQL for one thread, by asyncpg, as the store's functions use it.

The functions of the store run in a thread and wait for each statement; the connection has an event loop of
its own there, which runs while a statement is under way and at no other time.
"""

from __future__ import annotations

import asyncio
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
from aggregator.store.postgres.partitions import OTHERS, TELEMETRY, drop_parts, parts_of
from aggregator.store.postgres.statements import translated, with_organisation

T = TypeVar("T")
STATEMENT_S = 60.0
LOCK_MS = 500  # to drop a part that readers look at: devices wait meanwhile
MAX_PREPARED = 500

_BEGIN, _BEGIN_READING = "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_COMMIT = "COMMIT"
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
    What begins and ends transactions goes out with the next statement, since each would be a way there and
    back: a command through another worker had 23 of them, of which 10 are left.
    """

    def __init__(self, server: Server, *, read_only: bool = False, statement_s: float = STATEMENT_S) -> None:
        self._server = server
        self._read_only = read_only
        self._statement_s = statement_s
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
        self._unsent: list[str] = []
        self._begin_failed = False

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

    def drop_events(self, before_ns: int, *, telemetry: bool) -> bool:
        """Drop whole parts, unless readers hold them: then it is done with the next call."""
        if self.organisation:
            return False  # the parts are of all together
        self.run_script(f"SET LOCAL lock_timeout = {LOCK_MS}")
        parent = TELEMETRY if telemetry else OTHERS
        self._parts.difference_update(drop_parts(self.execute, parent, before_ns))
        return True

    def take_turn(self, device_ids: Collection[str] | None = None) -> None:
        """Wait for those who need the turn, and for those who write of the same devices.

        Whoever writes of some devices holds the lock with others, and these devices' rows, in one order.
        """
        if device_ids is None:
            self._unsent.append(f"SELECT pg_advisory_xact_lock({_TURN} + 256 * own_organisation())")
            self._turn = _Turn.WHOLE
            return
        self._unsent.append(f"SELECT pg_advisory_xact_lock_shared({_TURN} + 256 * own_organisation())")
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
        if self._depth:
            begin, end = f"SAVEPOINT level_{self._depth}", f"RELEASE SAVEPOINT level_{self._depth}"
        else:
            begin, end = _BEGIN_READING if self._read_only else _BEGIN, _COMMIT
        self._unsent.append(begin)
        self._depth += 1
        try:
            yield self
        except BaseException:
            self._depth -= 1
            self._undo(begin)
            raise
        self._depth -= 1
        if not self._never_sent(begin):
            self._unsent.append(end)
        if self._depth:
            return
        self._turn = _Turn.NONE
        made, self._new_parts = self._new_parts, set()
        if self._unsent:
            self._wait(self._opened())
        self._parts |= made

    def _undo(self, begin: str) -> None:
        sent, is_there = not self._never_sent(begin), not self._begin_failed
        if self._depth == 0:
            self._turn = _Turn.NONE
            self._begin_failed = False
            self._unsent.clear()
            self._new_parts.clear()
            self._parts.clear()  # it may have failed since another worker dropped one
        connection = self._connection
        if not sent or connection is None or connection.is_closed():
            return
        self._unsent.clear()
        if self._depth == 0:
            self.run_script("ROLLBACK")
        elif is_there:
            self.run_script(f"ROLLBACK TO {begin}")

    def _never_sent(self, begin: str) -> bool:
        """Tell whether a block has done nothing; forget it then."""
        if begin not in self._unsent:
            return False
        last = len(self._unsent) - 1 - self._unsent[::-1].index(begin)
        del self._unsent[last:]
        return True

    async def _execute(self, text: str, values: Sequence[Any]) -> PostgresRows:
        statement = await self._statement(text)
        rows = await statement.fetch(*values, timeout=self._statement_s)
        return PostgresRows(rows, statement.get_statusmsg() or "")

    async def _execute_many(self, text: str, rows: Sequence[Sequence[Any]]) -> None:
        await (await self._opened()).executemany(text, rows, timeout=self._statement_s)

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
        await statement.fetch(*zip(*rows, strict=True), timeout=self._statement_s)

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        connection = await self._opened()
        await connection.copy_records_to_table(
            table, records=rows, columns=columns, schema_name="aidpost", timeout=self._statement_s
        )

    async def _lock(self, device_ids: Sequence[str]) -> None:
        await (await self._statement(_LOCK_DEVICES)).fetch(device_ids, timeout=self._statement_s)

    async def _run_script(self, script: str) -> None:
        await (await self._opened()).execute(script, timeout=self._statement_s)

    async def _statement(self, text: str) -> Any:
        connection = await self._opened()
        if (known := self._prepared.get(text)) is None:
            if len(self._prepared) >= MAX_PREPARED:
                self._prepared.clear()
            known = self._prepared[text] = await connection.prepare(text)
        return known

    async def _opened(self) -> asyncpg.Connection:
        """Return the connection, once all that stands before the next statement has been done."""
        beginning = self._unsent[:1] in ([_BEGIN], [_BEGIN_READING])
        if self._connection is None or self._connection.is_closed():
            # Also before a COMMIT, which a new connection would take and do nothing of.
            if (self._depth or self._unsent) and not beginning:
                self._unsent.clear()
                raise asyncpg.ConnectionDoesNotExistError("lost within a transaction")
            self._prepared.clear()
            self._connection = await connect(self._server, read_only=self._read_only)
            # A sum of whole numbers is "numeric" there; here it is a number as on a file.
            await self._connection.set_type_codec(
                "numeric", encoder=str, decoder=_number, schema="pg_catalog", format="text"
            )
            self.organisation = await organisations.sign_in(self._connection)
        if self._unsent:
            script, self._unsent = "; ".join(self._unsent), []
            try:
                said = await self._connection.execute(script, timeout=self._statement_s)
            except BaseException:
                self._begin_failed = self._depth > 0  # savepoints of the script may not be there
                raise
            if script.endswith(_COMMIT) and said != _COMMIT:
                # What failed was caught within the block: PostgreSQL says ROLLBACK, and that it went well.
                raise asyncpg.InFailedSQLTransactionError("a statement of the transaction had failed")
        return self._connection

    def _wait(self, work: Any) -> Any:
        task = self._loop.create_task(work)
        try:
            return self._loop.run_until_complete(task)
        except FAULTS as error:
            raise store_error(self._server, error) from error
        except KeyboardInterrupt:
            self._give_up(task)
            raise

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        """Leave a statement whose answer nobody waits for, and the connection, which waits for it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
        task.cancel()
        self._loop.run_until_complete(asyncio.wait({task}, timeout=CONNECT_S))


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _alike(sql: str, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, list[list[Any]]]]:
    """Put rows together that have values and NULLs in the same places: they are one statement."""
    groups: dict[str, list[list[Any]]] = {}
    for row in rows:
        text, values = translated(sql, row)
        groups.setdefault(text, []).append(values)
    yield from groups.items()
