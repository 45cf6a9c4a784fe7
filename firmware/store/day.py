"""The open day: when it began, what the report counts, and the one transaction that closes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

import msgspec
from sqlite_utils import Database

from firmware.day.served import Served
from firmware.records import DayClosed, ListErased, Moment
from firmware.store import lists, token_day
from firmware.store.audit import NOT_SIGNED_IN, AuditEntry
from firmware.store.journal import Journal


class OpenedDay(msgspec.Struct, frozen=True):
    """When the day was opened, and by whom."""

    opened: Moment
    operator: str


class DayBook:
    """At most one day at a time; a day that was never closed goes on."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def open(self, moment: Moment, operator: str, findings: Sequence[str], today: date | None) -> None:
        """Begin a day, or go on with the one that is open; erase what ended before today.

        findings: what needs care, in the words of the self-test, for the audit log. today: by a clock that
        something vouches for, else None, and nothing is erased by it.
        """
        with self._journal.transaction() as db:
            (newest,) = db.execute("SELECT coalesce(max(number), 0) FROM audit").fetchone()
            db.execute(
                """INSERT INTO day (id, opened, operator, audit_number) VALUES (1, ?, ?, ?)
                   ON CONFLICT DO NOTHING""",
                (msgspec.msgpack.encode(moment), operator, newest),
            )
            ended = 0
            if today is not None:
                token_day.begin(db, today)
                ended = db.execute("DELETE FROM links WHERE until < ?", (today.isoformat(),)).rowcount
            facts = {"operator": operator or NOT_SIGNED_IN, "needs care": "; ".join(findings)}
            self._journal.note("day opened", moment, b"", facts)
        self._journal.erase_from_log(erased=ended > 0)

    def opened(self) -> OpenedDay | None:
        """Return the day that is open."""
        with self._journal.reading() as db:
            row = db.execute("SELECT opened, operator FROM day").fetchone()
        return OpenedDay(msgspec.msgpack.decode(row[0], type=Moment), row[1]) if row else None

    def served(self) -> list[Served]:
        """Return what the report counts: a clinic's day, or a distribution's cycle so far; in order."""
        with self._journal.reading() as db:
            rows = db.execute("SELECT served FROM served ORDER BY number").fetchall()
        return [msgspec.msgpack.decode(data, type=Served) for (data,) in rows]

    def attended(self) -> int:
        """Return how many of the appointments came."""
        with self._journal.reading() as db:
            (count,) = db.execute("SELECT count(*) FROM appointments WHERE attended").fetchone()
        return int(count)

    def registered_on_list(self) -> int:
        """Return how many entries of the gallery belong to today's appointments: whom a search goes over."""
        with self._journal.reading() as db:
            (count,) = db.execute(
                """SELECT count(*) FROM gallery
                   WHERE lower(subject) IN (SELECT lower(subject) FROM appointments)"""
            ).fetchone()
        return int(count)

    def resemblances(self) -> int:
        """Return how many pairs of entries wait for an adjudicator."""
        with self._journal.reading() as db:
            (count,) = db.execute("SELECT count(*) FROM waiting_resemblances").fetchone()
        return int(count)

    def acts(self) -> Counter[tuple[str, str]]:
        """Count the audit log's acts since the day was opened, by act and, where it names one, its part."""
        with self._journal.reading() as db:
            rows = db.execute(
                "SELECT entry FROM audit WHERE number > (SELECT audit_number FROM day) ORDER BY number"
            )
            entries = [msgspec.msgpack.decode(data, type=AuditEntry) for (data,) in rows]
        return Counter(
            (entry.act, entry.facts.get("part", entry.facts.get("concern", ""))) for entry in entries
        )

    def last_figures(self) -> bytes | None:
        """Return the figures of the day that was closed last, as they were given to `close`."""
        with self._journal.reading() as db:
            row = db.execute("SELECT figures FROM closed_day").fetchone()
        return bytes(row[0]) if row else None

    def is_closed(self) -> bool:
        """Tell whether all there is was closed already: nothing was opened, loaded or counted since."""
        with self._journal.reading() as db:
            if db.execute("SELECT 1 FROM day").fetchone():
                return False
            head = lists.loaded(db)
            cycle = "" if head is None else head.cycle
            (newest,) = db.execute("SELECT coalesce(max(number), 0) FROM served").fetchone()
            row = db.execute("SELECT cycle, until FROM closed_day").fetchone()
        return (cycle, newest) in (row, ("", 0))  # without list and people there is nothing to close

    def close(
        self, moment: Moment, closed: DayClosed, figures: bytes = b"", *, ends_list: bool
    ) -> ListErased | None:
        """Close the day in one transaction; returns the receipt for the list, None where it stays.

        figures: of the report, kept until the next close, so that no report is lost with the list. ends_list:
        the list goes, and with it what the report counted: a clinic's at each close, a distribution's at the
        end of its cycle. Visit tokens stay, so that nobody else gets a number of this day.
        """
        with self._journal.transaction() as db:
            self._journal.commit(moment, closed)
            (newest,) = db.execute("SELECT coalesce(max(number), 0) FROM served").fetchone()
            db.execute(
                "INSERT OR REPLACE INTO closed_day (id, figures, cycle, until) VALUES (1, ?, ?, ?)",
                (figures, *(("", 0) if ends_list else (closed.cycle, newest))),
            )
            receipt = lists.erase(self._journal, db, moment) if ends_list else None
            db.execute("DELETE FROM day")
            if ends_list:
                db.execute("DELETE FROM served")
        self._journal.erase_from_log(erased=True)
        return receipt


def note_served(db: Database, served: Served) -> None:
    """Count one person; runs in the caller's transaction."""
    db.execute("INSERT INTO served (served) VALUES (?)", (msgspec.msgpack.encode(served),))
