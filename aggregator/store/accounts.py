"""The dashboard's accounts and the tries to sign in; writes run inside the writer's transaction."""

from __future__ import annotations

import msgspec

from aggregator.accounts import Account, AccountRole, Credential, Waits
from aggregator.store import administration, web_sessions
from aggregator.store.port import Database

FREE_TRIES = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 30.0, 3600.0  # SP 800-63B-4 §3.2.2: delays that grow, up to an hour
FREE_TRIES_OF_ALL = 100  # the same section's limit for one account, over all addresses
WAIT_OF_ALL_S = 30.0
MOST_PEERS = 256
_ALL = "*"


class Found(msgspec.Struct, frozen=True):
    """What a try is checked with; totp_step: of the last code that was taken."""

    name: str
    role: AccountRole
    credential: Credential
    totp_step: int


def add(db: Database, name: str, role: AccountRole, credential: Credential, now_ns: int, actor: str) -> bool:
    """Make an account; False where there is one of the name."""
    added = db.execute(
        "INSERT INTO accounts (name, role, credential, made_ns) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (name, role.value, _packed(credential), now_ns),
    )
    if added.rowcount:
        administration.append(db, now_ns, actor, f"account added as {role.value}", name)
    return bool(added.rowcount)


def read(db: Database) -> tuple[Account, ...]:
    """Return all accounts, by name."""
    rows = db.execute("SELECT name, role, credential, made_ns, disabled_ns FROM accounts ORDER BY name")
    return tuple(
        Account(name, AccountRole(role), _unpacked(packed).totp is not None, made_ns, disabled_ns)
        for name, role, packed, made_ns, disabled_ns in rows
    )


def any_made(db: Database) -> bool:
    """Whether there is an account, disabled or not: disabling the last one opens nothing."""
    (there,) = db.execute("SELECT EXISTS (SELECT 1 FROM accounts)").fetchone()
    return bool(there)


def set_role(db: Database, name: str, role: AccountRole, now_ns: int, actor: str) -> bool:
    """Give an account another role and end its sessions; False for a name that no account has."""
    done = db.execute("UPDATE accounts SET role = ? WHERE name = ?", (role.value, name)).rowcount
    return _changed(db, bool(done), name, now_ns, actor, f"account made {role.value}")


def set_disabled(db: Database, name: str, disabled: bool, now_ns: int, actor: str) -> bool:
    """Let an account open nothing, and end its sessions, or let it open again; False for no such change."""
    if disabled:
        done = db.execute(
            "UPDATE accounts SET disabled_ns = ? WHERE name = ? AND disabled_ns IS NULL", (now_ns, name)
        ).rowcount
    else:
        done = db.execute(
            "UPDATE accounts SET disabled_ns = NULL WHERE name = ? AND disabled_ns IS NOT NULL", (name,)
        ).rowcount
    return _changed(
        db, bool(done), name, now_ns, actor, "account disabled" if disabled else "account enabled"
    )


def set_credential(db: Database, name: str, credential: Credential, now_ns: int, actor: str) -> bool:
    """Set another password, end the sessions and forget wrong tries; False for a name that no account has."""
    done = db.execute(
        "UPDATE accounts SET credential = ?, totp_step = 0 WHERE name = ?", (_packed(credential), name)
    ).rowcount
    db.execute("DELETE FROM sign_in_tries WHERE name = ?", (name,))
    return _changed(db, bool(done), name, now_ns, actor, "password set")


def count_try(db: Database, name: str, peer: str, now_ns: int) -> Found | Waits | None:
    """Count a try before it is made, and return what it is checked with; None for a name that nobody has.

    Counted by name and address, so that nobody keeps another out from elsewhere, and by name over all
    addresses, to which one from where the right password came last is not subject. All names that nobody has
    share one count.
    """
    row = db.execute(
        "SELECT name, role, credential, totp_step FROM accounts WHERE name = ? AND disabled_ns IS NULL",
        (name,),
    ).fetchone()
    known = row[0] if row else ""
    # A clock that was set back since: nobody waits until it shows that time again.
    db.execute(
        "UPDATE sign_in_tries SET last_ns = :now_ns WHERE name = :name AND last_ns > :now_ns",
        {"now_ns": now_ns, "name": known},
    )
    tries = {
        counted: (failed, last_ns)
        for counted, failed, last_ns in db.execute(
            "SELECT peer, failed, last_ns FROM sign_in_tries WHERE name = ? AND peer IN (?, ?)",
            (known, peer, _ALL),
        )
    }
    own, of_all = tries.get(peer), tries.get(_ALL, (0, 0))
    wait_s = 0.0 if own is None else _wait_s(*own, now_ns)
    if (own is None or own[0]) and of_all[0] >= FREE_TRIES_OF_ALL:
        wait_s = max(wait_s, WAIT_OF_ALL_S - (now_ns - of_all[1]) / 1e9)
    if wait_s > 0:
        return Waits(wait_s)
    for each, (failed, _) in ((peer, own or (0, 0)), (_ALL, of_all)):
        db.execute(
            """INSERT INTO sign_in_tries VALUES (?, ?, ?, ?)
               ON CONFLICT (name, peer) DO UPDATE SET failed = excluded.failed, last_ns = excluded.last_ns""",
            (known, each, failed + 1, now_ns),
        )
    db.execute(
        """DELETE FROM sign_in_tries WHERE name = :name AND peer NOT IN (:peer, :all) AND peer NOT IN (
             SELECT peer FROM sign_in_tries WHERE name = :name
             ORDER BY failed = 0 DESC, last_ns DESC LIMIT :most)""",
        {"name": known, "peer": peer, "all": _ALL, "most": MOST_PEERS},
    )
    if row is None:
        return None
    return Found(row[0], AccountRole(row[1]), _unpacked(row[2]), row[3])


def note_right(db: Database, found: Found, peer: str, totp_step: int) -> bool:
    """The password was right, and the code, of this step; False for a code that was taken before."""
    taken = db.execute(
        """UPDATE accounts SET totp_step = :step WHERE name = :name AND disabled_ns IS NULL
           AND (:step = 0 OR totp_step < :step)""",
        {"step": totp_step, "name": found.name},
    ).rowcount
    if taken:
        db.execute(
            "UPDATE sign_in_tries SET failed = 0 WHERE name = ? AND peer IN (?, ?)", (found.name, peer, _ALL)
        )
    return bool(taken)


def note_wrong(db: Database, found: Found | None, now_ns: int) -> None:
    """The try was wrong. A name that nobody has is not written down: it may be a password."""
    name = "a name that nobody has" if found is None else found.name
    administration.append(db, now_ns, "somebody at the dashboard", "sign-in refused", name)


def _wait_s(failed: int, last_ns: int, now_ns: int) -> float:
    over = failed - FREE_TRIES
    if over < 0:
        return 0.0
    return min(FIRST_WAIT_S * 2.0 ** min(over, 32), LONGEST_WAIT_S) - (now_ns - last_ns) / 1e9


def _changed(db: Database, done: bool, name: str, now_ns: int, actor: str, act: str) -> bool:
    if done:
        web_sessions.end_all_of(db, name, "")
        administration.append(db, now_ns, actor, act, name)
    return done


def _packed(credential: Credential) -> str:
    return msgspec.json.encode(credential).decode()


def _unpacked(packed: str) -> Credential:
    return msgspec.json.decode(packed, type=Credential)
