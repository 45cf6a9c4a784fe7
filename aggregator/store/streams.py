"""Which worker holds the stream of each device, where several share a store: the latest one counts."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from aggregator.store.port import Database

BEAT_S = 5.0
DEAD_NS = 15 * 1_000_000_000
"""A worker that was not heard of for three beats is dead, and its devices are connected to nobody."""


def take(db: Database, device_id: str, worker: str) -> int:
    """Let a worker hold the device's stream from now on; returns the stream's number, above all before."""
    (number,) = db.execute(
        """INSERT INTO streams VALUES (?, 1, ?) ON CONFLICT (device_id)
           DO UPDATE SET number = streams.number + 1, worker = excluded.worker RETURNING number""",
        (device_id, worker),
    ).fetchone()
    return int(number)


def leave(db: Database, device_id: str, number: int) -> None:
    """The stream of this number is over; a later one stays."""
    db.execute("UPDATE streams SET worker = '' WHERE device_id = ? AND number = ?", (device_id, number))


def shut_out(db: Database, device_id: str) -> None:
    """No stream of the device counts any more: a worker that is not told stores nothing that comes on one,
    sends nothing there, and ends it at its next beat.
    """
    db.execute("UPDATE streams SET number = number + 1, worker = '' WHERE device_id = ?", (device_id,))


class Beat(msgspec.Struct, frozen=True):
    """streams: that are the worker's own still, by device. ahead_ns: of the database's clock, at least."""

    streams: dict[str, int]
    ahead_ns: int


def beat(db: Database, worker: str, wall_ns: Callable[[], int]) -> Beat:
    """Say that a worker with this clock is alive."""
    before_ns = wall_ns()
    (beat_ns,) = db.execute(
        """INSERT INTO workers VALUES (?, clock_ns())
           ON CONFLICT (worker) DO UPDATE SET beat_ns = excluded.beat_ns RETURNING beat_ns""",
        (worker,),
    ).fetchone()
    after_ns = wall_ns()
    # The other clock was read somewhere in between.
    ahead_ns = before_ns - beat_ns if before_ns > beat_ns else min(0, after_ns - beat_ns)
    own = db.execute("SELECT device_id, number FROM streams WHERE worker = ?", (worker,)).fetchall()
    return Beat(dict(own), ahead_ns)


def retire(db: Database, worker: str) -> None:
    """A worker has ended; workers that are dead for long are forgotten with it."""
    db.execute("UPDATE streams SET worker = '' WHERE worker = ?", (worker,))
    db.execute("DELETE FROM workers WHERE worker = ? OR beat_ns < clock_ns() - ?", (worker, 1000 * DEAD_NS))


def connected(db: Database, worker: str) -> frozenset[str]:
    """Return the devices whose stream a living worker other than this one holds."""
    rows = db.execute(
        """SELECT device_id FROM streams JOIN workers USING (worker)
           WHERE worker <> ? AND beat_ns > clock_ns() - ?""",
        (worker, DEAD_NS),
    )
    return frozenset(device_id for (device_id,) in rows)
