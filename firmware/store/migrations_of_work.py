"""The tables of the work and the site: steps of `firmware.store.migrations`, as unchanging as those."""

from __future__ import annotations

from sqlite_utils import Database


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
