"""The queue of the events that the aggregator does not hold yet, and what it says that it holds."""

from __future__ import annotations

import msgspec

from firmware.records import Lane, Moment, Queued, SignedReceipt
from firmware.store import events, receipts
from firmware.store.errors import NeverGiven
from firmware.store.journal import Journal
from firmware.store.space import Space

KEEP_ACKNOWLEDGED_NS = 24 * 3600 * 1_000_000_000  # sent records leave the device within a day


class Outbox:
    """What waits, in order; all methods raise StoreError kinds.

    epoch: of the store, 16 bytes; receipts are about its chain. space: what an acknowledgement frees.
    """

    def __init__(self, journal: Journal, epoch: bytes, space: Space) -> None:
        self._journal = journal
        self._epoch = epoch
        self._space = space

    def last_seq(self) -> int:
        """Return the highest sequence number given, 0 before the first."""
        with self._journal.reading() as db:
            (seq,) = db.execute("SELECT last_seq FROM appliance").fetchone()
        return int(seq)

    def pending(self, after_seq: int, limit: int) -> list[Queued]:
        """Return the first events after `after_seq` that the aggregator does not hold, in order."""
        with self._journal.reading() as db:
            rows = db.execute(
                """SELECT seq, event, link FROM outbox JOIN records USING (seq)
                   WHERE seq > ? ORDER BY seq LIMIT ?""",
                (after_seq, limit),
            )
            return [Queued(events.decoded(seq, data), link) for seq, data, link in rows]

    def depth(self) -> int:
        """Return how many events wait."""
        with self._journal.reading() as db:
            (waiting,) = db.execute("SELECT count(*) FROM outbox").fetchone()
        return int(waiting)

    def lanes(self) -> dict[Lane, int]:
        """Return how many events wait in each lane that has any."""
        with self._journal.reading() as db:
            rows = db.execute("SELECT lane, count(*) FROM outbox GROUP BY lane")
            return {Lane(lane): count for lane, count in rows}

    def next_generation(self) -> int:
        """Return the generation of the next hello to the aggregator: one that was never used before."""
        with self._journal.transaction() as db:
            (generation,) = db.execute(
                "UPDATE appliance SET generation = generation + 1 RETURNING generation"
            ).fetchone()
        return int(generation)

    def knows_aggregator(self) -> bool:
        """Whether the key of the aggregator's receipts was seen."""
        with self._journal.reading() as db:
            return bool(db.execute("SELECT receipt_key FROM appliance").fetchone()[0])

    def receipt_holds(self, receipt: SignedReceipt) -> bool:
        """Whether the aggregator signed what this store holds, with the key that it had the first time."""
        with self._journal.reading() as db:
            return receipts.holds(db, self._journal.device_id, self._epoch, receipt)

    def acknowledge(self, seq: int, moment: Moment, receipt: SignedReceipt | None = None) -> int:
        """Take everything up to seq from the outbox; returns how many events that was.

        receipt: kept with it; `receipt_holds` said yes. Lower numbers than before change nothing. Raises
        NeverGiven for a number that was never given.
        """
        with self._journal.transaction() as db:
            if receipt is not None:
                receipts.keep(db, receipt)
            last_seq = self.last_seq()
            if seq > last_seq:
                raise NeverGiven(
                    f"an acknowledgement of event {seq} came, but only {last_seq} were given: check which "
                    "aggregator answers at `uplink.target`"
                )
            taken = db.execute("DELETE FROM outbox WHERE seq <= ?", (seq,)).rowcount
            if taken:
                db.execute(
                    "INSERT OR REPLACE INTO acknowledgements (seq, moment) VALUES (?, ?)",
                    (seq, msgspec.msgpack.encode(moment)),
                )
                self._space.note_synced(moment)
        return taken

    def requeue(self, after_seq: int) -> int:
        """Queue again what is kept after `after_seq`, for an aggregator that went back to an older state.

        Returns how many events that was.
        """
        with self._journal.transaction() as db:
            rows = db.execute(
                "SELECT seq, event FROM records WHERE seq > ? AND seq NOT IN (SELECT seq FROM outbox)",
                (after_seq,),
            ).fetchall()
            for seq, data in rows:
                events.queue(db, events.decoded(seq, data))
        return len(rows)

    def purge_acknowledged(self, now: Moment, keep_ns: int = KEEP_ACKNOWLEDGED_NS) -> int:
        """Erase the records that were acknowledged `keep_ns` ago or at an unknown time; returns how many."""
        with self._journal.transaction():
            purged = self._purge(now, keep_ns)
        self._journal.erase_from_log(erased=purged > 0)
        return purged

    def _purge(self, now: Moment, keep_ns: int) -> int:
        db = self._journal.database
        acknowledgements = db.execute("SELECT seq, moment FROM acknowledgements ORDER BY seq DESC")
        due = (
            seq
            for seq, data in acknowledgements
            if not _is_fresh(msgspec.msgpack.decode(data, type=Moment), now, keep_ns)
        )
        # Acknowledgements are cumulative: what is due up to one row is due up to all rows before it.
        newest_due: int | None = next(due, None)
        if newest_due is None:
            return 0
        db.execute("DELETE FROM acknowledgements WHERE seq <= ?", (newest_due,))
        return db.execute(
            "DELETE FROM records WHERE seq <= ? AND seq NOT IN (SELECT seq FROM outbox)", (newest_due,)
        ).rowcount


def _is_fresh(then: Moment, now: Moment, keep_ns: int) -> bool:
    if then.boot_id == now.boot_id:
        return now.monotonic_ns - then.monotonic_ns < keep_ns
    # Across boots only a set clock can tell the age; without one the record goes at once, since it is safe
    # at the aggregator and may not stay here longer than promised.
    return then.quality.is_set and now.quality.is_set and 0 <= now.wall_ns - then.wall_ns < keep_ns
