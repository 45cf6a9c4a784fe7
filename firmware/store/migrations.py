"""The store's tables, as named migrations; one transaction each, never changed afterwards."""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from firmware.store.errors import StoreNewer


def migrate(database: Database) -> None:
    """Bring the tables to this version; raises StoreNewer for a store of a later one."""
    unknown = [applied.name for applied in MIGRATIONS.applied(database) if applied.name not in _NAMES]
    if unknown:
        raise StoreNewer(
            f"a newer version of Aidpost wrote this store (change {unknown[-1]!r} is unknown here); "
            "install that version again"
        )
    MIGRATIONS.apply(database)


def m001_records_outbox_audit_gallery(database: Database) -> None:
    """Make the first tables."""
    database.executescript("""
        -- One row: who this store is, and how far it has counted.
        CREATE TABLE appliance (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            epoch BLOB NOT NULL CHECK (length(epoch) = 16),
            site TEXT NOT NULL,
            purpose TEXT NOT NULL,
            last_seq INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        -- What happened, one MessagePack event a row, until some time after its acknowledgement.
        CREATE TABLE records (
            seq INTEGER PRIMARY KEY,
            event BLOB NOT NULL
        ) STRICT;
        -- Which records the aggregator does not hold yet.
        CREATE TABLE outbox (
            seq INTEGER PRIMARY KEY REFERENCES records (seq)
        ) STRICT;
        -- When everything up to seq was acknowledged.
        CREATE TABLE acknowledgements (
            seq INTEGER PRIMARY KEY,
            moment BLOB NOT NULL
        ) STRICT;
        CREATE TABLE audit (
            number INTEGER PRIMARY KEY,
            entry BLOB NOT NULL,
            chain BLOB NOT NULL CHECK (length(chain) = 32)
        ) STRICT;
        CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
        CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
        CREATE TABLE gallery (
            number INTEGER PRIMARY KEY,
            entry_id BLOB NOT NULL UNIQUE CHECK (length(entry_id) = 16),
            subject TEXT NOT NULL
        ) STRICT;
        CREATE INDEX gallery_by_subject ON gallery (subject);
        CREATE TABLE templates (
            entry INTEGER NOT NULL REFERENCES gallery (number) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            template BLOB NOT NULL,
            PRIMARY KEY (entry, position)
        ) STRICT, WITHOUT ROWID;
    """)


def m002_generation_of_hellos(database: Database) -> None:
    """Count the hellos to the aggregator, so that a copied card shows."""
    database.execute("ALTER TABLE appliance ADD COLUMN generation INTEGER NOT NULL DEFAULT 0")


_STEPS = (m001_records_outbox_audit_gallery, m002_generation_of_hellos)
_NAMES = frozenset(step.__name__ for step in _STEPS)
MIGRATIONS = Migrations("aidpost-store")
for _step in _STEPS:
    MIGRATIONS()(_step)
