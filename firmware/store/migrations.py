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


def m007_work(database: Database) -> None:
    """Keep the staff, the list of the day or the cycle, who collected, and the session under way."""
    database.executescript("""
        -- Who signs in. pin: by Argon2id, at this cost. attempts: wrong PINs in a row (MessagePack, or none).
        CREATE TABLE staff (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE COLLATE NOCASE,
            role TEXT NOT NULL,
            salt BLOB NOT NULL,
            cost BLOB NOT NULL,
            pin BLOB NOT NULL,
            attempts BLOB NOT NULL DEFAULT x''
        ) STRICT;
        -- One row: wrong tries under names that nobody has.
        CREATE TABLE strangers (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            attempts BLOB NOT NULL
        ) STRICT;
        -- The list that is loaded: head is all of it but its entries (MessagePack). One at a time.
        CREATE TABLE lists (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            workflow TEXT NOT NULL,
            cycle TEXT NOT NULL,
            head BLOB NOT NULL
        ) STRICT;
        CREATE TABLE appointments (
            number INTEGER PRIMARY KEY,
            subject TEXT NOT NULL UNIQUE,
            appointment BLOB NOT NULL,
            attended INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        CREATE TABLE households (
            number INTEGER PRIMARY KEY,
            subject TEXT NOT NULL UNIQUE,
            digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 16),
            household BLOB NOT NULL
        ) STRICT;
        -- A desk is about to hand over. began: its moment here; the claim ends for_s later.
        CREATE TABLE claims (
            number INTEGER PRIMARY KEY,
            household BLOB NOT NULL UNIQUE CHECK (length(household) = 16),
            desk TEXT NOT NULL,
            began BLOB NOT NULL,
            for_s REAL NOT NULL
        ) STRICT;
        -- Who collected: once a household and cycle, whatever the code does. household is empty where an
        -- exception was made for somebody without a number. within_cap: counts against the loss cap here.
        -- told: the household's owner knows it.
        CREATE TABLE collections (
            number INTEGER PRIMARY KEY,
            cycle TEXT NOT NULL,
            household BLOB CHECK (length(household) = 16),
            desk TEXT NOT NULL,
            at BLOB NOT NULL,
            within_cap INTEGER NOT NULL DEFAULT 0,
            owner_silent INTEGER NOT NULL DEFAULT 0,
            told INTEGER NOT NULL DEFAULT 1,
            UNIQUE (cycle, household)
        ) STRICT;
        -- A second hand-over for one household, at another desk. Nobody is denied for it.
        CREATE TABLE conflicts (
            number INTEGER PRIMARY KEY,
            cycle TEXT NOT NULL,
            household BLOB NOT NULL,
            desk TEXT NOT NULL,
            at BLOB NOT NULL,
            UNIQUE (cycle, household, desk)
        ) STRICT;
        -- Cycles that ended here: their ledger is sealed and gone, so they are not loaded again.
        CREATE TABLE ended_cycles (
            number INTEGER PRIMARY KEY,
            cycle TEXT NOT NULL UNIQUE
        ) STRICT;
        -- Visit tokens handed out today, in order of their numbers, so that nothing says who had which.
        CREATE TABLE tokens (
            token INTEGER PRIMARY KEY
        ) STRICT;
        -- Who answers for a child under five, until a day (ISO 8601).
        CREATE TABLE links (
            number INTEGER PRIMARY KEY,
            child TEXT NOT NULL UNIQUE,
            caregiver TEXT NOT NULL,
            until TEXT NOT NULL
        ) STRICT;
        -- Entries that may be of one person, for an adjudicator.
        CREATE TABLE resemblances (
            number INTEGER PRIMARY KEY,
            subject TEXT NOT NULL,
            resembles TEXT NOT NULL,
            UNIQUE (subject, resembles)
        ) STRICT;
        -- One row at most: the session under way (MessagePack).
        CREATE TABLE open_session (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            session BLOB NOT NULL
        ) STRICT;
        -- What the report counts, one row a person served; no id, no number (MessagePack).
        CREATE TABLE served (
            number INTEGER PRIMARY KEY,
            served BLOB NOT NULL
        ) STRICT;
        -- One row: when the day was opened, and the newest audit row then.
        CREATE TABLE day (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            opened BLOB NOT NULL,
            operator TEXT NOT NULL,
            audit_number INTEGER NOT NULL
        ) STRICT;
    """)


