"""Events as they are written: numbered, chained and queued; runs in the caller's transaction."""

from __future__ import annotations

import msgspec
from sqlite_utils import Database

from firmware.event_message import canonical
from firmware.records import Event, EventBody, Moment, lane_of
from firmware.store.errors import StoreDamaged
from trust.chain import next_link

_EVENT = msgspec.msgpack.Decoder(Event)


def put(database: Database, moment: Moment, body: EventBody) -> tuple[int, bytes]:
    """Give the next sequence number to an event, chain it and queue it; returns number and link."""
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
    queue(database, event)
    return seq, link


def queue(database: Database, event: Event) -> None:
    """Put an event that is written into the outbox."""
    kind = str(event.body.__struct_config__.tag)
    database.execute(
        "INSERT INTO outbox (seq, lane, kind) VALUES (?, ?, ?)", (event.seq, lane_of(event.body).value, kind)
    )


def decoded(seq: int, data: bytes) -> Event:
    """Return the event of a row. Raises StoreDamaged."""
    try:
        event = _EVENT.decode(data)
    except msgspec.DecodeError as error:
        raise StoreDamaged(f"event {seq} cannot be read; run `aidpost doctor`") from error
    if event.seq != seq:
        raise StoreDamaged(f"event {seq} is not the one that was written there; run `aidpost doctor`")
    return event
