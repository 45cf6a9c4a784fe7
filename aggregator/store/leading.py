"""Which worker leads: the one whose session holds a lock of the server. Of stores on servers alone."""

from __future__ import annotations

from aggregator.store.port import Database

_LOCK = 0x4149_4450_4F53_5403  # "AIDPOST", 3: of what one worker does for all
# A worker whose machine is gone holds the lock until the server notices: after 25 s.
_KEEPALIVE = (("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3"))


def session(db: Database, before: int | None) -> int | None:
    """Return the session that leads, None where another worker does. before: which one led here, if one did.

    A lock lasts as long as its session: where the session is still the one that led, it leads.
    """
    (current,) = db.execute("SELECT pg_backend_pid()").fetchone()
    if current == before:
        return before
    for name, value in _KEEPALIVE:
        db.execute("SELECT set_config(?, ?, false)", (name, value)).fetchall()
    # Organisations that share the database have a leader each.
    lock = "SELECT pg_try_advisory_lock(? + 256 * own_organisation())"
    (taken,) = db.execute(lock, (_LOCK,)).fetchone()
    return int(current) if taken else None
