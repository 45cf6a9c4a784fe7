"""What operators ask of devices: one durable row for each command, until its result has arrived."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, unique

from aggregator.holdings import Command
from aggregator.records import CommandKind, CommandOutcome, CommandResult
from aggregator.store import administration
from aggregator.store.many import rows_of
from aggregator.store.port import Database

_COMMANDS = f"SELECT {', '.join(Command.__struct_fields__)} FROM commands"  # noqa: S608


@unique
class Sent(Enum):
    """What became of asking a device for something."""

    DONE = "done"
    BEFORE = "the same was asked before"
    TAKEN = "its identifier is of another command"
    NO_DEVICE = "no such device ever reported"


def send(
    db: Database,
    *,
    command_id: bytes,
    device_id: str,
    kind: CommandKind,
    asked_by: str,
    now_ns: int,
    expires_ns: int,
    duration_s: int = 0,
) -> Sent:
    """Ask a device for something, once for each command_id."""
    sent = db.execute(
        """INSERT INTO commands (command_id, device_id, kind, asked_by, asked_ns, expires_ns, duration_s)
           SELECT ?, device_id, ?, ?, ?, ?, ? FROM devices WHERE device_id = ? ON CONFLICT DO NOTHING""",
        (command_id, kind.value, asked_by, now_ns, expires_ns, duration_s, device_id),
    )
    if sent.rowcount:
        administration.append(db, now_ns, asked_by, f"command {kind.value}", device_id)
        return Sent.DONE
    row = db.execute("SELECT device_id, kind FROM commands WHERE command_id = ?", (command_id,)).fetchone()
    if row is None:
        return Sent.NO_DEVICE
    return Sent.BEFORE if row == (device_id, kind.value) else Sent.TAKEN


def due(db: Database, now_ns: int, device_ids: Collection[str]) -> dict[str, tuple[Command, ...]]:
    """Return the commands of these devices that have no result yet and have not expired, oldest first."""
    found: dict[str, list[Command]] = {}
    statement = f"{_COMMANDS} WHERE outcome IS NULL AND expires_ns > ? AND device_id IN (?*)"
    for row in rows_of(db, statement, device_ids, now_ns):
        command = Command(*row)
        found.setdefault(command.device_id, []).append(command)
    return {
        device_id: tuple(sorted(each, key=lambda command: command.asked_ns))
        for device_id, each in found.items()
    }


@unique
class Cancelled(Enum):
    """What became of taking a command back."""

    DONE = "done"
    MISSING = "missing"
    DELIVERED = "delivered"
    ENDED = "ended"
    EXPIRED = "expired"


def cancel(db: Database, command_id: bytes, now_ns: int, actor: str) -> Cancelled:
    """Take a command back that was not delivered yet; its row stays, with that it was."""
    row = db.execute(
        "SELECT device_id, kind, delivered_ns, outcome, expires_ns FROM commands WHERE command_id = ?",
        (command_id,),
    ).fetchone()
    if row is None:
        return Cancelled.MISSING
    device_id, kind, delivered_ns, outcome, expires_ns = row
    if outcome is not None:
        return Cancelled.ENDED
    if expires_ns <= now_ns:
        return Cancelled.EXPIRED
    if delivered_ns is not None:
        return Cancelled.DELIVERED
    db.execute(
        "UPDATE commands SET outcome = ?, detail = ?, done_ns = ? WHERE command_id = ?",
        (CommandOutcome.CANCELLED.value, f"taken back by {actor}", now_ns, command_id),
    )
    administration.append(db, now_ns, actor, f"command {kind} cancelled", device_id)
    return Cancelled.DONE


def read(
    db: Database, device_id: str | None, limit: int, before: tuple[int, bytes] | None = None
) -> tuple[Command, ...]:
    """Return commands, of one device or of all, the latest first; before: (asked_ns, id) of the last seen."""
    asked_ns, command_id = before or (2**63 - 1, b"")
    rows = db.execute(
        f"""{_COMMANDS} WHERE (?1 IS NULL OR device_id = ?1) AND (asked_ns, command_id) < (?2, ?3)
            ORDER BY asked_ns DESC, command_id DESC LIMIT ?4""",
        (device_id, asked_ns, command_id, limit),
    ).fetchall()
    return tuple(Command(*row) for row in rows)


def note_delivered(db: Database, command_id: bytes, now_ns: int, stream: int = 0) -> bool:
    """A command is about to be sent to its device; False for one that was taken back meanwhile.

    stream: on which, where there are several workers; False where the device has a later one.
    """
    noted = db.execute(
        """UPDATE commands SET delivered_ns = coalesce(delivered_ns, ?)
           WHERE command_id = ? AND outcome IS NULL AND NOT EXISTS (
               SELECT 1 FROM streams WHERE streams.device_id = commands.device_id AND number > ?
           )""",
        (now_ns, command_id, stream),
    )
    return noted.rowcount > 0


def note_result(db: Database, device_id: str, result: CommandResult, now_ns: int) -> None:
    """A device says what became of a command; one that was not asked of it changes nothing."""
    db.execute(
        """UPDATE commands SET outcome = ?, detail = ?, done_ns = ?
           WHERE command_id = ? AND device_id = ? AND outcome IS NULL""",
        (result.outcome.value, result.detail, now_ns, result.command_id, device_id),
    )
