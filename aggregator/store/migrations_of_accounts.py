"""The tables of the dashboard's accounts, sessions and tries: steps of `aggregator.store.migrations`."""

from __future__ import annotations

from sqlite_utils import Database


def m0030_accounts(db: Database) -> None:
    """Who signs in, sessions known by the SHA-256 of their cookies, and wrong tries."""
    db.execute("""
        CREATE TABLE accounts (
            name TEXT PRIMARY KEY,
            role TEXT NOT NULL,
            credential TEXT NOT NULL,
            totp_step INTEGER NOT NULL DEFAULT 0,
            made_ns INTEGER NOT NULL,
            disabled_ns INTEGER
        ) STRICT""")
    db.execute("""
        CREATE TABLE web_sessions (
            digest BLOB PRIMARY KEY,
            former BLOB,
            rotated_ns INTEGER NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            source TEXT NOT NULL,
            began_ns INTEGER NOT NULL,
            used_ns INTEGER NOT NULL
        ) STRICT""")
    db.execute("CREATE INDEX web_sessions_former ON web_sessions (former)")
    db.execute("""
        CREATE TABLE sign_in_tries (
            name TEXT NOT NULL,
            peer TEXT NOT NULL,
            failed INTEGER NOT NULL,
            last_ns INTEGER NOT NULL,
            PRIMARY KEY (name, peer)
        ) STRICT""")
