"""The tables of alerts and of where they are told: steps of `aggregator.store.migrations`."""

from __future__ import annotations

from sqlite_utils import Database


def m0021_alerts(db: Database) -> None:
    """Alerts, when each device is usually heard of, hooks, and what waits to be delivered to them."""
    db.execute("""
        CREATE TABLE alerts (
            number INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            severity INTEGER NOT NULL,
            device_id TEXT NOT NULL,
            site TEXT NOT NULL,
            sentence TEXT NOT NULL,
            opened_ns INTEGER NOT NULL,
            seen_ns INTEGER NOT NULL,
            closed_ns INTEGER,
            acknowledged_by TEXT NOT NULL DEFAULT '',
            acknowledged_ns INTEGER
        ) STRICT""")
    db.execute("CREATE UNIQUE INDEX open_alerts ON alerts (kind, device_id, site) WHERE closed_ns IS NULL")
    # hours: a bit for each hour of the week, as 42 hexadecimal digits. week: since 1970. Of the aggregator
    # itself, under an empty device_id: when it listened.
    db.execute("""
        CREATE TABLE heard (
            device_id TEXT NOT NULL,
            week INTEGER NOT NULL,
            hours TEXT NOT NULL,
            PRIMARY KEY (device_id, week)
        ) STRICT, WITHOUT ROWID""")
    # key: signs what is sent to a URL, 32 bytes; empty for mail. sites: JSON. fault: of the last delivery.
    db.execute("""
        CREATE TABLE hooks (
            name TEXT PRIMARY KEY,
            revision INTEGER NOT NULL,
            url TEXT NOT NULL,
            email TEXT NOT NULL,
            from_severity INTEGER NOT NULL,
            sites TEXT NOT NULL,
            results INTEGER NOT NULL,
            disabled INTEGER NOT NULL,
            fault TEXT NOT NULL,
            key BLOB NOT NULL
        ) STRICT""")
    # body: JSON, sent as it is.
    db.execute("""
        CREATE TABLE deliveries (
            number INTEGER PRIMARY KEY,
            hook TEXT NOT NULL REFERENCES hooks ON DELETE CASCADE,
            subject TEXT NOT NULL,
            body TEXT NOT NULL,
            made_ns INTEGER NOT NULL,
            due_ns INTEGER NOT NULL,
            tries INTEGER NOT NULL
        ) STRICT""")
    db.execute("CREATE INDEX deliveries_due ON deliveries (hook, number)")
