"""Telemetry as held: raw, the newest of each device, and sums by hour and device."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from aggregator.fleet.tallies import DAY_NS, HOUR_NS, happened_ns
from aggregator.records import ClockQuality, Event
from aggregator.store.many import rows_of
from aggregator.store.port import Database
from aggregator.store.sums import ALL_SITES
from trust.telemetry import Telemetry

KEEP_RAW_NS = 30 * DAY_NS
"""The events themselves are needed until the device's chain was followed past them."""
KEEP_SUMS_NS = 2 * 365 * DAY_NS

_DECODER = msgspec.json.Decoder(Telemetry)


class Measured(msgspec.Struct, frozen=True):
    """What a device measured, when as far as can be known, and what its clock was worth then."""

    device_id: str
    at_ns: int
    clock_quality: ClockQuality
    telemetry: Telemetry


def note(db: Database, device_id: str, new: Sequence[Event], newest: Event, now_ns: int) -> None:
    """Keep what a batch's new events measured; newest: the last of the batch."""
    measured = [
        (
            happened_ns(event.moment, newest.moment, now_ns),
            event.seq,
            event.moment.quality.value,
            msgspec.json.encode(event.body).decode(),
        )
        for event in new
        if isinstance(event.body, Telemetry)
    ]
    if not measured:
        return
    db.insert_many(
        "telemetry",
        ("device_id", "at_ns", "seq", "content"),
        [(device_id, at_ns, seq, content) for at_ns, seq, _, content in measured],
        "ON CONFLICT DO NOTHING",
    )
    at_ns, _, quality, content = max(measured)
    db.execute(
        """INSERT INTO latest_telemetry VALUES (?, ?, ?, ?)
           ON CONFLICT (device_id) DO UPDATE SET at_ns = excluded.at_ns,
               clock_quality = excluded.clock_quality, content = excluded.content
           WHERE excluded.at_ns >= latest_telemetry.at_ns""",
        (device_id, at_ns, quality, content),
    )


def read(
    db: Database, device_id: str, since_ns: int, limit: int, after: tuple[int, int] | None = None
) -> list[tuple[int, int, Telemetry]]:
    """Return (at_ns, seq, telemetry) of one device, oldest first; after: (at_ns, seq) of the last seen."""
    rows = db.execute(
        """SELECT at_ns, seq, content FROM telemetry
           WHERE device_id = ? AND at_ns >= ? AND (at_ns, seq) > (?, ?) ORDER BY at_ns, seq LIMIT ?""",
        (device_id, since_ns, *(after or (-(2**63), 0)), limit),
    )
    return [(at_ns, seq, _DECODER.decode(content)) for at_ns, seq, content in rows]


def latest(db: Database, device_ids: Collection[str] | None = None) -> Iterator[Measured]:
    """Yield the newest telemetry of these devices or of all."""
    rows = rows_of(
        db,
        """SELECT device_id, at_ns, clock_quality, content FROM latest_telemetry
           WHERE device_id IN (?*)""",
        device_ids,
    )
    for of_device, at_ns, clock_quality, content in rows:
        yield Measured(of_device, at_ns, ClockQuality(clock_quality), _DECODER.decode(content))


def sums(db: Database, whats: Sequence[str], from_hour: int, to_hour: int) -> Iterable[tuple[str, str, int]]:
    """Yield (device_id, what, count) over the hours from `from_hour` to before `to_hour`, since 1970."""
    for what in whats:
        yield from db.execute(
            """SELECT device_id, what, sum(count) FROM hourly
               WHERE what = ? AND hour >= ? AND hour < ? GROUP BY device_id, what""",
            (what, from_hour, to_hour),
        )


def by_hour(
    db: Database, whats: Sequence[str], from_hour: int, to_hour: int, site: str = ""
) -> Iterable[tuple[int, str, int]]:
    """Yield (hour, what, count) of the whole fleet, or of a site, over these hours."""
    return _over_time(db, "hourly_of_sites", "hour", whats, from_hour, to_hour, site)


def by_day(
    db: Database, whats: Sequence[str], from_day: int, to_day: int, site: str = ""
) -> Iterable[tuple[int, str, int]]:
    """Yield (day, what, count) of the whole fleet, or of a site, over these days since 1970."""
    return _over_time(db, "daily_of_sites", "day", whats, from_day, to_day, site)


def by_site(db: Database, whats: Sequence[str], from_day: int, to_day: int) -> Iterable[tuple[str, str, int]]:
    """Yield (site, what, count) over these days; what a device counted stays where it then was."""
    for what in whats:
        yield from db.execute(
            """SELECT site, what, sum(count) FROM daily_of_sites
               WHERE what = ? AND day >= ? AND day < ? AND site <> ? GROUP BY site, what""",
            (what, from_day, to_day, ALL_SITES),
        )


def _over_time(
    db: Database, table: str, span: str, whats: Sequence[str], first: int, end: int, site: str
) -> Iterable[tuple[int, str, int]]:
    spans = range(first, end)  # each by its own look-up: between them lie the sums of all sites
    marks = ", ".join("?" * len(spans))
    for what in whats:
        yield from db.execute(
            f"SELECT {span}, what, count FROM {table} WHERE what = ? AND {span} IN ({marks}) AND site = ?",  # noqa: S608
            (what, *spans, site or ALL_SITES),
        )


def known_sums(db: Database) -> Iterable[str]:
    """Yield what is counted, in order; each step finds the next in the index."""
    what = ""
    while (row := db.execute("SELECT min(what) FROM hourly WHERE what > ?", (what,)).fetchone())[
        0
    ] is not None:
        what = row[0]
        yield what


def forget(db: Database, now_ns: int, device_ids: Sequence[str]) -> None:
    """Erase the raw telemetry of these devices that is too old."""
    db.execute_many(
        "DELETE FROM telemetry WHERE device_id = ? AND at_ns < ?",
        [(device_id, now_ns - KEEP_RAW_NS) for device_id in device_ids],
    )


def forget_sums(db: Database, now_ns: int) -> None:
    """Erase sums that are too old."""
    before = (now_ns - KEEP_SUMS_NS) // HOUR_NS
    for what in list(known_sums(db)):
        for table in ("hourly", "hourly_of_sites"):
            db.execute(f"DELETE FROM {table} WHERE what = ? AND hour < ?", (what, before))  # noqa: S608
        db.execute("DELETE FROM daily_of_sites WHERE what = ? AND day < ?", (what, before // 24))
