"""What a hello and a batch change in the store; every function runs inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from aggregator.fleet.health import usual_silence_ns
from aggregator.records import (
    Batch,
    CheckIn,
    CommandResult,
    DeviceFault,
    Event,
    Hello,
    Resemblance,
)
from aggregator.store import adjudications, chain, commands, event_rows, fleet_devices, telemetry
from aggregator.store.fleet_states import recompute
from aggregator.store.many import rows_of
from aggregator.store.port import Database
from aggregator.store.sums import Sums


class Admitted(msgspec.Struct, frozen=True):
    """The device may send; outbox: the store's own number for (device, epoch).

    stream: the number of its stream among workers, 0 where there is one worker, or no stream.
    """

    outbox: int
    acked_seq: int
    device_id: str
    epoch: bytes
    stream: int = 0


class OutboxBehind(msgspec.Struct, frozen=True):
    """The outbox has given fewer numbers than are held: a copied or restored card would repeat them."""

    held_seq: int
    first_time: bool


Admission: TypeAlias = Admitted | OutboxBehind


class Kept(msgspec.Struct, frozen=True):
    """What became of a batch.

    acked_seq: everything up to it is held. chain_head: the chain's value there, None where nothing is new or
    the chain does not hold. new_breaks: ranges of numbers in which it does not, noticed now.
    stored, repeated: events. conflicts: numbers whose content differs
    from what is held; new_conflicts: those seen for the first time.
    superseded: nothing was stored, since the device has a later stream.
    """

    acked_seq: int
    chain_head: bytes | None
    new_breaks: tuple[tuple[int, int], ...]
    stored: int
    repeated: int
    conflicts: tuple[int, ...]
    new_conflicts: tuple[int, ...]
    superseded: bool = False


def admit(db: Database, hello: Hello, now_ns: int) -> Admission:
    """Note the device and its outbox, and say where to go on."""
    outbox, acked_seq, top_seq, disputed_ns = _note(db, hello, now_ns)
    if hello.last_seq < top_seq:
        db.execute("UPDATE outboxes SET disputed_ns = ? WHERE outbox = ?", (now_ns, outbox))
        return OutboxBehind(top_seq, first_time=disputed_ns is None)
    db.execute("UPDATE outboxes SET told_seq = ? WHERE outbox = ?", (hello.last_seq, outbox))
    return Admitted(outbox, acked_seq, hello.device_id, hello.epoch)


def admit_carried(db: Database, hello: Hello, now_ns: int) -> Admitted:
    """Note the device and its outbox for a bundle, which may be older than what came over the link."""
    outbox, acked_seq, _, _ = _note(db, hello, now_ns)
    db.execute("UPDATE outboxes SET told_seq = max(told_seq, ?) WHERE outbox = ?", (hello.last_seq, outbox))
    return Admitted(outbox, acked_seq, hello.device_id, hello.epoch)


def _note(db: Database, hello: Hello, now_ns: int) -> tuple[int, int, int, int | None]:
    before = db.execute(
        "SELECT site, software_version, last_seen_ns, usual_silence_ns FROM devices WHERE device_id = ?",
        (hello.device_id,),
    ).fetchone()
    silence_ns = usual_silence_ns(before[3], now_ns - before[2]) if before else 0
    db.execute(
        """INSERT INTO devices
               (device_id, site, software_version, first_seen_ns, last_seen_ns, usual_silence_ns)
           VALUES (:device_id, :site, :version, :now, :now, :silence)
           ON CONFLICT (device_id) DO UPDATE SET site = :site, software_version = :version,
               last_seen_ns = :now, usual_silence_ns = :silence""",
        {
            "device_id": hello.device_id,
            "site": hello.site,
            "version": hello.software_version,
            "now": now_ns,
            "silence": silence_ns,
        },
    )
    if before is None or before[:2] != (hello.site, hello.software_version):
        recompute(db, now_ns, {hello.device_id})  # its site's desires, and its groups, may be others now
    key = (hello.device_id, hello.epoch)
    db.execute("INSERT INTO outboxes (device_id, epoch) VALUES (?, ?) ON CONFLICT DO NOTHING", key)
    found: tuple[int, int, int, int | None] = db.execute(
        "SELECT outbox, acked_seq, top_seq, disputed_ns FROM outboxes WHERE device_id = ? AND epoch = ?", key
    ).fetchone()
    return found


def keep(db: Database, admitted: Admitted, batch: Batch, now_ns: int) -> Kept:
    """Store the events that are not held yet; refuse those that contradict what is held."""
    keeping = Keeping(db)
    kept = keeping.keep(admitted, batch, now_ns)
    keeping.finish()
    return kept


@dataclass(slots=True)
class _Outbox:
    """An outbox' row, as it will be written."""

    site: str
    acked_seq: int
    top_seq: int
    held: int
    told_seq: int
    chain_seq: int
    chain_head: bytes | None
    claimed_seq: int
    broken: int
    stream: int


