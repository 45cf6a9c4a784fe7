"""Follows the devices' hash chains through what is held; every function runs in the writer's transaction.

A batch says what the chain is after its last event. That is held against the chain over the events that are
stored, as soon as none before them is missing. Where the two differ the data is kept and the break is noted.
"""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.records import Event
from aggregator.store.port import Database
from trust.chain import first_link, next_link


def claim(db: Database, outbox: int, seq: int, head: bytes) -> None:
    """Note what the device says its chain is after seq; what was followed already is not asked again."""
    db.execute(
        """INSERT INTO chain_claims SELECT outbox, :seq, :head FROM outboxes
           WHERE outbox = :outbox AND chain_seq < :seq ON CONFLICT DO NOTHING""",
        {"outbox": outbox, "seq": seq, "head": head},
    )


def follow(
    db: Database, device_id: str, epoch: bytes, outbox: int, acked_seq: int, now_ns: int
) -> tuple[bytes | None, tuple[tuple[int, int], ...]]:
    """Follow the chain up to acked_seq.

    Returns its value there, None when it is broken anywhere before, and the ranges of new breaks: one of the
    events of each is not what the device chained.
    """
    chain_seq, head, claimed_seq = db.execute(
        "SELECT chain_seq, chain_head, claimed_seq FROM outboxes WHERE outbox = ?", (outbox,)
    ).fetchone()
    head = head or first_link(device_id, epoch)
    breaks = []
    if acked_seq > chain_seq:
        claims = dict(
            db.execute(
                "SELECT seq, head FROM chain_claims WHERE outbox = ? AND seq <= ?", (outbox, acked_seq)
            ).fetchall()
        )
        for seq, content in db.execute(
            "SELECT seq, content FROM events WHERE outbox = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (outbox, chain_seq + 1, acked_seq),
        ):
            head = next_link(head, content)
            if (claimed := claims.get(seq)) is not None:
                if claimed != head:
                    breaks.append((claimed_seq + 1, seq))
                    head = claimed  # from here on the device's own chain, so that one break is one alarm
                claimed_seq = seq
        db.execute(
            "UPDATE outboxes SET chain_seq = ?, chain_head = ?, claimed_seq = ? WHERE outbox = ?",
            (acked_seq, head, claimed_seq, outbox),
        )
        db.execute("DELETE FROM chain_claims WHERE outbox = ? AND seq <= ?", (outbox, acked_seq))
        for first_seq, last_seq in breaks:
            note_break(db, outbox, first_seq, last_seq, now_ns)
    return (None if _is_broken(db, outbox) else head), tuple(breaks)


def after(head: bytes | None, device_id: str, epoch: bytes, new: Sequence[Event]) -> bytes:
    """Return the chain's value after events that come next; head: before them, None before the first."""
    head = head or first_link(device_id, epoch)
    for event in new:
        head = next_link(head, event.content)
    return head


def note_break(db: Database, outbox: int, first_seq: int, last_seq: int, now_ns: int) -> None:
    """One of these events is not what the device chained."""
    db.execute("INSERT INTO chain_breaks VALUES (?, ?, ?, ?)", (outbox, first_seq, last_seq, now_ns))


def head(db: Database, device_id: str, epoch: bytes, outbox: int) -> tuple[int, bytes | None]:
    """Return how far the chain was followed, and its value there, None when it is broken."""
    seq, value = db.execute(
        "SELECT chain_seq, chain_head FROM outboxes WHERE outbox = ?", (outbox,)
    ).fetchone()
    return seq, None if _is_broken(db, outbox) else value or first_link(device_id, epoch)


def _is_broken(db: Database, outbox: int) -> bool:
    (broken,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM chain_breaks WHERE outbox = ?)", (outbox,)
    ).fetchone()
    return bool(broken)