def m008_page_certificate(database: Database) -> None:
    """Keep under which key and certificate tablets find the operator page; empty before the first."""
    database.executescript("""
        ALTER TABLE appliance ADD COLUMN page_key BLOB NOT NULL DEFAULT x'';
        ALTER TABLE appliance ADD COLUMN page_certificate BLOB NOT NULL DEFAULT x'';
    """)


def m009_site(database: Database) -> None:
    """Share the ledger among the appliances of a site."""
    database.executescript("""
        -- The ids of the desk's claims that were granted and not given back, 16 bytes each.
        ALTER TABLE claims ADD COLUMN claim_ids BLOB NOT NULL DEFAULT x'';
        -- Of the service's record, 16 bytes; empty for what was written before this change.
        ALTER TABLE collections ADD COLUMN record_id BLOB NOT NULL DEFAULT x'';
        ALTER TABLE conflicts ADD COLUMN record_id BLOB NOT NULL DEFAULT x'';
        -- What the table below says.
        ALTER TABLE collections DROP COLUMN told;
        -- Who must still be told that a household collected here. owner: it is the household's owner.
        CREATE TABLE reports (
            number INTEGER PRIMARY KEY,
            device TEXT NOT NULL,
            owner INTEGER NOT NULL,
            household BLOB NOT NULL CHECK (length(household) = 16),
            record_id BLOB NOT NULL CHECK (length(record_id) = 16),
            at BLOB NOT NULL,
            UNIQUE (device, record_id)
        ) STRICT;
    """)


def m010_shared_gallery(database: Database) -> None:
    """Keep what the appliances of a site know together of their gallery."""
    database.executescript("""
        -- By key, the newest roster as the custodian signed it; former ones while needed.
        CREATE TABLE gallery_rosters (
            epoch INTEGER PRIMARY KEY,
            roster BLOB NOT NULL
        ) STRICT;
        -- One row: how far the aggregator's log is held, and the link of the change there. epoch: of the
        -- newest change. delivery: what is on its way; spent: bytes of the day (MessagePack, or empty).
        CREATE TABLE gallery_position (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            version INTEGER NOT NULL DEFAULT 0,
            link BLOB NOT NULL DEFAULT x'',
            epoch INTEGER NOT NULL DEFAULT 0,
            delivery BLOB NOT NULL DEFAULT x'',
            spent BLOB NOT NULL DEFAULT x''
        ) STRICT;
        -- How far each author's changes are held; seen: how far others have seen them; told: how far this
        -- appliance has said that it has.
        CREATE TABLE gallery_authors (
            author INTEGER PRIMARY KEY,
            seq INTEGER NOT NULL,
            link BLOB NOT NULL,
            seen INTEGER NOT NULL DEFAULT 0,
            told INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        -- Changes as protobuf; those that are not the newest of their entry have lost their sealed parts.
        -- place: in the aggregator's log. unopened: not in the gallery here, though nobody erased the entry.
        CREATE TABLE gallery_changes (
            author INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            place INTEGER NOT NULL,
            entry_id BLOB NOT NULL,
            entry_version INTEGER NOT NULL,
            erases INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            link BLOB NOT NULL,
            newest INTEGER NOT NULL,
            unopened INTEGER NOT NULL,
            change BLOB NOT NULL,
            PRIMARY KEY (author, seq)
        ) STRICT;
        CREATE UNIQUE INDEX gallery_changes_newest ON gallery_changes (entry_id) WHERE newest;
        -- What came and is not judged yet; version: its place in the log.
        CREATE TABLE gallery_incoming (
            version INTEGER PRIMARY KEY,
            erases INTEGER NOT NULL,
            change BLOB NOT NULL
        ) STRICT;
    """)


def m011_protected_templates(database: Database) -> None:
    """Keep templates protected, and the key that they are protected under."""
    database.executescript("""
        -- 32 bytes, or empty until the store is opened first.
        ALTER TABLE appliance ADD COLUMN protection_key BLOB NOT NULL DEFAULT x'';
        -- In place of `templates`, which are plain: they are moved here when the store is opened first. With
        -- a number of its own a row of 1.5 kB fits into a leaf. By (entry, position) alone it would lie in
        -- the pages above too, four to a page, and one bad page would cost all that hang on it.
        CREATE TABLE protected_templates (
            number INTEGER PRIMARY KEY,
            entry INTEGER NOT NULL REFERENCES gallery (number) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            template BLOB NOT NULL,
            UNIQUE (entry, position)
        ) STRICT;
    """)


