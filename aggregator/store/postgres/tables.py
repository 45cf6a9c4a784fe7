"""Makes the store's tables in a PostgreSQL database: the same steps as for SQLite, in its own words.

What SQLite has and PostgreSQL has not, and the store's functions use, is made here as functions and an
operator of the store's own schema, so that each statement is written once for both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlite_utils import Database as Sqlite

from aggregator.store.errors import StoreNotOurs, StoreTooNew, StoreUnavailable
from aggregator.store.migrations import migrations
from aggregator.store.port import Parameters
from aggregator.store.postgres import organisations
from aggregator.store.postgres.connection import PostgresDatabase, PostgresRows
from aggregator.store.postgres.partitions import create_events
from aggregator.store.postgres.statements import table_words

SCHEMA = "aidpost"
_LOCK = 0x4149_4450_4F53_5401  # "AIDPOST", 1: of migrations

_FUNCTIONS = r"""
CREATE SCHEMA IF NOT EXISTS aidpost;
CREATE TABLE IF NOT EXISTS aidpost.steps (name TEXT COLLATE "C" PRIMARY KEY, applied_ns BIGINT NOT NULL);

CREATE OR REPLACE FUNCTION aidpost.clock_ns() RETURNS BIGINT
    VOLATILE LANGUAGE SQL AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint';
CREATE OR REPLACE FUNCTION aidpost.max(BIGINT, BIGINT) RETURNS BIGINT
    IMMUTABLE PARALLEL SAFE LANGUAGE SQL AS 'SELECT greatest($1, $2)';
CREATE OR REPLACE FUNCTION aidpost.min(BIGINT, BIGINT) RETURNS BIGINT
    IMMUTABLE PARALLEL SAFE LANGUAGE SQL AS 'SELECT least($1, $2)';
CREATE OR REPLACE FUNCTION aidpost.json_each(document TEXT) RETURNS TABLE (value TEXT)
    IMMUTABLE PARALLEL SAFE LANGUAGE SQL AS 'SELECT json_array_elements_text(document::json)';
CREATE OR REPLACE FUNCTION aidpost.json_member(document TEXT, name TEXT) RETURNS TEXT
    IMMUTABLE PARALLEL SAFE LANGUAGE SQL AS 'SELECT document::json ->> name';
CREATE OR REPLACE FUNCTION aidpost.json_item(document TEXT, place BIGINT) RETURNS TEXT
    IMMUTABLE PARALLEL SAFE LANGUAGE SQL AS 'SELECT document::json ->> place::int';
CREATE OR REPLACE FUNCTION aidpost.json_array(TEXT[]) RETURNS TEXT
    IMMUTABLE PARALLEL SAFE LANGUAGE SQL AS 'SELECT array_to_json($1)::text';
CREATE OR REPLACE AGGREGATE aidpost.json_group_array(TEXT) (
    SFUNC = array_append, STYPE = TEXT[], INITCOND = '{}', FINALFUNC = aidpost.json_array);
CREATE OR REPLACE FUNCTION aidpost.append_only() RETURNS TRIGGER LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''the audit log is append-only''; END';

DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_operator WHERE oprname = '->>' AND oprnamespace = 'aidpost'::regnamespace
    ) THEN
        CREATE OPERATOR aidpost.->> (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = aidpost.json_member);
        CREATE OPERATOR aidpost.->> (LEFTARG = TEXT, RIGHTARG = BIGINT, FUNCTION = aidpost.json_item);
    END IF;
END $$;
"""

_TRIGGER = re.compile(
    r"CREATE TRIGGER (\w+) BEFORE (UPDATE|DELETE) ON (\w+)\s+BEGIN SELECT RAISE.*", re.DOTALL
)


NO_ROWS = PostgresRows((), "")


class _Making:
    """A database whose statements make tables; new: it holds nothing yet that a step could change."""

    def __init__(self, db: PostgresDatabase, *, new: bool) -> None:
        self._db = db
        self._new = new

    def execute(self, sql: str, parameters: Parameters = ()) -> PostgresRows:
        """Do one step's statement in PostgreSQL's words."""
        words = sql.split(None, 1)[0].upper()
        if words == "PRAGMA":
            return NO_ROWS  # SQLite's own; the schema tells this store from others
        if (trigger := _TRIGGER.match(sql.strip())) is not None:
            name, event, table = trigger.groups()
            self._db.run_script(
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} EXECUTE FUNCTION aidpost.append_only()"
            )
            return NO_ROWS
        if "CREATE TABLE events (" in sql:
            self._db.run_script(create_events(sql))
            return NO_ROWS
        if "CREATE INDEX events_of_" in sql:
            return NO_ROWS  # they are in parts by time
        if words in ("CREATE", "ALTER", "DROP"):
            self._db.run_script(table_words(sql))
            return NO_ROWS
        return NO_ROWS if self._new else self._db.execute(sql, parameters)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Do one statement for each row."""
        self._db.execute_many(sql, rows)

    def atomic(self) -> AbstractContextManager[object]:
        """Do all or nothing."""
        return self._db.atomic()


