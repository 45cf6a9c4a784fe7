"""How far telemetry has counted, written down in the transaction of each telemetry event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from firmware.event_message import canonical
from firmware.records import Event, EventBody, Measured, Moment
from firmware.store import events
from firmware.store.journal import Journal
from firmware.store.space import Space
from trust.telemetry import Telemetry

MAX_COUNTED = 10_000
"""Events that one telemetry looks back over, the newest: 0.05 s of the store's thread on one x86 core."""


@dataclass(frozen=True, slots=True)
class Since:
    """What came after the last telemetry.

    last: its moment, None before the first. last_bytes: its size. bodies: what was written down since, in
    order, to be read once and within `make`. waiting: events for the aggregator. used_share: of the store, of
    what it may take.
    """

    last: Moment | None
    last_bytes: int
    bodies: Iterable[EventBody]
    waiting: int
    used_share: float


class TelemetryBook:
    """Each event is counted in one telemetry, whatever the power does; methods raise StoreError kinds."""

    def __init__(self, journal: Journal, space: Space, depth: Callable[[], int]) -> None:
        self._journal = journal
        self._space = space
        self._depth = depth

    def last(self) -> tuple[Moment | None, int]:
        """Return moment and size in bytes of the last telemetry; None and 0 before the first."""
        with self._journal.reading() as db:
            moment, size_bytes = db.execute("SELECT moment, size_bytes FROM telemetry").fetchone()
            return (msgspec.msgpack.decode(moment, type=Moment) if moment else None), int(size_bytes)

    def commit(self, moment: Moment, make: Callable[[Since], Telemetry]) -> int | None:
        """Write the next telemetry; returns its sequence number.

        Returns None where telemetry finds no space: it is counted as dropped, and what `make` would have
        told is told by the next one.
        """
        with self._journal.transaction() as db:
            if not self._space.takes_telemetry(moment):
                return None
            (after_seq,) = db.execute(
                "SELECT max(after_seq, last_seq - ?) FROM telemetry, appliance", (MAX_COUNTED,)
            ).fetchone()
            rows = db.execute("SELECT seq, event FROM records WHERE seq > ? ORDER BY seq", (after_seq,))
            bodies = (events.decoded(seq, data).body for seq, data in rows)
            since = Since(*self.last(), bodies, self._depth(), self._space.used_share())
            body = Measured(make(since))
            seq = self._journal.commit(moment, body)
            db.execute(
                "UPDATE telemetry SET after_seq = ?, moment = ?, size_bytes = ?",
                (seq, msgspec.msgpack.encode(moment), len(canonical(Event(seq, moment, body)))),
            )
            return seq
