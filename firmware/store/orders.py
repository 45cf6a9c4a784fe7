"""Which of the aggregator's commands were begun: each is begun once, however often it comes."""

from __future__ import annotations

from firmware.records import CommandKind, CommandResult, Moment
from firmware.store.journal import Journal


class OrderBook:
    """The table of commands; all methods raise StoreError kinds."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self, command_id: bytes, kind: CommandKind) -> bool:
        """Note that a command is begun; returns False for one that was begun before."""
        with self._journal.transaction() as db:
            begun = db.execute(
                "INSERT INTO commands (command_id, kind) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (command_id, kind.value),
            )
            return bool(begun.rowcount)

    def finish(self, moment: Moment, result: CommandResult) -> int:
        """Write what became of a command; returns the event's sequence number."""
        with self._journal.transaction() as db:
            db.execute("UPDATE commands SET done = 1 WHERE command_id = ?", (result.command_id,))
            return self._journal.commit(moment, result)

    def unfinished(self) -> list[tuple[bytes, CommandKind]]:
        """Return the commands that were begun and have no result."""
        with self._journal.reading() as db:
            rows = db.execute("SELECT command_id, kind FROM commands WHERE NOT done")
            return [(command_id, CommandKind(kind)) for command_id, kind in rows]
