"""The tables of the telemetry: steps of `aggregator.store.migrations`."""

from __future__ import annotations

from sqlite_utils import Database


def m0020_telemetry(db: Database) -> None:
    """Raw telemetry, the newest of each device, and sums by hour and device."""
    # at_ns: when it was measured, as far as can be known. content: trust.telemetry.Telemetry as JSON.
    db.execute("""
        CREATE TABLE telemetry (
            device_id TEXT NOT NULL,
            at_ns INTEGER NOT NULL,
            seq INTEGER NOT NULL,
            content TEXT NOT NULL,
            PRIMARY KEY (device_id, at_ns, seq)
        ) STRICT, WITHOUT ROWID""")
    # Its events are erased after a day, by this.
    db.execute("CREATE INDEX events_of_telemetry ON events (received_ns) WHERE kind = 'telemetry'")
    db.execute("""
        CREATE TABLE latest_telemetry (
            device_id TEXT PRIMARY KEY,
            at_ns INTEGER NOT NULL,
            clock_quality TEXT NOT NULL,
            content TEXT NOT NULL
        ) STRICT, WITHOUT ROWID""")
    # what: as aggregator/fleet/tallies.py names it. hour: since 1970. By what first: a page about the fleet
    # reads a few of them over many hours; one device's are read by naming what and hours.
    db.execute("""
        CREATE TABLE hourly (
            what TEXT NOT NULL,
            hour INTEGER NOT NULL,
            device_id TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (what, hour, device_id)
        ) STRICT, WITHOUT ROWID""")


def m0022_sums_of_sites(db: Database) -> None:
    """The sums again by site, by hour and by day: a page about 10,000 devices reads few of them."""
    for table, span in (("hourly_of_sites", "hour"), ("daily_of_sites", "day")):
        db.execute(f"""
            CREATE TABLE {table} (
                what TEXT NOT NULL,
                {span} INTEGER NOT NULL,
                site TEXT NOT NULL,
                count INTEGER NOT NULL,
                PRIMARY KEY (what, {span}, site)
            ) STRICT, WITHOUT ROWID""")
    # Those of all sites together stand there as the site "*", which none can be called.
    for table, span in (("hourly_of_sites", "hour"), ("daily_of_sites", "hour / 24")):
        for site in ("site", "'*'"):
            db.execute(
                f"""INSERT INTO {table} SELECT what, {span}, {site}, sum(count)
                    FROM hourly JOIN devices USING (device_id) GROUP BY 1, 2, 3"""  # noqa: S608
            )
