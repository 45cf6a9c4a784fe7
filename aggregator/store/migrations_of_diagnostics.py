"""The tables of what devices hand in when they are asked, and of who is told results.

Steps of `aggregator.store.migrations`.
"""

from __future__ import annotations

from sqlite_utils import Database


def m0050_diagnostics(db: Database) -> None:
    """Bundles: whose, how far, and until when they are kept; their files lie beside the store."""
    db.execute("""
        CREATE TABLE diagnostics (
            command_id BLOB PRIMARY KEY CHECK (length(command_id) = 16),
            device_id TEXT NOT NULL,
            total_bytes INTEGER NOT NULL,
            digest BLOB NOT NULL CHECK (length(digest) = 32),
            received_ns INTEGER NOT NULL,
            expires_ns INTEGER NOT NULL,
            complete INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""")
    db.execute("CREATE INDEX diagnostics_by_time ON diagnostics (received_ns)")


def m0051_result_places(db: Database) -> None:
    """How far, in the order of arrival, each hook was told results."""
    db.execute("""
        CREATE TABLE result_places (
            hook TEXT PRIMARY KEY REFERENCES hooks ON DELETE CASCADE,
            arrival INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""")
