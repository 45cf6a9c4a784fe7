"""The list of the day or of the cycle: taken up whole, looked into, erased with a receipt."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Literal, assert_never

import msgspec
from sqlite_utils import Database

from firmware.records import ListErased, ListLoaded, Moment
from firmware.store import token_day
from firmware.store.errors import ListRefused
from firmware.store.hand_overs import report_anew
from firmware.store.journal import Journal
from trust.lists.terms import (
    Appointment,
    ClinicList,
    DistributionList,
    Household,
    PlannedList,
    household_digest,
)
from trust.service import Workflow


class LoadedList(msgspec.Struct, frozen=True, kw_only=True):
    """All of a list but its entries.

    cycle: the cycle of a distribution, or the clinic's day (ISO 8601). digest: SHA-256, 32 bytes, over all of
    the list with its key, so that nobody can try numbers against it. key: 32 bytes, of this list alone.
    approved_by: the staff who took it up. The rest as in `trust.lists.terms`; a clinic has no desk, no loss
    cap and no roster.
    """

    workflow: Workflow
    site: str
    cycle: str
    first_day: date
    last_day: date
    desk: str = ""
    loss_cap: int = 0
    roster: tuple[str, ...] = ()
    entries: int
    digest: bytes
    key: bytes
    approved_by: tuple[str, ...] = ()
    loaded: Moment

    def __repr__(self) -> str:
        # The key stays out of logs and trace backs.
        return f"LoadedList({self.workflow.value}, {self.cycle}, {self.entries} entries)"


class ListShelf:
    """At most one list at a time; what is loaded replaces an earlier version of itself."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def load(self, moment: Moment, planned: PlannedList, approved_by: tuple[str, ...] = ()) -> ListLoaded:
        """Take up a list in one transaction, in place of an earlier version for the same day or cycle.

        Who collected or came stays. Raises ListRefused; PurposeRefused for one of another purpose or site.
        """
        self._journal.refuse_other(planned.purpose, planned.site)
        head = _head(moment, planned, approved_by)
        with self._journal.transaction() as db:
            self._refuse(db, head)
            former = loaded(db)
            came = [subject for (subject,) in db.execute("SELECT subject FROM appointments WHERE attended")]
            _delete(db)
            db.execute(
                "INSERT INTO lists (id, workflow, cycle, head) VALUES (1, ?, ?, ?)",
                (head.workflow.value, head.cycle, msgspec.msgpack.encode(head)),
            )
            if isinstance(planned, ClinicList):
                db.conn.executemany(
                    "INSERT INTO appointments (subject, appointment) VALUES (?, ?)",
                    [(each.number, msgspec.msgpack.encode(each)) for each in planned.appointments],
                )
                db.conn.executemany(
                    "UPDATE appointments SET attended = 1 WHERE subject = ? COLLATE NOCASE",
                    [(subject,) for subject in came],
                )
                token_day.begin(db, planned.day)
            else:
                db.conn.executemany(
                    "INSERT INTO households (subject, digest, household) VALUES (?, ?, ?)",
                    [
                        (
                            each.number,
                            household_digest(planned.key, each.number),
                            msgspec.msgpack.encode(each),
                        )
                        for each in planned.households
                    ],
                )
            if former is not None and former.roster != head.roster:
                report_anew(self._journal, db, head.cycle, head.roster)
            taken_up = ListLoaded(
                workflow=head.workflow,
                cycle=head.cycle,
                entries=head.entries,
                digest=head.digest,
                approved_by=approved_by,
            )
            self._journal.commit(moment, taken_up)
        self._journal.erase_from_log(erased=True)
        return taken_up

    def loaded(self) -> LoadedList | None:
        """Return what is loaded, without its entries."""
        with self._journal.reading() as db:
            return loaded(db)

    def appointment(self, number: str) -> Appointment | None:
        """Return the appointment under this number, capital or small; `number` is as the list writes it."""
        with self._journal.reading() as db:
            row = find_row(db, "appointment", number)
        return msgspec.msgpack.decode(row[0], type=Appointment) if row else None

    def numbers(self) -> tuple[str, ...]:
        """Return the numbers of the appointments, in the order of the list."""
        with self._journal.reading() as db:
            return tuple(
                number for (number,) in db.execute("SELECT subject FROM appointments ORDER BY number")
            )

    def household(self, number: str) -> Household | None:
        """Return the household under this number, capital or small; `number` is as the list writes it."""
        with self._journal.reading() as db:
            row = find_row(db, "household", number)
        return msgspec.msgpack.decode(row[0], type=Household) if row else None

    def households(self) -> list[Household]:
        """Return all households, in the order of the list."""
        with self._journal.reading() as db:
            rows = db.execute("SELECT household FROM households ORDER BY number").fetchall()
        return [msgspec.msgpack.decode(data, type=Household) for (data,) in rows]

    def erase(self, moment: Moment) -> ListErased | None:
        """Erase the list, and return the receipt; None where there is none.

        A cycle of a distribution ends with it and is not loaded again: who collected is erased as well.
        """
        with self._journal.transaction() as db:
            receipt = erase(self._journal, db, moment)
        self._journal.erase_from_log(erased=True)
        return receipt

    def _refuse(self, db: Database, head: LoadedList) -> None:
        if db.execute("SELECT 1 FROM ended_cycles WHERE cycle = ?", (head.cycle,)).fetchone():
            raise ListRefused(
                f"the cycle {head.cycle!r} ended here, and its ledger is sealed: a list for it would let "
                "households collect again; give a new distribution a new cycle"
            )
        present = loaded(db)
        if present is None:
            return
        if present.cycle != head.cycle:
            raise ListRefused(
                f"the list of {present.cycle} is still here: close its day first (`aidpost day close`)"
            )
        collected = db.execute("SELECT 1 FROM collections WHERE cycle = ?", (head.cycle,)).fetchone()
        if collected and present.key != head.key:
            raise ListRefused(
                f"this list of {head.cycle!r} has another key than the one that is loaded: households that "
                "collected could not be told any more; ask for a new version of the same list"
            )


