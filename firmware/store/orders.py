"""Which of the aggregator's commands were begun: each is begun once; runs in the caller's transaction."""

from __future__ import annotations

from sqlite_utils import Database

from firmware.records import CommandKind


def begin(database: Database, command_id: bytes, kind: CommandKind) -> bool:
    """Note that a command is begun; returns False for one that was begun before."""
    begun = database.execute(
        "INSERT INTO commands (command_id, kind) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (command_id, kind.value),
    )
    return bool(begun.rowcount)


def finish(database: Database, command_id: bytes) -> None:
    """Note that the result of a command is an event now."""
    database.execute("UPDATE commands SET done = 1 WHERE command_id = ?", (command_id,))


def unfinished(database: Database) -> list[tuple[bytes, CommandKind]]:
    """Return the commands that were begun and have no result."""
    rows = database.execute("SELECT command_id, kind FROM commands WHERE NOT done")
    return [(command_id, CommandKind(kind)) for command_id, kind in rows]
