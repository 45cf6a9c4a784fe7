"""The audit log of administration: append-only, hash-chained, written in the act's own transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from aggregator.holdings import AuditEntry
from aggregator.store.port import Database

_BEGINNING = bytes(32)
EVERY = 2**62
"""As a limit: no limit. PostgreSQL takes no negative one."""
_NEVER = 2**63 - 1


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, newest first; broken: number of the first that does not hold; held: the last before it."""

    entries: tuple[AuditEntry, ...]
    broken: int | None
    held: AuditEntry | None


def append(db: Database, at_ns: int, actor: str, act: str, subject: str) -> None:
    """Write who did what to whom; actor: role and name."""
    db.need_turn()
    last = db.execute("SELECT number, chain FROM administration ORDER BY number DESC LIMIT 1").fetchone()
    number, before = (last[0] + 1, last[1]) if last else (1, _BEGINNING)
    chain = _chain(before, number, at_ns, actor, act, subject)
    db.execute(
        "INSERT INTO administration VALUES (?, ?, ?, ?, ?, ?)", (number, at_ns, actor, act, subject, chain)
    )


def read(db: Database, from_number: int, limit: int) -> tuple[AuditEntry, ...]:
    """Return entries in order."""
    return tuple(_read(db, from_number, limit))


def read_latest(db: Database, before_number: int | None, limit: int) -> tuple[AuditEntry, ...]:
    """Return the latest entries, or the latest before a number, newest first."""
    rows = db.execute(
        """SELECT number, at_ns, actor, act, subject, chain FROM administration
           WHERE number < ? ORDER BY number DESC LIMIT ?""",
        (_NEVER if before_number is None else before_number, limit),
    )
    return tuple(AuditEntry(*row) for row in rows)


def first_broken(db: Database, checked: AuditEntry | None = None) -> int | None:
    """Check the chain; returns the number of the first entry that does not hold, None when all do.

    checked: the last entry that was found to hold; those up to it are not looked at again.
    """
    number, before = (checked.number, checked.chain) if checked else (0, _BEGINNING)
    for expected, entry in enumerate(_read(db, number + 1, EVERY), number + 1):
        chain = _chain(before, entry.number, entry.at_ns, entry.actor, entry.act, entry.subject)
        if entry.number != expected or chain != entry.chain:
            return expected
        before = chain
    return None


def read_page(db: Database, checked: AuditEntry | None, before_number: int | None, limit: int) -> AuditPage:
    """Return a page of the log, and check the chain from `checked` on, the last that was found to hold."""
    broken = first_broken(db, checked)
    held = read_latest(db, broken, 1)
    return AuditPage(read_latest(db, before_number, limit), broken, held[0] if held else None)


def _read(db: Database, from_number: int, limit: int) -> Iterator[AuditEntry]:
    rows = db.execute(
        """SELECT number, at_ns, actor, act, subject, chain FROM administration
           WHERE number >= ? ORDER BY number LIMIT ?""",
        (from_number, limit),
    )
    return (AuditEntry(*row) for row in rows)


def _chain(before: bytes, number: int, at_ns: int, actor: str, act: str, subject: str) -> bytes:
    return hashlib.sha256(before + msgspec.json.encode((number, at_ns, actor, act, subject))).digest()
