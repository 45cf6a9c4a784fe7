"""Which of the aggregator's commands were begun: each is begun once, however often it comes."""

from __future__ import annotations

from dataclasses import dataclass

from firmware.records import CommandKind, CommandResult, Moment
from firmware.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that was begun; boot_id: in which boot, empty where an older version began it."""

    command_id: bytes
    kind: CommandKind
    boot_id: bytes


class OrderBook:
    """The table of commands; all methods raise StoreError kinds."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self, command_id: bytes, kind: CommandKind, boot_id: bytes) -> bool:
        """Note that a command is begun in this boot; returns False for one that was begun before."""
        with self._journal.transaction() as db:
            begun = db.execute(
                "INSERT INTO commands (command_id, kind, boot_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (command_id, kind.value, boot_id),
            )
            return bool(begun.rowcount)

    def finish(self, moment: Moment, result: CommandResult) -> int:
        """Write what became of a command; returns the event's sequence number."""
        with self._journal.transaction() as db:
            db.execute("UPDATE commands SET done = 1 WHERE command_id = ?", (result.command_id,))
            return self._journal.commit(moment, result)

    def unfinished(self) -> list[Begun]:
        """Return the commands that were begun and have no result."""
        with self._journal.reading() as db:
            rows = db.execute("SELECT command_id, kind, boot_id FROM commands WHERE NOT done")
            return [Begun(command_id, CommandKind(kind), boot_id) for command_id, kind, boot_id in rows]
