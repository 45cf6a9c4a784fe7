"""The tables of the gallery, shared or not: steps of `firmware.store.migrations`, as unchanging as those."""

from __future__ import annotations

from sqlite_utils import Database


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


def m019_erasures_seen(database: Database) -> None:
    """Remember whose erasures were carried out before the delivery that brought them was taken."""
    database.executescript("""
        -- author, seq: the change that erases. Gone once it is in the log here, or its author is no member.
        CREATE TABLE erasures_seen (
            number INTEGER PRIMARY KEY,
            entry_id BLOB NOT NULL UNIQUE CHECK (length(entry_id) = 16),
            author INTEGER NOT NULL,
            seq INTEGER NOT NULL
        ) STRICT;
    """)


def m021_registered(database: Database) -> None:
    """Keep in which hour each entry was registered."""
    database.executescript("""
        -- hour: since 1970-01-01 UTC; no row where no clock was good.
        CREATE TABLE registered (
            number INTEGER PRIMARY KEY,
            entry_id BLOB NOT NULL UNIQUE CHECK (length(entry_id) = 16),
            hour INTEGER NOT NULL
        ) STRICT;
        CREATE TRIGGER registered_goes_with_its_entry AFTER DELETE ON gallery
            BEGIN DELETE FROM registered WHERE entry_id = OLD.entry_id; END;
    """)


def m022_entry_keys(database: Database) -> None:
    """Keep with each entry the key that its templates are sealed under."""
    # Wrapped (`firmware.store.entry_keys`), or empty until the store is opened first.
    database.execute("ALTER TABLE gallery ADD COLUMN sealed_key BLOB NOT NULL DEFAULT x''")


def m023_words(database: Database) -> None:
    """Remember when each appliance of the gallery was heard of last, and when this one told anything."""
    database.executescript("""
        -- When an author's changes grew (MessagePack), or it was first waited for; empty before.
        ALTER TABLE gallery_authors ADD COLUMN heard BLOB NOT NULL DEFAULT x'';
        ALTER TABLE gallery_position ADD COLUMN told BLOB NOT NULL DEFAULT x'';
    """)


def m024_told_ahead(database: Database) -> None:
    """Remember which erasures were told while what the aggregator sends was refused."""
    database.executescript("""
        -- Own changes: their numbers, and the links that the next one follows.
        CREATE TABLE told_ahead (
            seq INTEGER PRIMARY KEY,
            entry_id BLOB NOT NULL UNIQUE CHECK (length(entry_id) = 16),
            link BLOB NOT NULL
        ) STRICT;
    """)


def m025_unlinked_rosters(database: Database) -> None:
    """Leave a shared gallery whose rosters do not name those before them: nobody takes such rosters any more.

    The entries stay, and each appliance tells its own in the next gallery. Nothing erased comes back.
    """
    rosters = database.execute("SELECT roster FROM gallery_rosters").fetchall()
    if not any(_is_unlinked(roster) for (roster,) in rosters):
        return
    database.executescript("""
        INSERT OR IGNORE INTO tombstones (entry_id) SELECT entry_id FROM gallery_changes
            WHERE newest AND (erases OR NOT unopened) AND entry_id NOT IN (SELECT entry_id FROM gallery);
        INSERT OR IGNORE INTO tombstones (entry_id) SELECT entry_id FROM erasures_seen;
        DELETE FROM gallery_incoming;
        DELETE FROM gallery_changes;
        DELETE FROM gallery_authors;
        DELETE FROM gallery_position;
        DELETE FROM gallery_rosters;
        DELETE FROM erasures_seen;
        DELETE FROM told_ahead;
        DELETE FROM adjudged;
    """)


def _is_unlinked(roster: bytes) -> bool:
    """Whether a roster is of the first form, which stands at its beginning after four bytes of length."""
    return roster[4:].startswith(b"aidpost gallery roster 1")