class Keeping:
    """The batches of one transaction; what they change is written together, at the latest by `finish`.

    Statements are what most of the time goes into. outboxes: of the batches that will come.
    """

    def __init__(self, db: Database, outboxes: Collection[int] = ()) -> None:
        self._db = db
        self._announced = set(outboxes)
        self._outboxes: dict[int, _Outbox] = {}
        self._changed: set[int] = set()
        self._rows: list[tuple[Any, ...]] = []
        self._seen: dict[str, int] = {}
        self._sums = Sums()

    def keep(self, admitted: Admitted, batch: Batch, now_ns: int) -> Kept:
        """Store the events that are not held yet; refuse those that contradict what is held."""
        outbox, events = admitted.outbox, batch.events
        if outbox not in self._outboxes:
            self._look_up(outbox)
        row = self._outboxes[outbox]
        if admitted.stream and row.stream > admitted.stream:
            return Kept(row.acked_seq, None, (), 0, 0, (), (), superseded=True)
        self._changed.add(outbox)
        acked_before = row.acked_seq
        conflicting: list[Event] = []
        new: Sequence[Event] = events
        if events[0].seq <= row.top_seq:
            self._write_events()
            known = _held(self._db, outbox, events[0].seq, events[-1].seq)
            # Telemetry is erased after a day: what was acknowledged is held, or was.
            new = [event for event in events if event.seq not in known and event.seq > acked_before]
            conflicting = [event for event in events if known.get(event.seq, event.content) != event.content]
        if new:
            self._keep_new(admitted, row, new, events[-1], now_ns)
        row.told_seq = max(row.told_seq, row.top_seq)
        head, new_breaks = self._follow(admitted, row, acked_before, batch, new, now_ns)
        self._seen[admitted.device_id] = now_ns
        return Kept(
            acked_seq=row.acked_seq,
            chain_head=head if row.acked_seq > acked_before else None,
            new_breaks=new_breaks,
            stored=len(new),
            repeated=len(events) - len(new) - len(conflicting),
            conflicts=tuple(event.seq for event in conflicting),
            new_conflicts=tuple(
                event.seq for event in conflicting if _keep_apart(self._db, outbox, event, now_ns)
            ),
        )

    def settled(self) -> Database:
        """Write all but the sums, and return the database: others may read and change what is there."""
        self._write_events()
        self._db.execute_many(
            """UPDATE outboxes SET acked_seq = ?, top_seq = ?, held = ?, told_seq = ?, chain_seq = ?,
                   chain_head = ?, claimed_seq = ? WHERE outbox = ?""",
            [
                (row.acked_seq, row.top_seq, row.held, row.told_seq, row.chain_seq, row.chain_head,
                 row.claimed_seq, outbox)
                for outbox, row in sorted(self._outboxes.items())
                if outbox in self._changed
            ],
        )  # fmt: skip
        self._outboxes.clear()
        self._changed.clear()
        self._db.execute_many(
            "UPDATE devices SET last_seen_ns = ? WHERE device_id = ?",
            [(now_ns, device_id) for device_id, now_ns in sorted(self._seen.items())],
        )
        self._seen.clear()
        return self._db

    def finish(self) -> None:
        """Write everything; the transaction can be committed."""
        self._sums.write(self.settled())

    def _look_up(self, outbox: int) -> None:
        """Read its row, and with the first those of all that were announced."""
        wanted, self._announced = self._announced | {outbox}, set()
        for outbox, *columns in rows_of(
            self._db,
            """SELECT outbox, site, acked_seq, top_seq, held, told_seq, chain_seq, chain_head, claimed_seq,
                   EXISTS (SELECT 1 FROM chain_breaks WHERE chain_breaks.outbox = outboxes.outbox),
                   coalesce(streams.number, 0)
               FROM outboxes JOIN devices USING (device_id) LEFT JOIN streams USING (device_id)
               WHERE outbox IN (?*)""",
            wanted,
        ):
            self._outboxes[outbox] = _Outbox(*columns)

    def _keep_new(
        self, admitted: Admitted, row: _Outbox, new: Sequence[Event], newest: Event, now_ns: int
    ) -> None:
        db, outbox, device_id = self._db, admitted.outbox, admitted.device_id
        self._rows.extend(event_rows.row(outbox, event, now_ns) for event in new)
        row.top_seq = max(row.top_seq, new[-1].seq)
        row.held += len(new)
        if row.held == row.top_seq:
            row.acked_seq = row.top_seq
        else:
            self._write_events()
            row.acked_seq = _first_gap(db, outbox, row.acked_seq)
        self._sums.note(device_id, row.site, new, newest, now_ns)
        others = [event for event in new if not isinstance(event.body, CheckIn)]
        telemetry.note(db, device_id, others, newest, now_ns)
        for event in others:
            if isinstance(event.body, CommandResult):
                commands.note_result(db, device_id, event.body, now_ns)
            elif isinstance(event.body, Resemblance):
                adjudications.note(db, device_id, event.body, now_ns)
            elif isinstance(event.body, DeviceFault):
                fleet_devices.note_fault(db, device_id, event.body, now_ns)

    def _follow(
        self,
        admitted: Admitted,
        row: _Outbox,
        acked_before: int,
        batch: Batch,
        new: Sequence[Event],
        now_ns: int,
    ) -> tuple[bytes | None, tuple[tuple[int, int], ...]]:
        """Follow the chain; returns what `chain.follow` does.

        Through events that come next after what was followed it is computed here: to read them back took a
        tenth of the time of storing.
        """
        onward = row.chain_seq == acked_before and bool(new) and row.acked_seq - row.chain_seq == len(new)
        if not (onward and new[0].seq == row.chain_seq + 1 and new[-1].seq == row.acked_seq):
            db, outbox = self.settled(), admitted.outbox
            chain.claim(db, outbox, batch.events[-1].seq, batch.chain_head)
            return chain.follow(db, admitted.device_id, admitted.epoch, outbox, row.acked_seq, now_ns)
        head = chain.after(row.chain_head, admitted.device_id, admitted.epoch, new)
        breaks = () if head == batch.chain_head else ((row.claimed_seq + 1, new[-1].seq),)
        for first_seq, last_seq in breaks:
            chain.note_break(self._db, admitted.outbox, first_seq, last_seq, now_ns)
            row.broken = 1
        row.chain_seq = row.claimed_seq = new[-1].seq
        row.chain_head = batch.chain_head  # the device's own chain, so that one break is one alarm
        return (None if row.broken else head), breaks

    def _write_events(self) -> None:
        self._db.insert_many("events", event_rows.COLUMNS, self._rows)
        self._rows.clear()


def _held(db: Database, outbox: int, first_seq: int, last_seq: int) -> dict[int, bytes]:
    rows = db.execute(
        "SELECT seq, content FROM events WHERE outbox = ? AND seq BETWEEN ? AND ?",
        (outbox, first_seq, last_seq),
    )
    return dict(rows.fetchall())


def _first_gap(db: Database, outbox: int, acked_seq: int) -> int:
    """Return the last number before the first one that is missing above acked_seq."""
    for (seq,) in db.execute(
        "SELECT seq FROM events WHERE outbox = ? AND seq > ? ORDER BY seq", (outbox, acked_seq)
    ):
        if seq != acked_seq + 1:
            break
        acked_seq = seq
    return acked_seq


def _keep_apart(db: Database, outbox: int, event: Event, now_ns: int) -> bool:
    """Keep a refused second version; return whether it is the first time that it was seen."""
    inserted = db.execute(
        "INSERT INTO conflicts VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (outbox, event.seq, event.content, now_ns),
    )
    return inserted.rowcount == 1
