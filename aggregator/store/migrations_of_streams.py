"""The tables of the workers, their streams and their authority: steps of `aggregator.store.migrations`."""

from __future__ import annotations

from sqlite_utils import Database


def m0070_streams(db: Database) -> None:
    """Which worker holds a device's stream; an aggregator in one process writes nothing here."""
    # beat_ns: when the worker was alive last, by the database's clock: those of workers differ.
    db.execute("CREATE TABLE workers (worker TEXT PRIMARY KEY, beat_ns INTEGER NOT NULL) STRICT")
    # number: grows with each stream of the device, and the greatest counts. worker: '' where it is connected
    # to none; the row stays, so that numbers never come again.
    db.execute("""
        CREATE TABLE streams (
            device_id TEXT PRIMARY KEY REFERENCES devices,
            number INTEGER NOT NULL,
            worker TEXT NOT NULL
        ) STRICT""")
    db.execute("CREATE INDEX streams_of_worker ON streams (worker)")


def m0071_authority(db: Database) -> None:
    """Whose the store is: of the authority that served it first."""
    # fingerprint: SHA-256 of its certificate, which devices pin too. There is one row.
    db.execute("CREATE TABLE authorities (fingerprint BLOB PRIMARY KEY, since_ns INTEGER NOT NULL) STRICT")
