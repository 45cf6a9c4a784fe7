"""How far the results were told to each hook that wants them: a place in the order of arrival."""

from __future__ import annotations

from aggregator.store import hooks
from aggregator.store.port import Database

MAX_WAITING = 20
"""Deliveries of one hook; more are made once these have arrived, so that none is ever dropped."""


def begin(db: Database) -> None:
    """Let hooks that are new be told of what arrives from now on, and forget those that are gone."""
    db.execute("DELETE FROM result_places WHERE hook NOT IN (SELECT name FROM hooks WHERE results = 1)")
    db.execute(
        """INSERT INTO result_places (hook, arrival)
           SELECT name, (SELECT coalesce(max(arrival), 0) FROM events) FROM hooks WHERE results = 1
           ON CONFLICT DO NOTHING"""
    )


def place(db: Database, hook: str) -> int | None:
    """Return up to which arrival a hook was told; None where enough waits for it already."""
    found = db.execute(
        """SELECT arrival, (SELECT count(*) FROM deliveries WHERE deliveries.hook = result_places.hook)
           FROM result_places WHERE hook = ?""",
        (hook,),
    ).fetchone()
    return None if found is None or found[1] >= MAX_WAITING else int(found[0])


def tell(db: Database, hook: str, subject: str, body: str, upto: int, now_ns: int) -> None:
    """Let a hook be told, and note how far, in one transaction; an empty body says nothing."""
    if body:
        hooks.enqueue(db, hook, subject, body, now_ns)
    db.execute("UPDATE result_places SET arrival = ? WHERE hook = ?", (upto, hook))


def step_back(db: Database) -> None:
    """Follow the record back after its newest events were erased: a file gives their numbers out again."""
    db.execute(
        """UPDATE result_places SET arrival = (SELECT coalesce(max(arrival), 0) FROM events)
           WHERE arrival > (SELECT coalesce(max(arrival), 0) FROM events)"""
    )


def refuse(db: Database, hook: str, why: str) -> None:
    """Say at the hook why it is told no results."""
    db.execute("UPDATE hooks SET fault = ? WHERE name = ? AND fault <> ?", (why, hook, why))
