"""Who is signed in at the dashboard; writes run inside the writer's transaction.

The cookie is known here by its SHA-256 alone.
"""

from __future__ import annotations

from aggregator.accounts import GRACE_S, IDLE_S, LIFE_S, ROTATE_S, AccountRole, Person, Session
from aggregator.store import administration
from aggregator.store.port import Database

_S = 1_000_000_000
_LIVES = "used_ns > :now_ns - :idle_ns AND began_ns > :now_ns - :life_ns"
MOST_SESSIONS = 1000
"""With more, whoever did nothing for longest is signed out."""


def begin(db: Database, digest: bytes, person: Person, now_ns: int, *, ended: bytes = b"") -> None:
    """Sign somebody in, and out of a session whose cookie's digest is `ended`; forget those that are over."""
    end(db, ended, now_ns)
    db.execute(f"DELETE FROM web_sessions WHERE NOT ({_LIVES})", _spans(now_ns))  # noqa: S608
    db.execute(
        """DELETE FROM web_sessions WHERE used_ns <= (
             SELECT used_ns FROM web_sessions ORDER BY used_ns DESC LIMIT 1 OFFSET ?)""",
        (MOST_SESSIONS - 1,),
    )
    db.execute(
        "INSERT INTO web_sessions VALUES (?, NULL, ?, ?, ?, ?, ?, ?)",
        (digest, now_ns, person.name, person.role.value, person.source, now_ns, now_ns),
    )
    administration.append(db, now_ns, str(person), "signed in", person.name)


def find(db: Database, digest: bytes, now_ns: int) -> Session | None:
    """Return the session of a cookie, None where it has none or that has ended."""
    row = db.execute(
        f"""SELECT name, role, source, used_ns, rotated_ns, digest = :digest FROM web_sessions
            WHERE (digest = :digest OR former = :digest AND rotated_ns > :now_ns - :grace_ns)
              AND {_LIVES}""",  # noqa: S608
        {"digest": digest, "grace_ns": GRACE_S * _S, **_spans(now_ns)},
    ).fetchone()
    if row is None:
        return None
    name, role, source, used_ns, rotated_ns, is_newest = row
    stale = bool(is_newest) and rotated_ns <= now_ns - ROTATE_S * _S
    return Session(Person(name, AccountRole(role), source), used_ns, stale)


def use(db: Database, digest: bytes, now_ns: int, fresh: bytes | None = None) -> bool:
    """Note that a page was opened; fresh: digest of the next cookie. False where it was rotated already."""
    if fresh is None:
        used = db.execute(
            "UPDATE web_sessions SET used_ns = :now_ns WHERE digest = :digest OR former = :digest",
            {"now_ns": now_ns, "digest": digest},
        )
    else:
        used = db.execute(
            """UPDATE web_sessions
               SET used_ns = :now_ns, rotated_ns = :now_ns, former = digest, digest = :fresh
               WHERE digest = :digest""",
            {"now_ns": now_ns, "digest": digest, "fresh": fresh},
        )
    return bool(used.rowcount)


def end(db: Database, digest: bytes, now_ns: int) -> None:
    """Sign out."""
    row = db.execute(
        "DELETE FROM web_sessions WHERE digest = :digest OR former = :digest RETURNING name, role, source",
        {"digest": digest},
    ).fetchone()
    if row is not None:
        person = Person(row[0], AccountRole(row[1]), row[2])
        administration.append(db, now_ns, str(person), "signed out", person.name)


def end_all_of(db: Database, name: str, source: str) -> None:
    """Sign somebody out everywhere."""
    db.execute("DELETE FROM web_sessions WHERE name = ? AND source = ?", (name, source))


def _spans(now_ns: int) -> dict[str, int]:
    return {"now_ns": now_ns, "idle_ns": IDLE_S * _S, "life_ns": LIFE_S * _S}
