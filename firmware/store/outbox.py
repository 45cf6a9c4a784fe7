"""Records and the queue of those that the aggregator does not hold yet; runs in the caller's transaction."""

from __future__ import annotations

import msgspec
from sqlite_utils import Database

from firmware.event_message import canonical
from firmware.records import Event, EventBody, Lane, Moment, Queued, lane_of
from firmware.store.errors import NeverGiven, StoreDamaged
from trust.chain import next_link

_EVENT = msgspec.msgpack.Decoder(Event)


def put(database: Database, moment: Moment, body: EventBody) -> tuple[int, bytes]:
    """Give the next sequence number to an event, chain it and queue it; returns both."""
    # A write first: the transaction takes the write lock here and cannot lose a race later.
    seq, before = database.execute(
        "UPDATE appliance SET last_seq = last_seq + 1 RETURNING last_seq, link"
    ).fetchone()
    event = Event(seq, moment, body)
    link = next_link(before, canonical(event))
    database.execute("UPDATE appliance SET link = ?", (link,))
    database.execute(
        "INSERT INTO records (seq, event, link) VALUES (?, ?, ?)", (seq, msgspec.msgpack.encode(event), link)
    )
    _queue(database, event)
    return seq, link


def pending(database: Database, after_seq: int, limit: int) -> list[Queued]:
    """Return the first events after `after_seq` that still wait, in order."""
    rows = database.execute(
        "SELECT seq, event, link FROM outbox JOIN records USING (seq) WHERE seq > ? ORDER BY seq LIMIT ?",
        (after_seq, limit),
    )
    return [Queued(decoded(seq, data), link) for seq, data, link in rows]


def depth(database: Database) -> int:
    """Return how many events wait."""
    (waiting,) = database.execute("SELECT count(*) FROM outbox").fetchone()
    return int(waiting)


def lanes(database: Database) -> dict[Lane, int]:
    """Return how many events wait in each lane that has any."""
    rows = database.execute("SELECT lane, count(*) FROM outbox GROUP BY lane")
    return {Lane(lane): count for lane, count in rows}


def acknowledge(database: Database, last_seq: int, seq: int, moment: Moment) -> int:
    """Take everything up to seq from the queue; returns how many events that was. Raises NeverGiven."""
    if seq > last_seq:
        raise NeverGiven(
            f"an acknowledgement of event {seq} came, but only {last_seq} were given: check which aggregator "
            "answers at `uplink.target`"
        )
    taken = database.execute("DELETE FROM outbox WHERE seq <= ?", (seq,)).rowcount
    if taken:
        database.execute(
            "INSERT OR REPLACE INTO acknowledgements (seq, moment) VALUES (?, ?)",
            (seq, msgspec.msgpack.encode(moment)),
        )
    return taken


def requeue(database: Database, after_seq: int) -> int:
    """Queue again what is kept after `after_seq`; returns how many events that was."""
    rows = database.execute(
        "SELECT seq, event FROM records WHERE seq > ? AND seq NOT IN (SELECT seq FROM outbox)", (after_seq,)
    ).fetchall()
    for seq, data in rows:
        _queue(database, decoded(seq, data))
    return len(rows)


def purge(database: Database, now: Moment, keep_ns: int) -> int:
    """Delete the records whose acknowledgement is `keep_ns` old or of unknown age; returns how many."""
    acknowledgements = database.execute("SELECT seq, moment FROM acknowledgements ORDER BY seq DESC")
    due = (
        seq
        for seq, data in acknowledgements
        if not _is_fresh(msgspec.msgpack.decode(data, type=Moment), now, keep_ns)
    )
    # Acknowledgements are cumulative: what is due up to one row is due up to all rows before it.
    newest_due: int | None = next(due, None)
    if newest_due is None:
        return 0
    database.execute("DELETE FROM acknowledgements WHERE seq <= ?", (newest_due,))
    return database.execute(
        "DELETE FROM records WHERE seq <= ? AND seq NOT IN (SELECT seq FROM outbox)", (newest_due,)
    ).rowcount


def _queue(database: Database, event: Event) -> None:
    kind = str(event.body.__struct_config__.tag)
    database.execute(
        "INSERT INTO outbox (seq, lane, kind) VALUES (?, ?, ?)", (event.seq, lane_of(event.body).value, kind)
    )


def _is_fresh(then: Moment, now: Moment, keep_ns: int) -> bool:
    if then.boot_id == now.boot_id:
        return now.monotonic_ns - then.monotonic_ns < keep_ns
    # Across boots only a set clock can tell the age; without one the record goes at once, since it is safe
    # at the aggregator and may not stay here longer than promised.
    return then.quality.is_set and now.quality.is_set and 0 <= now.wall_ns - then.wall_ns < keep_ns


def decoded(seq: int, data: bytes) -> Event:
    """Return the event of a row. Raises StoreDamaged."""
    try:
        event = _EVENT.decode(data)
    except msgspec.DecodeError as error:
        raise StoreDamaged(f"event {seq} cannot be read; run `aidpost doctor`") from error
    if event.seq != seq:
        raise StoreDamaged(f"event {seq} is not the one that was written there; run `aidpost doctor`")
    return event
