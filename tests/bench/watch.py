"""What looking over a fleet costs: turns of the alerts, and a scrape: ``python -m tests.bench.watch``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgspec
import structlog

from aggregator.fleet.heard import HOUR_NS, WEEK_H
from aggregator.fleet.tallies import CLAIMS, WRONGLY_REFUSED
from aggregator.metrics import create_app
from aggregator.store import measures
from aggregator.store.database import open_writer
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.watching import AGGREGATOR, write_heard
from aggregator.store.writer import StoreWriter
from aggregator.watch import Watch
from tests.kit.telemetry_values import BUSY

DEVICES = 10_000
AWAY = 20  # one of so many devices is silent
WEEK = 2_900
NOW_HOUR = WEEK * WEEK_H + 10
NOW_NS = NOW_HOUR * HOUR_NS + HOUR_NS // 2
CONNECTED = frozenset(f"kit-{number}" for number in range(DEVICES) if number % AWAY)


async def main() -> None:
    """Print the times, the best of three."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        with open_writer(path, None) as db, db.atomic():
            fill(db)
        store = StoreWriter(path, wall_ns=now_ns, max_bytes=None, on_fault=lambda _fault: None)
        await store.open()
        view = StoreView(path, now_ns)
        await view.open()
        log = structlog.get_logger()
        watch = Watch(store, view, lambda: CONNECTED, now_ns, log, monotonic_ns=lambda: 0)
        await watch.turn()
        turn_s = min([await timed(watch.turn) for _ in range(3)])
        app = create_app(lambda: view.read(measures.read), lambda: CONNECTED, time.time_ns)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            began_s = time.process_time()
            answer = await client.get("/metrics")
            scrape_s = time.process_time() - began_s
        await view.close()
        await store.close()
    lines = answer.text.count("\n")
    sys.stdout.write(
        f"{DEVICES} devices, {DEVICES // AWAY} of them away: a turn {turn_s:.2f} s of processor time, "
        f"a scrape {scrape_s:.2f} s "
        f"for {lines} lines, {len(answer.content) / 1e6:.1f} MB\n"
    )


def now_ns() -> int:
    """Return the time of the fleet."""
    return NOW_NS


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Return the processor time of a call, which other load moves less, in seconds."""
    began_s = time.process_time()
    await work()
    return time.process_time() - began_s


def fill(db: Database) -> None:
    """Make devices, their telemetry, a week of sums, and five weeks in which all were always heard of."""
    names = [f"kit-{number}" for number in range(DEVICES)]
    content = msgspec.json.encode(BUSY).decode()
    db.execute_many(
        """INSERT INTO devices (device_id, site, software_version, first_seen_ns, last_seen_ns)
           VALUES (?, ?, '0.1.0', 0, ?)""",
        [
            (name, f"site-{number // 10}", NOW_NS - (0 if number % AWAY else 3 * HOUR_NS))
            for number, name in enumerate(names)
        ],
    )
    db.execute_many(
        "INSERT INTO latest_telemetry VALUES (?, ?, 'checked', ?)",
        [(name, NOW_NS, content) for name in names],
    )
    for what, count in ((CLAIMS, 30), (WRONGLY_REFUSED, 1)):
        db.execute_many(
            "INSERT INTO hourly VALUES (?, ?, ?, ?)",
            [
                (what, NOW_HOUR - 24 * day - hour, name, count)
                for day in range(6)
                for hour in range(8)
                for name in names
            ],
        )
    weeks = range(WEEK - 5, WEEK)
    write_heard(db, [(name, week, 2**WEEK_H - 1) for name in (*names, AGGREGATOR) for week in weeks])


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(main())
