"""Reads events for an export: each arrival is in exactly one period, however late it came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from aggregator.exporting.rows import SiteEvent
from aggregator.store.port import Database
from aggregator.store.reader import COLUMNS, stored_event


def read_for_export(
    db: Database, *, kinds: Sequence[str], sites: Sequence[str], from_ns: int, to_ns: int
) -> Iterator[SiteEvent]:
    """Yield the events that arrived from from_ns up to but not at to_ns, in order; sites: none for all."""
    rows = db.execute(
        f"""SELECT {", ".join(COLUMNS)}, site
            FROM events JOIN outboxes USING (outbox) JOIN devices USING (device_id)
            WHERE received_ns >= :from_ns AND received_ns < :to_ns
                AND kind IN (SELECT value FROM json_each(:kinds))
                AND (:every = 1 OR site IN (SELECT value FROM json_each(:sites)))
            ORDER BY arrival""",  # noqa: S608
        {
            "from_ns": from_ns,
            "to_ns": to_ns,
            "kinds": json.dumps(tuple(kinds)),
            "sites": json.dumps(tuple(sites)),
            "every": int(not sites),
        },
    )
    return (_found(row) for row in rows)


def read_after(
    db: Database, arrival: int, *, kinds: Sequence[str], sites: Sequence[str], limit: int
) -> tuple[list[SiteEvent], int]:
    """Return the first events after a place in the order of arrival, and the place after them.

    sites: none for all.
    """
    rows = db.execute(
        f"""SELECT {", ".join(COLUMNS)}, site, arrival
            FROM events JOIN outboxes USING (outbox) JOIN devices USING (device_id)
            WHERE arrival > :arrival
                AND kind IN (SELECT value FROM json_each(:kinds))
                AND (:every = 1 OR site IN (SELECT value FROM json_each(:sites)))
            ORDER BY arrival LIMIT :limit""",  # noqa: S608
        {
            "arrival": arrival,
            "kinds": json.dumps(tuple(kinds)),
            "sites": json.dumps(tuple(sites)),
            "every": int(not sites),
            "limit": limit,
        },
    ).fetchall()
    if len(rows) == limit:
        upto = rows[-1][-1]
    else:
        (upto,) = db.execute("SELECT coalesce(max(arrival), 0) FROM events").fetchone()
    return [_found(row[:-1]) for row in rows], max(arrival, int(upto))


def sites_of(db: Database) -> set[str]:
    """Return the sites that any device is at."""
    return {site for (site,) in db.execute("SELECT DISTINCT site FROM devices")}


def _found(row: tuple[Any, ...]) -> SiteEvent:
    return SiteEvent(stored_event(row[:-1]), row[-1])
