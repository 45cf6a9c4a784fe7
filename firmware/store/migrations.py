"""The store's tables, as named migrations; one transaction each, never changed afterwards."""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from firmware.store.errors import StoreNewer
from firmware.store.migrations_of_fleet import m017_boots_of_commands, m018_desired_state
from firmware.store.migrations_of_gallery import (
    m010_shared_gallery,
    m011_protected_templates,
    m012_ages,
    m014_adjudged,
    m016_tombstones,
    m019_erasures_seen,
    m021_registered,
    m022_entry_keys,
    m023_words,
    m024_told_ahead,
    m025_unlinked_rosters,
)
from firmware.store.migrations_of_telemetry import m020_telemetry
from firmware.store.migrations_of_work import (
    m007_work,
    m009_site,
    m013_closed_day,
    m015_tries_over_the_network,
)


def migrate(database: Database) -> None:
    """Bring the tables to this version; raises StoreNewer for a store of a later one."""
    unknown = [applied.name for applied in MIGRATIONS.applied(database) if applied.name not in _NAMES]
    if unknown:
        raise StoreNewer(
            f"a newer version of Aidpost wrote this store (change {unknown[-1]!r} is unknown here); "
            "install that version again"
        )
    MIGRATIONS.apply(database)


def is_pending(database: Database) -> bool:
    """Whether a store that has tables already would be changed."""
    return bool(MIGRATIONS.applied(database)) and bool(MIGRATIONS.pending(database))


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


def m003_device_and_chain(database: Database) -> None:
    """Bind the store to one device, chain its events, and keep the aggregator's receipts."""
    database.executescript("""
        -- link: the chain's value after last_seq. Both are filled in when the store is opened first.
        ALTER TABLE appliance ADD COLUMN device_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE appliance ADD COLUMN link BLOB NOT NULL DEFAULT x'';
        -- The aggregator's key, as it was seen first; empty before.
        ALTER TABLE appliance ADD COLUMN receipt_key BLOB NOT NULL DEFAULT x'';
        -- The chain's value after the event.
        ALTER TABLE records ADD COLUMN link BLOB NOT NULL DEFAULT x'';
        -- What the aggregator signed: the last one of each of its days.
        CREATE TABLE receipts (
            seq INTEGER PRIMARY KEY,
            server_ns INTEGER NOT NULL,
            signature BLOB NOT NULL,
            receipt_key BLOB NOT NULL
        ) STRICT;
        -- Telemetry that found no space and is not reported yet.
        ALTER TABLE appliance ADD COLUMN dropped_telemetry INTEGER NOT NULL DEFAULT 0;
        -- The moment of the last acknowledgement, and the uptime in earlier boots since.
        ALTER TABLE appliance ADD COLUMN synced BLOB NOT NULL DEFAULT x'';
        ALTER TABLE appliance ADD COLUMN unsynced_ns INTEGER NOT NULL DEFAULT 0;
        -- What the aggregator asked for: each is begun once, however often it is delivered.
        CREATE TABLE commands (
            command_id BLOB PRIMARY KEY CHECK (length(command_id) = 16),
            kind TEXT NOT NULL,
            done INTEGER NOT NULL DEFAULT 0
        ) STRICT, WITHOUT ROWID;
    """)


def m004_failed_attempts(database: Database) -> None:
    """Keep with each entry how often check-ins under its subject failed in a row (MessagePack, or empty)."""
    database.execute("ALTER TABLE gallery ADD COLUMN attempts BLOB NOT NULL DEFAULT x''")


def m005_epochs_and_lease(database: Database) -> None:
    """Let a store go on from a former one; count the lease."""
    database.executescript("""
        -- What the first audit row is chained to: the epoch of the store in which the log began.
        ALTER TABLE appliance ADD COLUMN chain_epoch BLOB CHECK (length(chain_epoch) = 16);
        -- The audit row that began this epoch, 0 in the store in which the log began.
        ALTER TABLE appliance ADD COLUMN epoch_began_at INTEGER NOT NULL DEFAULT 0;
        -- One row: how long the appliance has gone without the aggregator.
        CREATE TABLE lease (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            used BLOB NOT NULL
        ) STRICT;
    """)


def m006_lanes(database: Database) -> None:
    """Say of each event that waits which lane and kind it is of; key the digests of what matched."""
    database.executescript("""
        ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT 'results';
        ALTER TABLE outbox ADD COLUMN kind TEXT NOT NULL DEFAULT '';
        CREATE INDEX waiting_registrations ON outbox (kind) WHERE kind = 'registration';
        -- Keys the digests of what matched; 32 bytes, or empty before the first.
        ALTER TABLE appliance ADD COLUMN input_key BLOB NOT NULL DEFAULT x'';
    """)


def m008_page_certificate(database: Database) -> None:
    """Keep under which key and certificate tablets find the operator page; empty before the first."""
    database.executescript("""
        ALTER TABLE appliance ADD COLUMN page_key BLOB NOT NULL DEFAULT x'';
        ALTER TABLE appliance ADD COLUMN page_certificate BLOB NOT NULL DEFAULT x'';
    """)


_STEPS = (
    m001_records_outbox_audit_gallery,
    m002_generation_of_hellos,
    m003_device_and_chain,
    m004_failed_attempts,
    m005_epochs_and_lease,
    m006_lanes,
    m007_work,
    m008_page_certificate,
    m009_site,
    m010_shared_gallery,
    m011_protected_templates,
    m012_ages,
    m013_closed_day,
    m014_adjudged,
    m015_tries_over_the_network,
    m016_tombstones,
    m017_boots_of_commands,
    m018_desired_state,
    m019_erasures_seen,
    m020_telemetry,
    m021_registered,
    m022_entry_keys,
    m023_words,
    m024_told_ahead,
    m025_unlinked_rosters,
)
_NAMES = frozenset(step.__name__ for step in _STEPS)
MIGRATIONS = Migrations("aidpost-store")
for _step in _STEPS:
    MIGRATIONS()(_step)