def m012_ages(database: Database) -> None:
    """Count how long each entry has been here."""
    database.executescript("""
        -- began: when it was first counted (MessagePack); uptime_ns: the uptime that was counted until then.
        CREATE TABLE ages (
            number INTEGER PRIMARY KEY,
            entry_id BLOB NOT NULL UNIQUE CHECK (length(entry_id) = 16),
            began BLOB NOT NULL,
            uptime_ns INTEGER NOT NULL
        ) STRICT;
        -- One row: the uptime counted so far (MessagePack, or empty), and the newest data policy's edition.
        CREATE TABLE retention (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            uptime BLOB NOT NULL DEFAULT x'',
            edition INTEGER NOT NULL DEFAULT 0
        ) STRICT;
    """)


def m013_closed_day(database: Database) -> None:
    """Keep the report of the day that was closed last, and of which day the visit tokens are."""
    database.executescript("""
        -- One row at most, until the next close. figures: of the report (MessagePack), with nobody's number.
        -- cycle, until: of the list that stays, and the newest row of `served` then; else empty and 0.
        CREATE TABLE closed_day (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            figures BLOB NOT NULL,
            cycle TEXT NOT NULL,
            until INTEGER NOT NULL
        ) STRICT;
        -- One row at most: the day (ISO 8601) of which the numbers in `tokens` are.
        CREATE TABLE token_day (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            day TEXT NOT NULL
        ) STRICT;
    """)


def m014_adjudged(database: Database) -> None:
    """Keep what two people decided at the aggregator of pairs of entries."""
    database.executescript("""
        CREATE TABLE adjudged (
            number INTEGER PRIMARY KEY,
            first BLOB NOT NULL CHECK (length(first) = 16),
            second BLOB NOT NULL CHECK (length(second) = 16),
            same INTEGER NOT NULL,
            UNIQUE (first, second)
        ) STRICT;
        -- An erased entry takes its links with it, whatever erases it.
        CREATE TRIGGER adjudged_goes_with_its_entries AFTER DELETE ON gallery
            BEGIN DELETE FROM adjudged WHERE OLD.entry_id IN (first, second); END;
        -- The number of the decisions, as the aggregator counts them.
        ALTER TABLE gallery_position ADD COLUMN decisions INTEGER NOT NULL DEFAULT 0;
        -- Pairs that nobody has decided: a decision hides a pair, and its undoing shows it again.
        CREATE VIEW waiting_resemblances AS
            SELECT number, subject, resembles FROM resemblances
            WHERE NOT EXISTS (
                SELECT 1 FROM adjudged
                JOIN gallery AS one ON one.entry_id = first
                JOIN gallery AS other ON other.entry_id = second
                WHERE (one.subject, other.subject) IN (
                    VALUES (resemblances.subject, resembles), (resembles, resemblances.subject)));
    """)


def m015_tries_over_the_network(database: Database) -> None:
    """Count wrong PINs that came over the network apart from those at the appliance."""
    database.executescript("""
        -- By name (empty for names that nobody has) and address; the address "*" counts those of all.
        -- attempts: MessagePack, empty for an address from where the right PIN came last.
        CREATE TABLE network_tries (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL COLLATE NOCASE,
            peer TEXT NOT NULL,
            attempts BLOB NOT NULL,
            UNIQUE (name, peer)
        ) STRICT;
    """)


def m016_tombstones(database: Database) -> None:
    """Remember which entries were erased here, until the others have been told."""
    database.executescript("""
        -- Random ids. looked_for: the whole of the shared gallery was held since, so that an entry that is
        -- known elsewhere stands in `gallery_changes`. One that does not keeps its tombstone all the same: a
        -- restored aggregator may be handed it later.
        CREATE TABLE tombstones (
            number INTEGER PRIMARY KEY,
            entry_id BLOB NOT NULL UNIQUE CHECK (length(entry_id) = 16),
            looked_for INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        -- What was erased before there were tombstones and is not told yet.
        INSERT INTO tombstones (entry_id)
            SELECT entry_id FROM gallery_changes WHERE newest AND NOT erases AND NOT unopened
                AND entry_id NOT IN (SELECT entry_id FROM gallery);
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
)
_NAMES = frozenset(step.__name__ for step in _STEPS)
MIGRATIONS = Migrations("aidpost-store")
for _step in _STEPS:
    MIGRATIONS()(_step)
