"""The store's tables, as named migrations; sqlite-utils runs each in one transaction."""

from __future__ import annotations

from contextlib import closing

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from aggregator.store import (
    migrations_of_accounts,
    migrations_of_alerts,
    migrations_of_diagnostics,
    migrations_of_fleet,
    migrations_of_rollouts,
    migrations_of_streams,
    migrations_of_telemetry,
)
from aggregator.store.errors import StoreTooNew

APPLICATION_ID = 0x41696470  # "Aidp": tells the store from any other SQLite file
MOVED_APPLICATION_ID = 0x4169644D  # "AidM": was moved to a server; earlier versions take it for no store

migrations = Migrations("aidpost-aggregator")


@migrations()
def m0001_devices_and_events(db: Database) -> None:
    """Devices, their outboxes, events, refused second versions, and outcomes counted by day."""
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("""
        CREATE TABLE devices (
            device_id TEXT PRIMARY KEY,
            site TEXT NOT NULL,
            software_version TEXT NOT NULL,
            first_seen_ns INTEGER NOT NULL,
            last_seen_ns INTEGER NOT NULL
        ) STRICT""")
    db.execute("""
        CREATE TABLE outboxes (
            outbox INTEGER PRIMARY KEY,
            device_id TEXT NOT NULL REFERENCES devices,
            epoch BLOB NOT NULL,
            acked_seq INTEGER NOT NULL DEFAULT 0,
            top_seq INTEGER NOT NULL DEFAULT 0,
            held INTEGER NOT NULL DEFAULT 0,
            disputed_ns INTEGER,
            UNIQUE (device_id, epoch)
        ) STRICT""")
    # UNIQUE (outbox, seq) is the key (device_id, epoch, seq) at 3 to 10 bytes instead of 40.
    db.execute("""
        CREATE TABLE events (
            arrival INTEGER PRIMARY KEY,
            outbox INTEGER NOT NULL REFERENCES outboxes,
            seq INTEGER NOT NULL,
            kind TEXT NOT NULL,
            received_ns INTEGER NOT NULL,
            boot_id BLOB NOT NULL,
            monotonic_ns INTEGER NOT NULL,
            wall_ns INTEGER NOT NULL,
            clock_quality TEXT NOT NULL,
            record_id BLOB,
            entry_id BLOB,
            outcome TEXT,
            mode TEXT,
            tries INTEGER,
            score_llr REAL,
            threshold_llr REAL,
            reason TEXT,
            details TEXT NOT NULL,
            content BLOB NOT NULL,
            UNIQUE (outbox, seq)
        ) STRICT""")
    db.execute("CREATE INDEX device_faults ON events (outbox) WHERE kind = 'device_fault'")
    db.execute("""
        CREATE TABLE conflicts (
            outbox INTEGER NOT NULL REFERENCES outboxes,
            seq INTEGER NOT NULL,
            content BLOB NOT NULL,
            received_ns INTEGER NOT NULL,
            PRIMARY KEY (outbox, seq, content)
        ) STRICT, WITHOUT ROWID""")
    db.execute("""
        CREATE TABLE tallies (
            day TEXT NOT NULL,
            outcome TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (day, outcome)
        ) STRICT, WITHOUT ROWID""")


@migrations()
def m0002_identities(db: Database) -> None:
    """Claims, the keys and certificates of devices, people, and the audit log of administration."""
    db.execute("""
        CREATE TABLE claims (
            claim INTEGER PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE,
            site TEXT NOT NULL,
            made_ns INTEGER NOT NULL,
            ends_ns INTEGER NOT NULL,
            used_by BLOB
        ) STRICT""")
    db.execute("""
        CREATE TABLE enrolments (
            enrolment INTEGER PRIMARY KEY,
            device_id TEXT NOT NULL,
            site TEXT NOT NULL,
            public_key BLOB NOT NULL,
            claim INTEGER REFERENCES claims,
            state TEXT NOT NULL,
            requested_ns INTEGER NOT NULL,
            collect_until_ns INTEGER NOT NULL DEFAULT 0,
            generation INTEGER NOT NULL DEFAULT 0,
            instance BLOB,
            UNIQUE (device_id, public_key)
        ) STRICT""")
    db.execute("""
        CREATE TABLE certificates (
            serial BLOB PRIMARY KEY,
            enrolment INTEGER NOT NULL REFERENCES enrolments,
            ends_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""")
    db.execute("CREATE INDEX certificates_of ON certificates (enrolment)")
    db.execute("""
        CREATE TABLE people (
            name TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            serial BLOB NOT NULL,
            ends_ns INTEGER NOT NULL,
            removed_ns INTEGER
        ) STRICT""")
    db.execute("""
        CREATE TABLE administration (
            number INTEGER PRIMARY KEY,
            at_ns INTEGER NOT NULL,
            actor TEXT NOT NULL,
            act TEXT NOT NULL,
            subject TEXT NOT NULL,
            chain BLOB NOT NULL
        ) STRICT""")
    for change in ("UPDATE", "DELETE"):
        db.execute(f"""
            CREATE TRIGGER administration_no_{change.lower()} BEFORE {change} ON administration
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""")


