"""The tables of rollouts: steps of `aggregator.store.migrations`."""

from __future__ import annotations

from sqlite_utils import Database


def m0040_rollouts(db: Database) -> None:
    """Rollouts, and how far each of their devices has come."""
    # content: the rollout as JSON, without its devices. state: also within content, here for lists. awaits:
    # whether a turn may still change anything. counts: of the devices by ring.
    db.execute("""
        CREATE TABLE rollouts (
            name TEXT PRIMARY KEY,
            revision INTEGER NOT NULL,
            state TEXT NOT NULL,
            awaits INTEGER NOT NULL,
            created_ns INTEGER NOT NULL,
            content TEXT NOT NULL,
            counts TEXT NOT NULL
        ) STRICT""")
    db.execute("CREATE INDEX rollouts_by_time ON rollouts (created_ns, name)")
    # content: the device as JSON; ring, standing, answered_ns: also within content, here for joins. before:
    # what was desired of the device itself in the fields of the change when it was told.
    db.execute("""
        CREATE TABLE rollout_devices (
            rollout TEXT NOT NULL REFERENCES rollouts,
            device_id TEXT NOT NULL REFERENCES devices,
            ring INTEGER NOT NULL,
            standing TEXT NOT NULL,
            answered_ns INTEGER,
            content TEXT NOT NULL,
            before TEXT NOT NULL DEFAULT '{}',
            PRIMARY KEY (rollout, device_id)
        ) STRICT, WITHOUT ROWID""")
    db.execute("CREATE INDEX rollouts_of_device ON rollout_devices (device_id)")
