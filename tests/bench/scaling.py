"""Projects what an aggregator of many devices needs from what was measured of one.

Run as ``python -m tests.bench.scaling``; ``--write docs/scaling.md`` renews the table there. Every figure has
its source; what no measurement stands behind is an assumption, to be replaced by your own.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from math import ceil
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
BEGIN, END = "<!-- python -m tests.bench.scaling -->", "<!-- end -->"
DAY_S, YEAR_DAYS = 86_400, 365

# Measured on two shared x86 cores; where from: docs/scaling.md has them in words.
IDLE_STREAM_BYTES, WORKER_BYTES = 113_000, 113_000_000  # tests.bench.streams, 5,000 devices
CONNECT_CPU_S = 8.0e-3  # the same, at a load of 19
EVENT_CPU_S = 596e-6  # docs/benchmarks.md, ingest in batches of 1
ROW_BYTES = 577  # tests.bench.bytes_of_events: a check-in on PostgreSQL 15 with its indexes
LOG_BYTES = 1_813  # the same, of the server's log for an event alone in its batch
TELEMETRY_BYTES = 394  # docs/telemetry.md, at rest, 31 people in a quarter of an hour
HOURLY_BYTES = 37  # docs/telemetry.md
COMMITS_PER_S = 4_690  # tests.bench.engines: PostgreSQL 15 and one worker on two cores, batches of 1
FILTER_S = 40e-3 / 10_000  # docs/decisions: a filter over 10,000 devices, of one core
FLEET_PAGE_S = 139e-3 / 10_000  # docs/benchmarks.md, the dashboard's fleet page, median
STREAMS_OF_WORKER = 4_096  # trust/tls/gate.py
CONNECTIONS_OF_WORKER = 7  # a running worker's, counted in pg_stat_activity

# Assumed.
PEOPLE_A_DAY, EVENTS_A_PERSON = 250, 2
WORKING_DAYS = 6 / 7
TELEMETRY_A_DAY, TELEMETRY_DAYS = 96, 30
SUMS_A_DAY = 80
SERVING_S, PEAK = 12 * 3600, 3.0
JITTER_S = 60  # within which devices come back: firmware/uplink/backoff.py
COMMANDS_A_DAY = 1
CORE_MONTH, DISK_GB_MONTH, OBJECT_GB_MONTH = 25.0, 0.10, 0.02  # dollars
LOG_KEPT_DAYS = 7
DATABASE_CORES_A_PEAK = 2 / COMMITS_PER_S  # as if cores added up, which was not measured


@dataclass(frozen=True, slots=True)
class Projection:
    """What so many devices need; times in s, sizes in bytes, money in dollars a month after a year."""

    devices: int
    workers: int
    memory_bytes: float
    events_a_day: float
    peak_events_s: float
    worker_cores: float
    connects_s: float
    connect_cores: float
    return_s: float
    database_share: float
    database_connections: int
    events_bytes_a_day: float
    other_bytes: float
    log_bytes_a_day: float
    wakes_s: float
    filter_s: float
    page_s: float
    money: float


def project(devices: int) -> Projection:
    """Return what so many devices need, all of them connected."""
    workers = ceil(devices / STREAMS_OF_WORKER)
    records = devices * PEOPLE_A_DAY * EVENTS_A_PERSON * WORKING_DAYS
    events = records + devices * TELEMETRY_A_DAY
    peak = records / WORKING_DAYS / SERVING_S * PEAK + devices * TELEMETRY_A_DAY / DAY_S
    connects = devices / JITTER_S
    stored = records * ROW_BYTES
    hourly = devices * SUMS_A_DAY * WORKING_DAYS * HOURLY_BYTES * YEAR_DAYS
    other = devices * TELEMETRY_A_DAY * (TELEMETRY_DAYS * TELEMETRY_BYTES + ROW_BYTES) + hourly
    log = events * LOG_BYTES
    cores = peak * EVENT_CPU_S
    # Two copies of the database, on disks of their own; the log for a week as objects.
    disks = 2 * (stored * YEAR_DAYS + other)
    money = (
        (max(cores, 2 * workers / 4) + 2 * max(2.0, peak * DATABASE_CORES_A_PEAK)) * CORE_MONTH
        + disks / 1e9 * DISK_GB_MONTH
        + log * LOG_KEPT_DAYS / 1e9 * OBJECT_GB_MONTH
    )
    return Projection(
        devices=devices,
        workers=workers,
        memory_bytes=devices * IDLE_STREAM_BYTES + workers * WORKER_BYTES,
        events_a_day=events,
        peak_events_s=peak,
        worker_cores=cores,
        connects_s=connects,
        connect_cores=connects * CONNECT_CPU_S,
        return_s=max(JITTER_S, devices / COMMITS_PER_S),
        database_share=peak / COMMITS_PER_S,
        database_connections=workers * CONNECTIONS_OF_WORKER,
        events_bytes_a_day=stored,
        other_bytes=other,
        log_bytes_a_day=log,
        wakes_s=devices * COMMANDS_A_DAY / SERVING_S * PEAK,
        filter_s=devices * FILTER_S,
        page_s=devices * FLEET_PAGE_S,
        money=money,
    )


def table() -> str:
    """Return the projections as Markdown."""
    found = [project(devices) for devices in SIZES]
    rows = {
        "workers of 4,096 streams": [f"{each.workers:,}" for each in found],
        "memory of all workers": [_bytes(each.memory_bytes) for each in found],
        "events a day, telemetry with them": [f"{each.events_a_day / 1e6:,.1f} M" for each in found],
        "events a second at the peak": [f"{each.peak_events_s:,.0f}" for each in found],
        "cores of workers at the peak": [f"{each.worker_cores:,.1f}" for each in found],
        "connects a second after an outage": [f"{each.connects_s:,.0f}" for each in found],
        "cores for them, for a minute": [f"{each.connect_cores:,.1f}" for each in found],
        "until all are back, by the database": [f"{each.return_s:,.0f} s" for each in found],
        "peak, of what one database took": [f"{100 * each.database_share:,.0f} %" for each in found],
        "connections to the database": [f"{each.database_connections:,}" for each in found],
        "events' rows a day": [_bytes(each.events_bytes_a_day) for each in found],
        "telemetry and sums after a year": [_bytes(each.other_bytes) for each in found],
        "database's log a day": [_bytes(each.log_bytes_a_day) for each in found],
        "wake-ups a second at the peak": [f"{each.wakes_s:,.1f}" for each in found],
        "one filter over all devices": [f"{each.filter_s:,.2f} s" for each in found],
        "the dashboard's fleet page": [f"{each.page_s:,.2f} s" for each in found],
        "dollars a month, after a year": [f"{each.money:,.0f}" for each in found],
    }
    lines = ["| devices | " + " | ".join(f"{size:,}" for size in SIZES) + " |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]
    return "\n".join(lines)


def renewed(page: str) -> str:
    """Return the page with the table as it is now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} B"


def main() -> None:
    """Print the table, or put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    page: Path | None = parser.parse_args().write
    if page is None:
        sys.stdout.write(table() + "\n")
    else:
        page.write_text(renewed(page.read_text()))


if __name__ == "__main__":
    main()