@migrations()
def m0003_chain_and_commands(db: Database) -> None:
    """The devices' hash chains, how far each outbox has counted, and what operators ask of devices."""
    # told_seq: how far the outbox has counted, by its newest hello. chain_seq, chain_head: how far the chain
    # was computed, and its value there. claimed_seq: the last number at which it was as the device said.
    for column in (
        "told_seq INTEGER NOT NULL DEFAULT 0",
        "chain_seq INTEGER NOT NULL DEFAULT 0",
        "chain_head BLOB",
        "claimed_seq INTEGER NOT NULL DEFAULT 0",
    ):
        db.execute(f"ALTER TABLE outboxes ADD COLUMN {column}")
    # What devices said of their chain above a gap, until the gap closes.
    db.execute("""
        CREATE TABLE chain_claims (
            outbox INTEGER NOT NULL REFERENCES outboxes,
            seq INTEGER NOT NULL,
            head BLOB NOT NULL,
            PRIMARY KEY (outbox, seq)
        ) STRICT, WITHOUT ROWID""")
    # One of these events is not the one that the device chained.
    db.execute("""
        CREATE TABLE chain_breaks (
            outbox INTEGER NOT NULL REFERENCES outboxes,
            first_seq INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            noticed_ns INTEGER NOT NULL,
            PRIMARY KEY (outbox, first_seq)
        ) STRICT, WITHOUT ROWID""")
    db.execute("""
        CREATE TABLE commands (
            command_id BLOB PRIMARY KEY CHECK (length(command_id) = 16),
            device_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            asked_by TEXT NOT NULL,
            asked_ns INTEGER NOT NULL,
            expires_ns INTEGER NOT NULL,
            delivered_ns INTEGER,
            outcome TEXT,
            detail TEXT,
            done_ns INTEGER
        ) STRICT, WITHOUT ROWID""")
    db.execute("CREATE INDEX commands_due ON commands (expires_ns) WHERE outcome IS NULL")


@migrations()
def m0004_claims_of_one_device(db: Database) -> None:
    """A claim is bound to a device's name too, not to its key alone."""
    db.execute("ALTER TABLE claims ADD COLUMN used_by_device TEXT")
    # With several names under one key the first to use the code keeps it.
    db.execute("""
        UPDATE claims SET used_by_device = (
            SELECT device_id FROM enrolments
            WHERE enrolments.claim = claims.claim AND enrolments.public_key = claims.used_by
            ORDER BY requested_ns LIMIT 1)
        WHERE used_by IS NOT NULL""")


@migrations()
def m0005_galleries(db: Database) -> None:
    """Sealed galleries: cards, rosters, the log of changes, and how far each device holds it."""
    db.execute("""
        CREATE TABLE gallery_cards (
            device_id TEXT PRIMARY KEY,
            site TEXT NOT NULL,
            card BLOB NOT NULL,
            published_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""")
    db.execute("""
        CREATE TABLE galleries (
            gallery INTEGER PRIMARY KEY,
            gallery_id BLOB NOT NULL UNIQUE CHECK (length(gallery_id) = 16),
            site TEXT NOT NULL,
            purpose TEXT NOT NULL,
            custodian TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            edition INTEGER NOT NULL,
            version INTEGER NOT NULL DEFAULT 0,
            UNIQUE (site, purpose, custodian)
        ) STRICT""")
    # The newest roster of each key under which entries are sealed.
    db.execute("""
        CREATE TABLE gallery_rosters (
            gallery INTEGER NOT NULL REFERENCES galleries,
            epoch INTEGER NOT NULL,
            roster BLOB NOT NULL,
            PRIMARY KEY (gallery, epoch)
        ) STRICT, WITHOUT ROWID""")
    # newest: the newest version of the entry. change: its message; replaced: what that becomes once a newer
    # version comes, the same without its sealed parts.
    db.execute("""
        CREATE TABLE gallery_log (
            gallery INTEGER NOT NULL REFERENCES galleries,
            version INTEGER NOT NULL,
            author INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            entry_id BLOB NOT NULL,
            entry_version INTEGER NOT NULL,
            erases INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            link BLOB NOT NULL,
            newest INTEGER NOT NULL,
            change BLOB NOT NULL,
            replaced BLOB NOT NULL,
            received_ns INTEGER NOT NULL,
            PRIMARY KEY (gallery, version),
            UNIQUE (gallery, author, seq)
        ) STRICT""")
    db.execute("CREATE UNIQUE INDEX gallery_newest ON gallery_log (gallery, entry_id) WHERE newest")
    db.execute("CREATE INDEX gallery_erasures ON gallery_log (gallery, version) WHERE erases")
    db.execute("""
        CREATE TABLE gallery_positions (
            gallery INTEGER NOT NULL REFERENCES galleries,
            device_id TEXT NOT NULL,
            version INTEGER NOT NULL,
            asked_ns INTEGER NOT NULL,
            PRIMARY KEY (gallery, device_id)
        ) STRICT, WITHOUT ROWID""")


