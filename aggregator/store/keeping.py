"""How long events stay in the record: those of telemetry a day, all others as long as `serve` is told."""

from __future__ import annotations

from aggregator.store import result_telling
from aggregator.store.port import Database

DAY_NS = 24 * 3600 * 1_000_000_000
KEEP_TELEMETRY_NS = DAY_NS
"""Of what telemetry says more is kept elsewhere: `aggregator.store.telemetry`."""


def forget_telemetry(db: Database, now_ns: int, limit: int) -> int:
    """Erase events of telemetry; returns how many, at most `limit`. Raises StoreError."""
    return _forget(db, now_ns - KEEP_TELEMETRY_NS, limit, telemetry=True)


def forget_records(db: Database, before_ns: int, limit: int) -> int:
    """Erase all other events that came before then; returns how many, at most `limit`. Raises StoreError.

    Sums, commands with their results and the audit log stay, and so does what tells a batch that comes twice.
    """
    return _forget(db, before_ns, limit, telemetry=False)


def _forget(db: Database, before_ns: int, limit: int, *, telemetry: bool) -> int:
    """Never erase an event that the device's chain was not followed past, nor one above a gap.

    Where they are kept in parts by time, whole parts go at once: a day of telemetry, a month of others.
    """
    if db.drop_events(before_ns, telemetry=telemetry):
        return 0
    erased = int(
        db.execute(
            f"""DELETE FROM events WHERE arrival IN (
                   SELECT arrival FROM events JOIN outboxes USING (outbox)
                   WHERE kind {"=" if telemetry else "<>"} 'telemetry' AND received_ns < ?
                       AND seq <= acked_seq AND seq <= chain_seq
                   LIMIT ?)""",  # noqa: S608
            (before_ns, limit),
        ).rowcount
    )
    if erased:
        result_telling.step_back(db)
    return erased