def migrate(db: PostgresDatabase) -> list[str]:
    """Make or change the tables, one step in one transaction; returns the steps that were done.

    Workers that start together wait for each other. Raises StoreTooNew, StoreNotOurs and StoreError.
    """
    done: list[str] = []
    if db.execute("SELECT 1").fetchone() and db.organisation:
        _check_done(db)
        return done
    with db.atomic():
        db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
        _check_ours(db)
        db.run_script(_FUNCTIONS)
        db.run_script(organisations.FUNCTIONS)
        check_not_newer(db)
        new = db.execute("SELECT 1 FROM steps LIMIT 1").fetchone() is None
    for step in _steps():
        with db.atomic():
            db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            if db.execute("SELECT 1 FROM steps WHERE name = ?", (step.name,)).fetchone() is None:
                step.fn(_Making(db, new=new))
                db.execute("INSERT INTO steps VALUES (?, ?)", (step.name, time.time_ns()))
                done.append(step.name)
    with db.atomic():
        db.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
        organisations.divide(db, db.run_script)
    return done


def check_alone(db: PostgresDatabase) -> None:
    """Raise StoreUnavailable for the owner of tables that organisations share: he would mix their rows."""
    if not db.organisation and organisations.are_there(db):
        raise StoreUnavailable(
            "the database is shared by organisations, and its tables are as this version has them: "
            "name the role of an organisation in --store"
        )


def _check_done(db: PostgresDatabase) -> None:
    check_not_newer(db)
    applied = {name for (name,) in db.execute("SELECT name FROM aidpost.steps")}
    if any(step.name not in applied for step in _steps()):
        raise StoreUnavailable(
            "the store was made by an earlier version, and the role of an organisation changes no tables: "
            "run `aidpost-aggregator serve` of this version once as their owner"
        )


def check_not_newer(db: PostgresDatabase) -> None:
    """Raise StoreTooNew when the store has had a step that this version does not know."""
    known = {step.name for step in _steps()}
    applied = [name for (name,) in db.execute("SELECT name FROM aidpost.steps ORDER BY applied_ns")]
    if unknown := [name for name in applied if name not in known]:
        raise StoreTooNew(
            f"the store was changed by a later version ({', '.join(unknown)}): "
            "install that version again, or restore a copy made before it"
        )


def check_whole(db: PostgresDatabase) -> None:
    """Raise StoreUnavailable while a file's content is being moved here, or that was broken off."""
    (moving,) = db.execute(f"SELECT to_regclass('{SCHEMA}.moving') IS NOT NULL").fetchone()
    if moving:
        raise StoreUnavailable(
            "a store is being moved to this database and is not whole yet: "
            "wait for `aidpost-aggregator migrate`, or run it again if it was broken off"
        )


def _steps() -> list[Any]:
    memory = Sqlite(memory=True, execute_plugins=False)
    try:
        return list(migrations.pending(memory))
    finally:
        memory.close()


def _check_ours(db: PostgresDatabase) -> None:
    (encoding,) = db.execute("SELECT current_setting('server_encoding')").fetchone()
    if encoding != "UTF8":  # others lack letters, which is found with the first name that has them
        raise StoreNotOurs(
            f"the database is encoded in {encoding}: make one with createdb -T template0 -E UTF8"
        )
    (ours,) = db.execute("SELECT count(*) FROM pg_namespace WHERE nspname = ?", (SCHEMA,)).fetchone()
    (tables,) = db.execute(
        "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    ).fetchone()
    if not ours and tables:
        raise StoreNotOurs("the database has tables of another program: make an empty one with createdb")
