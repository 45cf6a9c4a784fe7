"""What the batches of one transaction count: by outcome and day, by hour and device, and by site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from aggregator.fleet import tallies
from aggregator.fleet.tallies import tally
from aggregator.records import COLLECTED_TWICE, Event
from aggregator.store.port import Database

ALL_SITES = "*"
"""Stands in the sums of sites for all of them; no site can be called so."""
_OUTCOMES = {
    **{what: outcome.value for (_, outcome), what in tallies.CHECK_INS.items()},
    **{what: answer.value for (_, answer), what in tallies.ANSWERS.items()},
    tallies.COLLECTED_TWICE: COLLECTED_TWICE,
}
"""What of the sums by hour is counted by day of arrival too: once for each event, by how it ended."""


class Sums:
    """Counts until `write`, which comes last in a transaction and goes through the tables in one order.

    Every worker counts in the same rows, and holds each from its change to its commit: they wait for each
    other there, but never crosswise.
    """

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._hourly: Counter[tuple[str, int, str]] = Counter()
        self._hourly_of_sites: Counter[tuple[str, int, str]] = Counter()

    def note(self, device_id: str, site: str, new: Sequence[Event], newest: Event, now_ns: int) -> None:
        """Count a batch's new events; newest: the last of the batch."""
        day = datetime.fromtimestamp(now_ns / 1e9, UTC).date().isoformat()
        for (what, hour), count in tally(new, newest.moment, now_ns).items():
            if (outcome := _OUTCOMES.get(what)) is not None:
                self._outcomes[day, outcome] += count
            self._hourly[what, hour, device_id] += count
            for of in (site, ALL_SITES):
                self._hourly_of_sites[what, hour, of] += count

    def write(self, db: Database) -> None:
        """Add to what the tables hold, and begin anew."""
        daily: Counter[tuple[str, int, str]] = Counter()
        for (what, hour, site), count in self._hourly_of_sites.items():
            daily[what, hour // 24, site] += count
        _add(db, "hourly", ("what", "hour", "device_id"), self._hourly)
        _add(db, "tallies", ("day", "outcome"), self._outcomes)
        _add(db, "hourly_of_sites", ("what", "hour", "site"), self._hourly_of_sites)
        _add(db, "daily_of_sites", ("what", "day", "site"), daily)
        for counts in (self._outcomes, self._hourly, self._hourly_of_sites):
            counts.clear()


def _add(
    db: Database,
    table: str,
    key: Sequence[str],
    counts: Counter[tuple[str, str]] | Counter[tuple[str, int, str]],
) -> None:
    db.insert_many(
        table,
        (*key, "count"),
        sorted((*of, count) for of, count in counts.items()),
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET count = {table}.count + excluded.count",
    )
