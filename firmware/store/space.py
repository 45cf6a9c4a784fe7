"""How full the store is, what is given up for it, and when registration has to stop.

Telemetry goes first: from `CROWDED` on it is counted and no longer written. Then registration stops.
Check-ins are recorded as long as a commit succeeds. What has a sequence number is never dropped.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import IntEnum, unique
from pathlib import Path

import msgspec
from sqlite_utils import Database

from firmware.records import Moment

CROWDED = 0.8  # of a limit
NEARLY_FULL = 0.9
DAY_NS = 86_400 * 1_000_000_000
_WAY_OUT = "bring it to a link, or carry its records by hand with `aidpost export`"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceLimits:
    """What the outbox may grow to.

    waiting_events: 200,000 are two years of 300 check-ins a day. free_share: of the disk, below which
    registration stops; telemetry stops at twice that. unsynced_ns, unapproved: MOSIP's limits for a
    registration client that does not sync.
    """

    waiting_events: int = 200_000
    free_share: float = 0.05
    unsynced_ns: int = 5 * DAY_NS
    unapproved: int = 100


@unique
class Pressure(IntEnum):
    """How much has to be given up."""

    NONE = 0
    TELEMETRY = 1
    REGISTRATION = 2


def disk_free_share(path: Path) -> float:
    """Return the free share of the disk; 1 where it cannot be asked, so that the commit itself decides."""
    try:
        usage = shutil.disk_usage(path.parent)
    except OSError:
        return 1.0
    return usage.free / usage.total if usage.total else 1.0


def pressure(database: Database, limits: SpaceLimits, max_pages: int | None, free_share: float) -> Pressure:
    """Judge the store by whichever limit is nearest."""
    last_seq, first_waiting = database.execute(
        "SELECT last_seq, coalesce((SELECT min(seq) FROM outbox), last_seq + 1) FROM appliance"
    ).fetchone()
    fill = (last_seq + 1 - first_waiting) / limits.waiting_events
    if max_pages is not None:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (unused,) = database.execute("PRAGMA freelist_count").fetchone()
        fill = max(fill, (pages - unused) / max_pages)
    if fill >= NEARLY_FULL or free_share < limits.free_share:
        return Pressure.REGISTRATION
    if fill >= CROWDED or free_share < 2 * limits.free_share:
        return Pressure.TELEMETRY
    return Pressure.NONE


def registration_stopped(database: Database, limits: SpaceLimits, level: Pressure, now: Moment) -> str | None:
    """Return one sentence that says why nobody can be registered now, None when people can."""
    if level is Pressure.REGISTRATION:
        return f"registration has stopped: this appliance is nearly full; {_WAY_OUT}"
    unsynced_ns = unsynced(database, now)
    if unsynced_ns >= limits.unsynced_ns:
        days = unsynced_ns // DAY_NS
        return f"registration has stopped: this appliance has not synced for {days} days; {_WAY_OUT}"
    (held,) = database.execute("SELECT count(*) FROM outbox WHERE kind = 'registration'").fetchone()
    if held >= limits.unapproved:
        return f"registration has stopped: {held} registrations wait for the aggregator; {_WAY_OUT}"
    return None


def unsynced(database: Database, now: Moment) -> int:
    """Return how long the aggregator was not heard of, in ns: uptime, or more where both clocks are good."""
    data, earlier_boots_ns = database.execute("SELECT synced, unsynced_ns FROM appliance").fetchone()
    if not data:
        return 0
    then = msgspec.msgpack.decode(data, type=Moment)
    if then.boot_id == now.boot_id:
        return int(earlier_boots_ns) + max(0, now.monotonic_ns - then.monotonic_ns)
    uptime_ns = int(earlier_boots_ns) + now.monotonic_ns
    if then.quality.is_set and now.quality.is_set:
        return max(uptime_ns, now.wall_ns - then.wall_ns)
    return uptime_ns


def note_synced(database: Database, now: Moment) -> None:
    """The aggregator holds something that it did not hold, or everything."""
    database.execute("UPDATE appliance SET synced = ?, unsynced_ns = 0", (msgspec.msgpack.encode(now),))


def note_uptime(database: Database, now: Moment) -> None:
    """Write down what is not synced so far: it is called at the start and now and then.

    The first call is the beginning. Uptime between the last call and a power cut is not counted.
    """
    (data,) = database.execute("SELECT synced FROM appliance").fetchone()
    if not data:
        note_synced(database, now)
        return
    passed_ns = unsynced(database, now)
    database.execute(
        "UPDATE appliance SET synced = ?, unsynced_ns = ?", (msgspec.msgpack.encode(now), passed_ns)
    )
