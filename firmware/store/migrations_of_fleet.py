"""The tables of what the fleet's desk asks for: steps of `firmware.store.migrations`, as unchanging."""

from __future__ import annotations

from sqlite_utils import Database


def m017_boots_of_commands(database: Database) -> None:
    """Keep in which boot a command was begun; empty for those of before."""
    database.execute("ALTER TABLE commands ADD COLUMN boot_id BLOB NOT NULL DEFAULT x''")


def m018_desired_state(database: Database) -> None:
    """Keep how far the taking up of a desired state is, and the files that are in use by it."""
    database.executescript("""
        -- One row: `firmware.desired.terms.Standing` (MessagePack).
        CREATE TABLE desired (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            standing BLOB NOT NULL
        ) STRICT;
        -- By their SHA-256 in hex; small ones alone, a software bundle is never here.
        CREATE TABLE desired_files (
            digest TEXT PRIMARY KEY,
            content BLOB NOT NULL
        ) STRICT, WITHOUT ROWID;
    """)
