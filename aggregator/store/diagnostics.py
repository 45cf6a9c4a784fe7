"""Which bundles devices were asked for and handed in, and until when they are kept."""

from __future__ import annotations

from enum import Enum, unique
from typing import Any

import msgspec

from aggregator.records import CommandKind
from aggregator.store import administration
from aggregator.store.port import Database

KEPT_NS = 30 * 24 * 3600 * 1_000_000_000


class Bundle(msgspec.Struct, frozen=True):
    """One bundle; command_id: 16 bytes; digest: SHA-256; received_ns: when its first piece came."""

    command_id: bytes
    device_id: str
    total_bytes: int
    digest: bytes
    received_ns: int
    expires_ns: int
    complete: bool


@unique
class Asked(Enum):
    """Whether a device was asked for what it brings."""

    YES = "yes"
    NO = "no"
    EXPIRED = "expired"


_COLUMNS = ", ".join(Bundle.__struct_fields__)


def asked(db: Database, command_id: bytes, device_id: str, kind: CommandKind, now_ns: int) -> Asked:
    """Return whether this device was asked for it by this command."""
    found = db.execute(
        """SELECT expires_ns FROM commands
           WHERE command_id = ? AND device_id = ? AND kind = ? AND outcome IS NULL""",
        (command_id, device_id, kind.value),
    ).fetchone()
    if found is None:
        return Asked.NO
    return Asked.YES if found[0] > now_ns else Asked.EXPIRED


def begin(
    db: Database, command_id: bytes, device_id: str, total_bytes: int, digest: bytes, now_ns: int
) -> None:
    """A device begins to hand in a bundle, or begins anew with another."""
    db.execute(
        """INSERT INTO diagnostics
               (command_id, device_id, total_bytes, digest, received_ns, expires_ns, complete)
           VALUES (?, ?, ?, ?, ?, ?, 0)
           ON CONFLICT (command_id) DO UPDATE SET
               total_bytes = excluded.total_bytes, digest = excluded.digest
           WHERE diagnostics.complete = 0""",
        (command_id, device_id, total_bytes, digest, now_ns, now_ns + KEPT_NS),
    )


def complete(db: Database, command_id: bytes) -> None:
    """A bundle is whole."""
    db.execute("UPDATE diagnostics SET complete = 1 WHERE command_id = ?", (command_id,))


def read(db: Database, device_id: str, after: bytes, limit: int) -> tuple[Bundle, ...]:
    """Return bundles, newest first.

    device_id: of one device alone, empty for all. after: the last one of the page before, empty for the first
    page; where that was erased meanwhile, nothing older is held.
    """
    rows = db.execute(
        f"""SELECT {_COLUMNS} FROM diagnostics
            WHERE (:device_id = '' OR device_id = :device_id) AND (
                :is_first = 1 OR (received_ns, command_id) < (
                    SELECT received_ns, command_id FROM diagnostics WHERE command_id = :after))
            ORDER BY received_ns DESC, command_id DESC LIMIT :limit""",  # noqa: S608
        {"device_id": device_id, "is_first": int(not after), "after": after, "limit": limit},
    )
    return tuple(map(_bundle, rows))


def fetched(
    db: Database, command_id: bytes, now_ns: int, actor: str, device_id: str | None = None
) -> Bundle | None:
    """Return a whole bundle that somebody fetches, which is written down; None where there is none.

    device_id: of one device alone.
    """
    row = db.execute(
        f"SELECT {_COLUMNS} FROM diagnostics WHERE command_id = ? AND complete = 1",  # noqa: S608
        (command_id,),
    ).fetchone()
    if row is None or (device_id is not None and _bundle(row).device_id != device_id):
        return None
    found = _bundle(row)
    administration.append(db, now_ns, actor, "fetch diagnostics", f"{found.device_id} {command_id.hex()}")
    return found


def followed(db: Database, command_id: bytes, now_ns: int, actor: str) -> int | None:
    """Return when the log of this command ends at the latest; that somebody follows is written down.

    None where no device was asked for its log, or it is over.
    """
    row = db.execute(
        """SELECT device_id, expires_ns, duration_s FROM commands
           WHERE command_id = ? AND kind = ? AND outcome IS NULL""",
        (command_id, CommandKind.TAIL_LOG.value),
    ).fetchone()
    if row is None:
        return None
    device_id, expires_ns, duration_s = row
    # The command may be delivered up to its expiry, and goes on for its duration from then.
    ends_ns = int(expires_ns) + int(duration_s) * 1_000_000_000
    if ends_ns <= now_ns:
        return None
    administration.append(db, now_ns, actor, "follow log", device_id)
    return ends_ns


def expired(db: Database, now_ns: int) -> tuple[bytes, ...]:
    """Return the ids of the bundles whose time is over."""
    rows = db.execute("SELECT command_id FROM diagnostics WHERE expires_ns <= ?", (now_ns,))
    return tuple(command_id for (command_id,) in rows.fetchall())


def forget(db: Database, command_id: bytes) -> None:
    """Forget a bundle whose file is gone."""
    db.execute("DELETE FROM diagnostics WHERE command_id = ?", (command_id,))


def _bundle(row: tuple[Any, ...]) -> Bundle:
    columns: dict[str, Any] = dict(zip(Bundle.__struct_fields__, row, strict=True))
    return Bundle(**{**columns, "complete": bool(columns["complete"])})
