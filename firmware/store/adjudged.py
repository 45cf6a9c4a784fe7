"""What two people decided at the aggregator of pairs of entries: links beside them, to be undone."""

from __future__ import annotations

from collections.abc import Sequence

from firmware.gallery.values import Decided
from firmware.records import Moment
from firmware.store.journal import Journal


class Adjudged:
    """The table of decisions; all methods raise StoreError kinds."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def number(self) -> int:
        """Return the number of the decisions that are held, 0 before the first."""
        with self._journal.reading() as db:
            row = db.execute("SELECT decisions FROM gallery_position").fetchone()
        return int(row[0]) if row else 0

    def take(self, moment: Moment, number: int, decided: Sequence[Decided]) -> None:
        """Put what is decided now in the place of what was; the same number says nothing new.

        No entry changes. A pair that is not decided any more waits again, as it did before.
        """
        if number == self.number():
            return
        with self._journal.transaction() as db:
            rows = db.execute("SELECT first, second, same FROM adjudged").fetchall()
            former = {first + second: bool(same) for first, second, same in rows}
            now = {each.first + each.second: each.same for each in decided}
            db.execute("DELETE FROM adjudged")
            db.conn.executemany(
                "INSERT INTO adjudged (first, second, same) VALUES (?, ?, ?)",
                [(pair[:16], pair[16:], same) for pair, same in now.items()],
            )
            db.execute(
                """INSERT INTO gallery_position (id, decisions) VALUES (1, ?1)
                   ON CONFLICT DO UPDATE SET decisions = ?1""",
                (number,),
            )
            for pair in sorted(former.keys() | now.keys()):
                if pair not in now:
                    self._journal.note("adjudication undone", moment, pair)
                elif former.get(pair) != now[pair]:
                    self._journal.note("adjudicated", moment, pair, {"same person": str(now[pair]).lower()})

    def pairs(self) -> list[tuple[str, str, bool]]:
        """Return the pairs of subjects whose entries are here, and whether they are one person."""
        with self._journal.reading() as db:
            rows = db.execute(
                """SELECT one.subject, other.subject, same FROM adjudged
                   JOIN gallery AS one ON one.entry_id = first
                   JOIN gallery AS other ON other.entry_id = second
                   ORDER BY one.subject, other.subject, first, second"""
            )
            return [(subject, other, bool(same)) for subject, other, same in rows]
