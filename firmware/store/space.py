"""How full the store is, what is given up for it, and when registration has to stop.

Telemetry goes first: from `CROWDED` on it is counted and no longer written. Then registration stops.
Check-ins are recorded as long as a commit succeeds. What has a sequence number is never dropped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, unique
from pathlib import Path

import msgspec
from sqlite_utils import Database

from firmware.records import Moment, TelemetryDropped
from firmware.store.journal import Journal

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


class Space:
    """What of the file and the disk is left for what; all methods raise StoreError kinds.

    max_pages: the most that the file may have, None for as much as the disk has. free_share: of the disk,
    asked for anew at each decision.
    """

    def __init__(
        self,
        journal: Journal,
        limits: SpaceLimits,
        max_pages: int | None,
        free_share: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._db = journal.database
        self._limits = limits
        self._max_pages = max_pages
        self._free_share = free_share

    def pressure(self) -> Pressure:
        """Judge the store by whichever limit is nearest."""
        fill, free_share = self.used_share(), self._free_share()
        if fill >= NEARLY_FULL or free_share < self._limits.free_share:
            return Pressure.REGISTRATION
        if fill >= CROWDED or free_share < 2 * self._limits.free_share:
            return Pressure.TELEMETRY
        return Pressure.NONE

    def used_share(self) -> float:
        """Return how much is used of what may wait or of what the file may take, whichever is nearer."""
        with self._journal.reading() as db:
            last_seq, first_waiting = db.execute(
                "SELECT last_seq, coalesce((SELECT min(seq) FROM outbox), last_seq + 1) FROM appliance"
            ).fetchone()
            fill = (last_seq + 1 - first_waiting) / self._limits.waiting_events
            if self._max_pages is not None:
                (pages,) = db.execute("PRAGMA page_count").fetchone()
                (unused,) = db.execute("PRAGMA freelist_count").fetchone()
                fill = max(fill, (pages - unused) / self._max_pages)
        return float(fill)

    def registration_stopped(self, now: Moment) -> str | None:
        """Return one sentence that says why nobody can be registered now, None when people can."""
        if self.pressure() is Pressure.REGISTRATION:
            return f"registration has stopped: this appliance is nearly full; {_WAY_OUT}"
        with self._journal.reading() as db:
            unsynced_ns = _unsynced(db, now)
            (held,) = db.execute("SELECT count(*) FROM outbox WHERE kind = 'registration'").fetchone()
        if unsynced_ns >= self._limits.unsynced_ns:
            days = unsynced_ns // DAY_NS
            return f"registration has stopped: this appliance has not synced for {days} days; {_WAY_OUT}"
        if held >= self._limits.unapproved:
            return f"registration has stopped: {held} registrations wait for the aggregator; {_WAY_OUT}"
        return None

    def note_synced(self, now: Moment) -> None:
        """The aggregator holds something that it did not hold, or everything."""
        with self._journal.transaction() as db:
            _begin_unsynced(db, now, 0)
            self._report_dropped(now)

    def note_uptime(self, now: Moment) -> None:
        """Count how long the aggregator was not heard of, and report dropped telemetry if there is space.

        It is called at the start and now and then; the first call is the beginning. Uptime between the last
        call and a power cut is not counted.
        """
        with self._journal.transaction() as db:
            _begin_unsynced(db, now, _unsynced(db, now))
            self._report_dropped(now)

    def takes_telemetry(self, moment: Moment) -> bool:
        """Whether an event that is given up first finds space, within the caller's transaction.

        One that does not is counted, and the count reported once there is space.
        """
        if self.pressure() >= Pressure.TELEMETRY:
            self._db.execute("UPDATE appliance SET dropped_telemetry = dropped_telemetry + 1")
            return False
        self._report_dropped(moment)
        return True

    def _report_dropped(self, moment: Moment) -> None:
        (dropped,) = self._db.execute("SELECT dropped_telemetry FROM appliance").fetchone()
        if dropped and self.pressure() is Pressure.NONE:
            self._db.execute("UPDATE appliance SET dropped_telemetry = 0")
            self._journal.commit(moment, TelemetryDropped(dropped))


def _unsynced(database: Database, now: Moment) -> int:
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


def _begin_unsynced(database: Database, now: Moment, unsynced_ns: int) -> None:
    """Count on from now, with so much that is not synced already."""
    database.execute(
        "UPDATE appliance SET synced = ?, unsynced_ns = ?", (msgspec.msgpack.encode(now), unsynced_ns)
    )
