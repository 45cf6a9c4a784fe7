"""What operators ask of devices: one durable row for each command, until its result has arrived."""

from __future__ import annotations

from sqlite_utils import Database

from aggregator.holdings import Command
from aggregator.records import CommandKind, CommandResult
from aggregator.store import administration

_COMMANDS = f"SELECT {', '.join(Command.__struct_fields__)} FROM commands"  # noqa: S608


def send(
    db: Database,
    *,
    command_id: bytes,
    device_id: str,
    kind: CommandKind,
    asked_by: str,
    now_ns: int,
    expires_ns: int,
) -> bool:
    """Ask a device for something, once for each command_id; False for a device that never reported."""
    known = db.execute("SELECT 1 FROM devices WHERE device_id = ?", (device_id,)).fetchone()
    if known is None:
        return False
    sent = db.execute(
        """INSERT INTO commands (command_id, device_id, kind, asked_by, asked_ns, expires_ns)
           VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
        (command_id, device_id, kind.value, asked_by, now_ns, expires_ns),
    )
    if sent.rowcount:
        administration.append(db, now_ns, asked_by, f"command {kind.value}", device_id)
    return True


def due(db: Database, now_ns: int) -> tuple[Command, ...]:
    """Return the commands that have no result yet and have not expired, oldest first."""
    rows = db.execute(f"{_COMMANDS} WHERE outcome IS NULL AND expires_ns > ? ORDER BY asked_ns", (now_ns,))
    return tuple(Command(*row) for row in rows)


def read(db: Database, device_id: str | None, limit: int) -> tuple[Command, ...]:
    """Return the latest commands, of one device or of all, oldest first."""
    rows = db.execute(
        f"{_COMMANDS} WHERE ?1 IS NULL OR device_id = ?1 ORDER BY asked_ns DESC LIMIT ?2", (device_id, limit)
    ).fetchall()
    return tuple(Command(*row) for row in reversed(rows))


def note_delivered(db: Database, command_id: bytes, now_ns: int) -> None:
    """A command was sent to its device."""
    db.execute(
        "UPDATE commands SET delivered_ns = coalesce(delivered_ns, ?) WHERE command_id = ?",
        (now_ns, command_id),
    )


def note_result(db: Database, device_id: str, result: CommandResult, now_ns: int) -> None:
    """A device says what became of a command; one that was not asked of it changes nothing."""
    db.execute(
        """UPDATE commands SET outcome = ?, detail = ?, done_ns = ?
           WHERE command_id = ? AND device_id = ? AND outcome IS NULL""",
        (result.outcome.value, result.detail, now_ns, result.command_id, device_id),
    )
