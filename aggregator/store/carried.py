"""Stores a bundle, whole or not at all, also while a server writes to the same store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from sqlite_utils import Database

from aggregator.holdings import EnrolmentState
from aggregator.records import Batch, Hello
from aggregator.store import chain, ingest


class Stored(msgspec.Struct, frozen=True):
    """What became of a bundle.

    stored, repeated: events. acked_seq: everything up to it is held. head: the chain's value there, None
    where the chain is broken. breaks: ranges of numbers, noticed now.
    """

    stored: int
    repeated: int
    acked_seq: int
    head: bytes | None
    breaks: tuple[tuple[int, int], ...]


class Contradicts(Exception):
    """Numbers of the bundle are held with other content; nothing of it was stored."""

    def __init__(self, seqs: Sequence[int]) -> None:
        super().__init__(f"{len(seqs)} numbers from {seqs[0]} on are held with other content")


def device_keys(db: Database, device_id: str, site: str) -> tuple[bytes, ...]:
    """Return the keys (SubjectPublicKeyInfo, DER) that may sign for a device: approved, or replaced since."""
    good = (EnrolmentState.APPROVED.value, EnrolmentState.REPLACED.value)
    rows = db.execute(
        "SELECT public_key FROM enrolments WHERE device_id = ? AND site = ? AND state IN (?, ?)",
        (device_id, site, *good),
    )
    return tuple(key for (key,) in rows)


def store_bundle(db: Database, hello: Hello, batches: Sequence[Batch], now_ns: int) -> Stored:
    """Store the batches in one transaction. Raises Contradicts."""
    with _at_once(db):
        admitted = ingest.admit_carried(db, hello, now_ns)
        kept = [ingest.keep(db, admitted, batch, now_ns) for batch in batches]
        if conflicts := [seq for each in kept for seq in each.conflicts]:
            raise Contradicts(conflicts)
        acked_seq, head = chain.head(db, admitted.device_id, admitted.epoch, admitted.outbox)
        return Stored(
            stored=sum(each.stored for each in kept),
            repeated=sum(each.repeated for each in kept),
            acked_seq=acked_seq,
            head=head,
            breaks=tuple(broken for each in kept for broken in each.new_breaks),
        )


@contextmanager
def _at_once(db: Database) -> Iterator[None]:
    """Take the write lock at the beginning: a server may commit between a read and a write."""
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.conn.rollback()
        raise
    db.conn.commit()
