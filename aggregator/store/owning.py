"""Whose a store is: the authority that its devices trust, and nobody else serves it."""

from __future__ import annotations

from aggregator.store.port import Database


def claim(db: Database, fingerprint: bytes, now_ns: int) -> bool:
    """Let a store that is of nobody be of this authority; False where it is another's."""
    db.need_turn()
    held = db.execute("SELECT fingerprint FROM authorities").fetchone()
    if held is None:
        db.execute("INSERT INTO authorities VALUES (?, ?)", (fingerprint, now_ns))
    return held is None or held[0] == fingerprint