def loaded(db: Database) -> LoadedList | None:
    """Return what is loaded; runs in the caller's transaction."""
    row = db.execute("SELECT head FROM lists").fetchone()
    return msgspec.msgpack.decode(row[0], type=LoadedList) if row else None


def find_row(db: Database, kind: Literal["appointment", "household"], number: str) -> tuple[bytes] | None:
    """Return what the list says under this number, capital or small; runs in the caller's transaction."""
    query = f"SELECT {kind} FROM {kind}s WHERE subject = ? COLLATE NOCASE"  # noqa: S608
    row: tuple[bytes] | None = db.execute(query, (number,)).fetchone()
    return row


def erase(journal: Journal, db: Database, moment: Moment) -> ListErased | None:
    """Erase the list within the caller's transaction; the caller empties the write-ahead log after it."""
    present = loaded(db)
    if present is None:
        return None
    (erased,) = db.execute(
        "SELECT (SELECT count(*) FROM appointments) + (SELECT count(*) FROM households)"
    ).fetchone()
    _delete(db)
    db.execute("DELETE FROM claims")
    if present.workflow is Workflow.DISTRIBUTION:
        db.execute("DELETE FROM collections")
        db.execute("DELETE FROM conflicts")
        db.execute("DELETE FROM reports")
        db.execute("INSERT INTO ended_cycles (cycle) VALUES (?) ON CONFLICT DO NOTHING", (present.cycle,))
    receipt = ListErased(
        workflow=present.workflow, cycle=present.cycle, entries=erased, digest=present.digest
    )
    journal.commit(moment, receipt)
    return receipt


def _delete(db: Database) -> None:
    for table in ("lists", "appointments", "households"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608


def _head(moment: Moment, planned: PlannedList, approved_by: tuple[str, ...]) -> LoadedList:
    digest = hashlib.sha256(msgspec.msgpack.encode(planned)).digest()
    match planned:
        case ClinicList():
            return LoadedList(
                workflow=Workflow.CLINIC,
                site=planned.site,
                cycle=planned.day.isoformat(),
                first_day=planned.day,
                last_day=planned.day,
                entries=len(planned.appointments),
                digest=digest,
                key=planned.key,
                approved_by=approved_by,
                loaded=moment,
            )
        case DistributionList():
            return LoadedList(
                workflow=Workflow.DISTRIBUTION,
                site=planned.site,
                cycle=planned.cycle,
                first_day=planned.first_day,
                last_day=planned.last_day,
                desk=planned.desk,
                loss_cap=planned.loss_cap,
                roster=planned.roster,
                entries=len(planned.households),
                digest=digest,
                key=planned.key,
                approved_by=approved_by,
                loaded=moment,
            )
        case _:
            assert_never(planned)
