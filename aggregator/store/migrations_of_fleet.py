"""The tables of the fleet's inventory and desired states: steps of `aggregator.store.migrations`."""

from __future__ import annotations

from sqlite_utils import Database


def m0010_fleet(db: Database) -> None:
    """Sites, groups, what is desired and reported, files for devices, and answers to repeated requests."""
    # usual_silence_ns: the longest that the device was silent of late.
    for column in (
        "labels TEXT NOT NULL DEFAULT '{}'",
        "revision INTEGER NOT NULL DEFAULT 1",
        "usual_silence_ns INTEGER NOT NULL DEFAULT 0",
    ):
        db.execute(f"ALTER TABLE devices ADD COLUMN {column}")
    db.execute("CREATE INDEX devices_of_site ON devices (site)")
    db.execute("""
        CREATE TABLE sites (
            name TEXT PRIMARY KEY,
            revision INTEGER NOT NULL,
            title TEXT NOT NULL,
            labels TEXT NOT NULL,
            latitude REAL,
            longitude REAL,
            service_window TEXT,
            daily_budget_bytes INTEGER NOT NULL,
            megabyte_cost_milli INTEGER NOT NULL,
            currency TEXT NOT NULL,
            support_consent_until_ns INTEGER NOT NULL
        ) STRICT""")
    db.execute("""
        CREATE TABLE device_groups (
            name TEXT PRIMARY KEY,
            revision INTEGER NOT NULL,
            title TEXT NOT NULL,
            filter TEXT NOT NULL,
            rank INTEGER NOT NULL
        ) STRICT""")
    # content: settings and artifacts as JSON.
    db.execute("""
        CREATE TABLE desires (
            scope TEXT NOT NULL,
            subject TEXT NOT NULL,
            revision INTEGER NOT NULL,
            content TEXT NOT NULL,
            changed_ns INTEGER NOT NULL,
            changed_by TEXT NOT NULL,
            PRIMARY KEY (scope, subject)
        ) STRICT""")
    # What was desired of any device, once however many share it.
    db.execute("""
        CREATE TABLE desired_contents (
            digest TEXT PRIMARY KEY,
            content TEXT NOT NULL
        ) STRICT""")
    # The newest of each device, and all that it was ever given: a report is held against them.
    db.execute("""
        CREATE TABLE desired_states (
            device_id TEXT PRIMARY KEY REFERENCES devices,
            generation INTEGER NOT NULL,
            digest TEXT NOT NULL REFERENCES desired_contents,
            remarks TEXT NOT NULL,
            changed_ns INTEGER NOT NULL
        ) STRICT""")
    db.execute("""
        CREATE TABLE desired_generations (
            device_id TEXT NOT NULL REFERENCES devices,
            generation INTEGER NOT NULL,
            digest TEXT NOT NULL,
            PRIMARY KEY (device_id, generation)
        ) STRICT, WITHOUT ROWID""")
    # generation, result, drift: also within content, here for lists.
    db.execute("""
        CREATE TABLE reported_states (
            device_id TEXT PRIMARY KEY REFERENCES devices,
            generation INTEGER NOT NULL,
            result TEXT NOT NULL,
            content TEXT NOT NULL,
            received_ns INTEGER NOT NULL,
            doubt TEXT NOT NULL,
            drift TEXT NOT NULL
        ) STRICT""")
    # The newest word on each part that failed; a part that came back is not here.
    db.execute("""
        CREATE TABLE open_faults (
            device_id TEXT NOT NULL REFERENCES devices,
            part TEXT NOT NULL,
            fault TEXT NOT NULL,
            since_ns INTEGER NOT NULL,
            PRIMARY KEY (device_id, part)
        ) STRICT, WITHOUT ROWID""")
    # SQLite gives the bare columns of the row that holds max(): the latest word on each part.
    db.execute("""
        INSERT INTO open_faults SELECT device_id, part, fault, received_ns FROM (
            SELECT device_id, details ->> 'part' AS part, coalesce(details ->> 'fault', '') AS fault,
                details ->> 'recovered' AS recovered, received_ns, max(arrival)
            FROM events JOIN outboxes USING (outbox) WHERE kind = 'device_fault' GROUP BY device_id, part)
        WHERE part IS NOT NULL AND NOT coalesce(recovered, 0)""")
    # The file itself lies in the folder beside the store, under its digest.
    db.execute("""
        CREATE TABLE artifacts (
            digest TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            version TEXT NOT NULL,
            size_bytes INTEGER NOT NULL,
            title TEXT NOT NULL,
            added_ns INTEGER NOT NULL,
            added_by TEXT NOT NULL
        ) STRICT""")
    # Bytes of updates and diagnostics; day: by the site's own clock.
    db.execute("""
        CREATE TABLE site_bytes (
            site TEXT NOT NULL,
            day TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            PRIMARY KEY (site, day)
        ) STRICT, WITHOUT ROWID""")
    # What a request was answered, for the same one coming again. digest: of the request.
    db.execute("""
        CREATE TABLE requests (
            actor TEXT NOT NULL,
            request_id BLOB NOT NULL,
            digest BLOB NOT NULL,
            answer BLOB NOT NULL,
            answered_ns INTEGER NOT NULL,
            PRIMARY KEY (actor, request_id)
        ) STRICT, WITHOUT ROWID""")
    db.execute("CREATE INDEX requests_by_time ON requests (answered_ns)")
    # duration_s: how long what was asked for goes on, 0 where that means nothing.
    db.execute("ALTER TABLE commands ADD COLUMN duration_s INTEGER NOT NULL DEFAULT 0")
    db.execute("CREATE INDEX commands_of ON commands (device_id) WHERE outcome IS NULL")


def m0011_doubts(db: Database) -> None:
    """When the audit log was last told that a device's reports are doubted: once an hour, however often."""
    db.execute("ALTER TABLE reported_states ADD COLUMN doubted_ns INTEGER NOT NULL DEFAULT 0")
