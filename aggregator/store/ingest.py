"""What a hello and a batch change in the store; every function runs inside the writer's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from aggregator.fleet.health import usual_silence_ns
from aggregator.records import (
    COLLECTED_TWICE,
    Batch,
    CheckIn,
    CollectionConflict,
    CommandResult,
    DeviceFault,
    Event,
    Hello,
    Outcome,
    Resemblance,
    Service,
)
from aggregator.store import adjudications, chain, commands, event_rows, fleet_devices, telemetry
from aggregator.store.fleet_states import recompute
from aggregator.store.port import Database
from trust.service import Answer


class Admitted(msgspec.Struct, frozen=True):
    """The device may send; outbox: the store's own number for (device, epoch)."""

    outbox: int
    acked_seq: int
    device_id: str
    epoch: bytes


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
    """

    acked_seq: int
    chain_head: bytes | None
    new_breaks: tuple[tuple[int, int], ...]
    stored: int
    repeated: int
    conflicts: tuple[int, ...]
    new_conflicts: tuple[int, ...]


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
    outbox, events = admitted.outbox, batch.events
    acked_before, top_seq, held, chain_seq = db.execute(
        "SELECT acked_seq, top_seq, held, chain_seq FROM outboxes WHERE outbox = ?", (outbox,)
    ).fetchone()
    acked_seq = acked_before
    conflicting: list[Event] = []
    new: Sequence[Event] = events
    if events[0].seq <= top_seq:
        known = _held(db, outbox, events[0].seq, events[-1].seq)
        # Telemetry is erased after a day: what was acknowledged is held, or was.
        new = [event for event in events if event.seq not in known and event.seq > acked_before]
        conflicting = [event for event in events if known.get(event.seq, event.content) != event.content]
    if new:
        event_rows.insert(db, outbox, new, now_ns)
        top_seq = max(top_seq, new[-1].seq)
        held += len(new)
        acked_seq = top_seq if held == top_seq else _first_gap(db, outbox, acked_seq)
        _tally(db, new, now_ns)
        telemetry.note(db, admitted.device_id, new, events[-1], now_ns)
        for event in new:
            if isinstance(event.body, CommandResult):
                commands.note_result(db, admitted.device_id, event.body, now_ns)
            elif isinstance(event.body, Resemblance):
                adjudications.note(db, admitted.device_id, event.body, now_ns)
            elif isinstance(event.body, DeviceFault):
                fleet_devices.note_fault(db, admitted.device_id, event.body, now_ns)
    db.execute(
        """UPDATE outboxes SET acked_seq = ?, top_seq = ?, held = ?, told_seq = max(told_seq, ?)
           WHERE outbox = ?""",
        (acked_seq, top_seq, held, top_seq, outbox),
    )
    onward = chain_seq == acked_before and bool(new) and acked_seq - chain_seq == len(new)
    if onward and new[0].seq == chain_seq + 1 and new[-1].seq == acked_seq:
        head, new_breaks = chain.follow_new(
            db, admitted.device_id, admitted.epoch, outbox, new, batch.chain_head, now_ns
        )
    else:
        chain.claim(db, outbox, events[-1].seq, batch.chain_head)
        head, new_breaks = chain.follow(db, admitted.device_id, admitted.epoch, outbox, acked_seq, now_ns)
    db.execute("UPDATE devices SET last_seen_ns = ? WHERE device_id = ?", (now_ns, admitted.device_id))
    return Kept(
        acked_seq=acked_seq,
        chain_head=head if acked_seq > acked_before else None,
        new_breaks=new_breaks,
        stored=len(new),
        repeated=len(events) - len(new) - len(conflicting),
        conflicts=tuple(event.seq for event in conflicting),
        new_conflicts=tuple(event.seq for event in conflicting if _keep_apart(db, outbox, event, now_ns)),
    )


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


def _tally(db: Database, events: Sequence[Event], now_ns: int) -> None:
    day = datetime.fromtimestamp(now_ns / 1e9, UTC).date().isoformat()
    outcomes: Counter[Outcome | Answer | str] = Counter()
    for event in events:
        match event.body:
            case CheckIn(outcome=outcome):
                outcomes[outcome] += 1
            case Service(answer=answer):
                outcomes[answer] += 1
            case CollectionConflict():
                outcomes[COLLECTED_TWICE] += 1
            case _:
                pass
    for counted, count in outcomes.items():
        db.execute(
            """INSERT INTO tallies VALUES (?, ?, ?)
               ON CONFLICT (day, outcome) DO UPDATE SET count = tallies.count + excluded.count""",
            (day, counted if isinstance(counted, str) else counted.value, count),
        )
