"""Hooks, and what waits to be delivered to each, in order; a queue on the disk."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from aggregator.fleet import hooks as values
from aggregator.fleet.alerts import Alert, Severity
from aggregator.fleet.hooks import Delivery, Hook
from aggregator.fleet.terms import Missing, Stale
from aggregator.store import administration
from aggregator.store.port import Database

MAX_WAITING = 10_000  # for one hook; of more, the newest are told
LONGEST_PAUSE_NS = 3600 * 1_000_000_000
"""Between two tries. What is due later than that was put off by a clock that has been set back since."""
_COLUMNS = "name, revision, url, email, from_severity, sites, results, disabled, fault"


def read(db: Database) -> list[Hook]:
    """Return all hooks, by name."""
    return [_hook(row) for row in db.execute(f"SELECT {_COLUMNS} FROM hooks ORDER BY name")]  # noqa: S608


def find(db: Database, name: str) -> Hook | None:
    """Return one hook."""
    row = db.execute(f"SELECT {_COLUMNS} FROM hooks WHERE name = ?", (name,)).fetchone()  # noqa: S608
    return None if row is None else _hook(row)


def key_of(db: Database, name: str) -> bytes:
    """Return the key that signs what is sent to a hook, empty for mail or where there is no such hook."""
    row = db.execute("SELECT key FROM hooks WHERE name = ?", (name,)).fetchone()
    return bytes(row[0]) if row else b""


def put(
    db: Database, hook: Hook, new_key: bytes, now_ns: int, actor: str, *, allow_missing: bool
) -> tuple[Hook, bytes] | Stale | Missing:
    """Change a hook, or make it; returns it with its key where that is new, and empty otherwise.

    hook.revision: what the caller has read, 0 to change whatever is there. A place that is new to a hook has
    a key of its own.
    """
    before = find(db, hook.name)
    if before is None and not allow_missing:
        return Missing("hook", hook.name)
    if hook.revision and hook.revision != (before.revision if before else 0):
        return Stale(before.revision if before else 0)
    moved = before is None or (before.url, before.email) != (hook.url, hook.email)
    key = (new_key if hook.url else b"") if moved else key_of(db, hook.name)
    revision = before.revision + 1 if before else 1
    db.execute(
        """INSERT INTO hooks (name, revision, url, email, from_severity, sites, results, disabled, fault, key)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?)
           ON CONFLICT (name) DO UPDATE SET revision = excluded.revision, url = excluded.url,
               email = excluded.email, from_severity = excluded.from_severity, sites = excluded.sites,
               results = excluded.results, disabled = excluded.disabled, fault = '', key = excluded.key""",
        (
            hook.name, revision, hook.url, hook.email, hook.from_severity.value,
            msgspec.json.encode(hook.sites).decode(), int(hook.results), int(hook.disabled), key,
        ),
    )  # fmt: skip
    if moved or hook.disabled:
        # What waits was meant for the place that it had.
        db.execute("DELETE FROM deliveries WHERE hook = ?", (hook.name,))
    act = "hook added" if before is None else "hook changed"
    administration.append(db, now_ns, actor, act, f"{hook.name} {hook.url or hook.email}")
    found = find(db, hook.name)
    if found is None:
        raise AssertionError("it was written just now")
    return found, key if moved else b""


def delete(db: Database, name: str, revision: int, now_ns: int, actor: str) -> Stale | Missing | None:
    """Delete a hook and what waits for it; revision: as in `put`."""
    before = find(db, name)
    if before is None:
        return Missing("hook", name)
    if revision and revision != before.revision:
        return Stale(before.revision)
    db.execute("DELETE FROM deliveries WHERE hook = ?", (name,))
    db.execute("DELETE FROM hooks WHERE name = ?", (name,))
    administration.append(db, now_ns, actor, "hook deleted", name)
    return None


def enqueue_alert(db: Database, what: str, alert: Alert, now_ns: int) -> None:
    """Let every hook that wants it be told of an alert."""
    subject, body = values.told(what, alert)
    for hook in read(db):
        if hook.wants(alert):
            enqueue(db, hook.name, subject, body, now_ns)


def enqueue(db: Database, hook: str, subject: str, body: str, now_ns: int) -> None:
    """Let a hook be told of something; body: JSON text. The oldest of too many is dropped."""
    db.execute(
        "INSERT INTO deliveries (hook, subject, body, made_ns, due_ns, tries) VALUES (?, ?, ?, ?, ?, 0)",
        (hook, subject, body, now_ns, now_ns),
    )
    db.execute(
        """DELETE FROM deliveries WHERE number = (
               SELECT number FROM deliveries WHERE hook = ? ORDER BY number DESC LIMIT 1 OFFSET ?)""",
        (hook, MAX_WAITING),
    )


def due(db: Database, now_ns: int, busy: Collection[str]) -> list[tuple[Hook, bytes, Delivery]]:
    """Return the first delivery of each hook that is due, with the hook and its key; none for `busy` ones."""
    rows = db.execute("""
        SELECT number, hook, subject, body, made_ns, due_ns, tries FROM deliveries
        WHERE number IN (SELECT min(number) FROM deliveries GROUP BY hook) ORDER BY due_ns""").fetchall()
    found = []
    for row in rows:
        delivery = Delivery(*row)
        hook = find(db, delivery.hook)
        is_due = not now_ns < delivery.due_ns <= now_ns + LONGEST_PAUSE_NS
        if hook is not None and not hook.disabled and hook.name not in busy and is_due:
            found.append((hook, key_of(db, hook.name), delivery))
    return found


def delivered(db: Database, delivery: Delivery) -> None:
    """It arrived."""
    db.execute("DELETE FROM deliveries WHERE number = ?", (delivery.number,))
    db.execute("UPDATE hooks SET fault = '' WHERE name = ? AND fault != ''", (delivery.hook,))


def postpone(db: Database, delivery: Delivery, due_ns: int, fault: str) -> None:
    """It did not arrive, and is tried again then."""
    db.execute(
        "UPDATE deliveries SET due_ns = ?, tries = tries + 1 WHERE number = ?", (due_ns, delivery.number)
    )
    db.execute("UPDATE hooks SET fault = ? WHERE name = ?", (fault, delivery.hook))


def drop(db: Database, delivery: Delivery, fault: str) -> None:
    """It is given up."""
    db.execute("DELETE FROM deliveries WHERE number = ?", (delivery.number,))
    db.execute("UPDATE hooks SET fault = ? WHERE name = ?", (fault, delivery.hook))


def _hook(row: tuple[Any, ...]) -> Hook:
    name, revision, url, email, severity, sites, results, disabled, fault = row
    return Hook(
        name, revision, url, email, Severity(severity), msgspec.json.decode(sites, type=tuple[str, ...]),
        bool(results), bool(disabled), fault,
    )  # fmt: skip
