"""Stores a bundle, whole or not at all, also while a server writes to the same store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from aggregator.holdings import EnrolmentState
from aggregator.records import Batch, Hello
from aggregator.store import chain, ingest
from aggregator.store.port import Database
from trust.checking import key_words


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


class Distrust(msgspec.Struct, frozen=True):
    """Why nobody but a person can say that a bundle is the device's; final: nor can a person."""

    why: str
    final: bool = False


def distrust(db: Database, hello: Hello, public_key: bytes) -> Distrust | None:
    """Return why a bundle signed by this key (SubjectPublicKeyInfo, DER) is not taken by itself, or None.

    The times in a bundle are the signer's own word, so nothing tells whether a key that was replaced signed
    before or after. A key that waits for another approval, as after a year without power, still has its
    certificates: those of a key that was shut out, or asks for another site, are deleted when it asks.
    """
    row = db.execute(
        """SELECT state, site, EXISTS (SELECT 1 FROM certificates AS c WHERE c.enrolment = e.enrolment)
           FROM enrolments AS e WHERE device_id = ? AND public_key = ?""",
        (hello.device_id, public_key),
    ).fetchone()
    who, words = f"{hello.device_id} of {hello.site}", key_words(public_key)
    if row is None:
        return Distrust(f"no device that joined as {who} has its key ({words})")
    state, site, certified = EnrolmentState(row[0]), row[1], bool(row[2])
    if state is EnrolmentState.REVOKED:
        return Distrust(f"its key ({words}) was revoked", final=True)
    if site != hello.site:
        return Distrust(f"no device that joined as {who} has its key ({words})")
    match state:
        case EnrolmentState.APPROVED:
            return None
        case EnrolmentState.PENDING:
            return None if certified else Distrust(f"its key ({words}) waits for an operator's approval")
        case EnrolmentState.HELD:
            return Distrust(f"its device was seen twice ({words}) and waits for an operator")
        case EnrolmentState.REPLACED:
            return Distrust(f"its key ({words}) was replaced by another")
        case _:
            assert_never(state)


def store_bundle(db: Database, hello: Hello, batches: Sequence[Batch], now_ns: int) -> Stored:
    """Store the batches in one transaction. Raises Contradicts."""
    with db.atomic():
        db.take_turn()
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
