"""Answers to requests, kept for a day: the same request coming again changes nothing."""

from __future__ import annotations

import msgspec

from aggregator.store.port import Database

KEPT_NS = 24 * 3600 * 1_000_000_000


class Answered(msgspec.Struct, frozen=True):
    """The request came before, and this was the answer."""

    answer: bytes


class Reused(msgspec.Struct, frozen=True):
    """The identifier came before, with another request."""


def find(db: Database, actor: str, request_id: bytes, digest: bytes) -> Answered | Reused | None:
    """Return what became of a request; digest: SHA-256 of the call's name and the request."""
    row = db.execute(
        "SELECT digest, answer FROM requests WHERE actor = ? AND request_id = ?", (actor, request_id)
    ).fetchone()
    if row is None:
        return None
    return Answered(row[1]) if row[0] == digest else Reused()


def keep(db: Database, actor: str, request_id: bytes, digest: bytes, answer: bytes, now_ns: int) -> None:
    """Keep an answer, and drop those that are older than a day."""
    db.execute("DELETE FROM requests WHERE answered_ns < ?", (now_ns - KEPT_NS,))
    db.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", (actor, request_id, digest, answer, now_ns))