@migrations()
def m0006_adjudications(db: Database) -> None:
    """Pairs of entries that may be of one person, and what two people decided."""
    # first < second. same, proposed_by: what one person said; confirmed_by, decided_ns: once another agreed.
    db.execute("""
        CREATE TABLE adjudications (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            gallery INTEGER NOT NULL REFERENCES galleries,
            first BLOB NOT NULL CHECK (length(first) = 16),
            second BLOB NOT NULL CHECK (length(second) = 16),
            score_llr REAL NOT NULL,
            strength TEXT NOT NULL,
            told_by TEXT NOT NULL,
            told_ns INTEGER NOT NULL,
            same INTEGER,
            proposed_by TEXT NOT NULL DEFAULT '',
            confirmed_by TEXT NOT NULL DEFAULT '',
            decided_ns INTEGER,
            UNIQUE (gallery, first, second)
        ) STRICT""")
    # Counts decisions and their undoing, so that appliances know when they differ.
    db.execute("ALTER TABLE galleries ADD COLUMN decisions INTEGER NOT NULL DEFAULT 0")


@migrations()
def m0007_leases(db: Database) -> None:
    """The lease of each device's keys, as it told when it last asked for a gallery; 0 for none."""
    for column in ("lease_uptime_s", "lease_boots"):
        db.execute(f"ALTER TABLE gallery_positions ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")


@migrations()
def m0008_versions_of_entries(db: Database) -> None:
    """Find whether a device that is no member any more had an entry."""
    db.execute("CREATE INDEX gallery_entries ON gallery_log (gallery, entry_id, version)")


def m0060_plain_conditions(db: Database) -> None:
    """Say of a number what it has to be: only SQLite takes one for a yes."""
    db.execute("DROP INDEX gallery_newest")
    db.execute("DROP INDEX gallery_erasures")
    db.execute("CREATE UNIQUE INDEX gallery_newest ON gallery_log (gallery, entry_id) WHERE newest = 1")
    db.execute("CREATE INDEX gallery_erasures ON gallery_log (gallery, version) WHERE erases = 1")


def m0061_unlinked_rosters(db: Database) -> None:
    """Leave the galleries whose rosters do not name those before them: nobody takes such rosters any more."""
    rows = db.execute("SELECT gallery, roster FROM gallery_rosters").fetchall()
    # A roster begins with its form, after four bytes of its length.
    unlinked = {gallery for gallery, roster in rows if roster[4:].startswith(b"aidpost gallery roster 1")}
    for gallery in unlinked:
        db.execute("DELETE FROM adjudications WHERE gallery = ?", (gallery,))
        db.execute("DELETE FROM gallery_positions WHERE gallery = ?", (gallery,))
        db.execute("DELETE FROM gallery_log WHERE gallery = ?", (gallery,))
        db.execute("DELETE FROM gallery_rosters WHERE gallery = ?", (gallery,))
        db.execute("DELETE FROM galleries WHERE gallery = ?", (gallery,))


def m0072_events_by_time(db: Database) -> None:
    """Find the events whose time is over, other than telemetry's, without a look at all of them."""
    # Of 300,000 it took 1.9 s on a busy machine, each hour, and nothing else was committed meanwhile.
    db.execute("CREATE INDEX events_of_records ON events (received_ns) WHERE kind <> 'telemetry'")


# Parts with tables of their own keep their steps beside this list.
for _step in (
    migrations_of_fleet.m0010_fleet,
    migrations_of_fleet.m0011_doubts,
    migrations_of_telemetry.m0020_telemetry,
    migrations_of_alerts.m0021_alerts,
    migrations_of_telemetry.m0022_sums_of_sites,
    migrations_of_accounts.m0030_accounts,
    migrations_of_rollouts.m0040_rollouts,
    migrations_of_diagnostics.m0050_diagnostics,
    migrations_of_diagnostics.m0051_result_places,
    m0060_plain_conditions,
    m0061_unlinked_rosters,
    migrations_of_streams.m0070_streams,
    migrations_of_streams.m0071_authority,
    m0072_events_by_time,
):
    migrations()(_step)


def check_not_newer(db: Database) -> None:
    """Raise StoreTooNew when the store has had a migration that this version does not know."""
    # Against an empty database every known migration is pending.
    with closing(Database(memory=True, execute_plugins=False)) as empty:
        known = {migration.name for migration in migrations.pending(empty)}
    unknown = [migration.name for migration in migrations.applied(db) if migration.name not in known]
    if unknown:
        raise StoreTooNew(
            f"the store was changed by a later version ({', '.join(unknown)}): "
            "install that version again, or restore a copy made before it"
        )
