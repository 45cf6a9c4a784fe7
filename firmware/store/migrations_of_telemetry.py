"""The table of the telemetry: a step of `firmware.store.migrations`, as unchanging as those."""

from __future__ import annotations

from sqlite_utils import Database


def m020_telemetry(database: Database) -> None:
    """Keep up to which event telemetry has counted, with moment and size of the last."""
    database.executescript("""
        -- One row. after_seq: events up to it are counted. moment: MessagePack, or empty before the first.
        CREATE TABLE telemetry (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            after_seq INTEGER NOT NULL,
            moment BLOB NOT NULL DEFAULT x'',
            size_bytes INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        INSERT INTO telemetry (id, after_seq) SELECT 1, coalesce(max(last_seq), 0) FROM appliance;
    """)
