"""The day's work in the store (`firmware.workflow.ports.Work`): sessions, their ends, links, complaints."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
from sqlite_utils import Database

from firmware.cards.making import token_key, token_numbers
from firmware.clock import random_id
from firmware.day.served import Served, attempt_of
from firmware.records import CheckIn, Complaint, Event, Moment, Resemblance, Service
from firmware.store import token_day
from firmware.store.audit import NOT_SIGNED_IN
from firmware.store.day import DayBook, note_served
from firmware.store.journal import Journal
from firmware.store.ledger import Ledger, collect, release
from firmware.store.lists import ListShelf, find_row, loaded
from firmware.store.staff import StaffRegister
from firmware.workflow.kept import Conclusion, OpenSession
from firmware.workflow.outcomes import (
    CaregiverLink,
    Concluded,
    PinCheck,
    PinRight,
    PinWaits,
    PinWrong,
    RoleTooLow,
)
from firmware.workflow.terms import Role
from trust.lists.terms import Appointment, Household, household_digest
from trust.service import Answer, Basis, Concern, Workflow

MOST_CHECK_INS = 16  # that a record names, and that the aggregator takes; the last ones decided
_RECENT_RECORDS = 64  # among which the check-ins of the session that ends are looked for


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a conclusion belongs: the cycle or day, the household, and what the list says of them."""

    cycle: str = ""
    household: bytes | None = None
    cohort: str = ""
    on_list: bool = False
    some_unregistered: bool = False


class WorkBook:
    """The tables behind the workflows; input_key: makes digests of numbers for the audit log."""

    def __init__(
        self,
        journal: Journal,
        staff: StaffRegister,
        lists: ListShelf,
        ledger: Ledger,
        day: DayBook,
        input_key: Callable[[], bytes],
    ) -> None:
        self._journal = journal
        self._staff = staff
        self._lists = lists
        self._ledger = ledger
        self._day = day
        self._input_key = input_key

    # The list

    def appointment(self, number: str) -> Appointment | None:
        """Return the appointment of today's list under this number."""
        return self._lists.appointment(number)

    def todays_numbers(self) -> tuple[str, ...]:
        """Return the numbers of today's list."""
        return self._lists.numbers()

    def household(self, number: str) -> Household | None:
        """Return the household of the loaded cycle under this number."""
        return self._lists.household(number)

    def has_list(self) -> bool:
        """Tell whether a list is loaded, of today or of the cycle."""
        return self._lists.loaded() is not None

    def help_desk(self) -> str:
        """Return where people are sent whose case the lane cannot settle; "" where the list names none."""
        head = self._lists.loaded()
        return head.desk if head is not None else ""

    def exceptions_left(self) -> int:
        """Return how many hand-overs of the signed loss cap are left here."""
        return self._ledger.exceptions_left()

    # Notes

    def link(self, child: str, today: date) -> CaregiverLink | None:
        """Return who answers for a child under five."""
        with self._journal.reading() as db:
            row = db.execute(
                "SELECT caregiver, until FROM links WHERE child = ? COLLATE NOCASE", (child,)
            ).fetchone()
        if row is None:
            return None
        until = date.fromisoformat(row[1])
        return CaregiverLink(row[0], until, expired=until < today)

    def note_link(self, moment: Moment, child: str, caregiver: str, until: date) -> None:
        """Link a child to its caregiver until a day; a former link is replaced."""
        with self._journal.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO links (child, caregiver, until) VALUES (?, ?, ?)",
                (child, caregiver, until.isoformat()),
            )
            self._journal.note("caregiver linked", moment, self._keyed(child), {"until": until.isoformat()})

    def note_question(self, moment: Moment, session_id: bytes, notice: str) -> None:
        """Write down that the person asked about the notice before answering."""
        with self._journal.transaction():
            self._journal.note("question", moment, session_id, {"notice": notice})

    def commit_complaint(self, moment: Moment, workflow: Workflow, concern: Concern) -> int:
        """Write down that somebody complained; returns the event's sequence number."""
        with self._journal.transaction():
            complaint = Complaint(record_id=random_id(), workflow=workflow, concern=concern)
            return self._journal.commit(moment, complaint)

    def note_forged_card(self, moment: Moment) -> None:
        """Write down that a card named a trusted issuer who did not sign it; nothing of who held it."""
        with self._journal.transaction():
            self._journal.note("forged card", moment, b"", {})

    def note_resemblance(
        self, moment: Moment, subject: str, resembles: Sequence[str], told: Resemblance | None = None
    ) -> None:
        """Leave it to an adjudicator whether entries are of one person.

        told: the same by ids, for people at the aggregator; None where the gallery is this appliance's alone.
        """
        with self._journal.transaction() as db:
            for other in resembles:
                db.execute(
                    "INSERT INTO resemblances (subject, resembles) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (subject, other),
                )
            facts = {"entries": str(len(resembles))}
            self._journal.note("resemblance", moment, self._keyed(subject), facts)
            if told is not None:
                self._journal.commit(moment, told)

    def resemblances(self) -> list[tuple[str, str]]:
        """Return the pairs of subjects that wait for an adjudicator, in order."""
        with self._journal.reading() as db:
            return db.execute(
                "SELECT subject, resembles FROM waiting_resemblances ORDER BY number"
            ).fetchall()

    def settle_resemblance(self, moment: Moment, subject: str, other: str, *, same: bool, by: str) -> bool:
        """Write down an adjudicator's word and forget the pair; returns whether it waited."""
        with self._journal.transaction() as db:
            settled = db.execute(
                "DELETE FROM resemblances WHERE (subject, resembles) IN (VALUES (?1, ?2), (?2, ?1))",
                (subject, other),
            ).rowcount
            if settled:
                facts = {"same person": str(same).lower(), "by": by or NOT_SIGNED_IN}
                self._journal.note("resemblance settled", moment, self._keyed(subject), facts)
        self._journal.erase_from_log(erased=settled > 0)
        return bool(settled)

    def forget(self, moment: Moment, subject: str) -> int:
        """Erase what the work knows of a subject, links and pairs; returns how many rows."""
        with self._journal.transaction():
            erased = self.forget_within(moment, subject)
        self._journal.erase_from_log(erased=erased > 0)
        return erased

    def forget_within(self, moment: Moment, subject: str) -> int:
        """Do what `forget` does, within the caller's transaction."""
        db = self._journal.database
        erased: int = db.execute("DELETE FROM links WHERE ?1 IN (child, caregiver)", (subject,)).rowcount
        erased += db.execute("DELETE FROM resemblances WHERE ?1 IN (subject, resembles)", (subject,)).rowcount
        if erased:
            self._journal.note("links erased", moment, self._keyed(subject), {"rows": str(erased)})
        return erased

    # The session under way

    def keep_open(self, session: OpenSession) -> None:
        """Keep how far the session is, in place of an earlier state of it."""
        with self._journal.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO open_session (id, session) VALUES (1, ?)",
                (msgspec.msgpack.encode(session),),
            )

    def open_session(self) -> OpenSession | None:
        """Return the session that a power cut left open."""
        with self._journal.reading() as db:
            row = db.execute("SELECT session FROM open_session").fetchone()
        return msgspec.msgpack.decode(row[0], type=OpenSession) if row else None

    def conclude(self, moment: Moment, conclusion: Conclusion, *, owner_silent: bool = False) -> Concluded:
        """End the open session in one transaction: record, ledger's row or token, report's row.

        owner_silent: the household was served without its owner's word. Raises AlreadyCollected and
        LossCapReached, and nothing is written then; ListRefused for a hand-over without a list.
        """
        with self._journal.transaction() as db:
            place = _place(db, conclusion)
            if conclusion.answer is Answer.GIVEN:
                collect(
                    self._journal,
                    db,
                    moment,
                    conclusion.session_id,
                    conclusion.number,
                    exception=conclusion.basis is Basis.EXCEPTION,
                    owner_silent=owner_silent,
                )
            elif place.household is not None:
                release(db, place.household, self._journal.device_id)
            token = _issue_token(db, self._journal.device_id) if conclusion.answer is Answer.VISIT else ""
            if conclusion.answer is Answer.VISIT:
                db.execute(
                    "UPDATE appointments SET attended = 1 WHERE subject = ? COLLATE NOCASE",
                    (conclusion.number,),
                )
            seq = self._journal.commit(moment, _service(conclusion, place))
            note_served(db, _served(db, moment, conclusion, place, owner_silent=owner_silent))
            _close(db, conclusion.session_id)
        return Concluded(seq, token)

    def check_pin(self, moment: Moment, name: str, pin: str, need: Role) -> PinCheck:
        """Check a PIN; wrong ones are counted. A right one of too low a role opens nothing, and is no try."""
        match self._staff.check_pin(moment, name, bytearray(pin, "utf-8")):
            case PinWrong() | PinWaits() as refused:
                return refused
            case member:
                return PinRight(member.name) if member.may(need) else RoleTooLow()

    def _keyed(self, number: str) -> bytes:
        return hmac.digest(self._input_key(), number.encode(), "sha256")


def _close(db: Database, session_id: bytes) -> None:
    """Forget the open session where it is this one: what is written down late leaves that of another be."""
    row = db.execute("SELECT session FROM open_session").fetchone()
    if row and msgspec.msgpack.decode(row[0], type=OpenSession).session_id == session_id:
        db.execute("DELETE FROM open_session")


def _place(db: Database, conclusion: Conclusion) -> _Place:
    head, number = loaded(db), conclusion.number
    if head is None or conclusion.workflow is not head.workflow:
        return _Place()
    if not number:
        return _Place(head.cycle)
    if head.workflow is Workflow.CLINIC:
        row = find_row(db, "appointment", number)
        cohort = msgspec.msgpack.decode(row[0], type=Appointment).cohort if row else ""
        return _Place(head.cycle, None, cohort, on_list=row is not None)
    row = find_row(db, "household", number)
    digest = household_digest(head.key, number)
    if row is None:
        return _Place(head.cycle, digest)
    household = msgspec.msgpack.decode(row[0], type=Household)
    came = household.collectors + (household.alternates if conclusion.basis is Basis.ALTERNATE else ())
    unregistered = _registered(db, came) < len(came)
    return _Place(head.cycle, digest, household.cohort, on_list=True, some_unregistered=unregistered)


def _registered(db: Database, subjects: Sequence[str]) -> int:
    """Return how many of these subjects have templates that a finger or face is compared with."""
    (count,) = db.execute(
        """SELECT count(DISTINCT lower(subject)) FROM gallery
           JOIN protected_templates ON entry = gallery.number
           WHERE lower(subject) IN (SELECT lower(value) FROM json_each(?))""",
        (msgspec.json.encode(subjects).decode(),),
    ).fetchone()
    return int(count)


def _service(conclusion: Conclusion, place: _Place) -> Service:
    return Service(
        record_id=conclusion.session_id,
        workflow=conclusion.workflow,
        answer=conclusion.answer,
        basis=conclusion.basis,
        check_ins=conclusion.check_ins[-MOST_CHECK_INS:],
        reason=conclusion.reason,
        household=place.household,
        cycle=place.cycle,
        duration_ns=conclusion.duration_ns,
        declined=conclusion.declined,
        cohort=place.cohort,
        operator=conclusion.operator,
        supervisor=conclusion.supervisor,
        countersigned_by=conclusion.countersigned_by,
    )


def _served(
    db: Database, moment: Moment, conclusion: Conclusion, place: _Place, *, owner_silent: bool
) -> Served:
    return Served(
        moment=moment,
        workflow=conclusion.workflow,
        answer=conclusion.answer,
        basis=conclusion.basis,
        reason=conclusion.reason,
        attempt=attempt_of(_check_ins(db, conclusion.check_ins), conclusion.basis),
        declined=conclusion.declined,
        cohort=place.cohort,
        duration_ns=conclusion.duration_ns,
        operator=conclusion.operator,
        supervisor=conclusion.supervisor,
        countersigned_by=conclusion.countersigned_by,
        on_list=place.on_list,
        owner_silent=owner_silent,
        some_unregistered=place.some_unregistered,
    )


def _check_ins(db: Database, record_ids: Sequence[bytes]) -> list[CheckIn]:
    if not record_ids:
        return []
    rows = db.execute("SELECT event FROM records ORDER BY seq DESC LIMIT ?", (_RECENT_RECORDS,)).fetchall()
    bodies = [msgspec.msgpack.decode(data, type=Event).body for (data,) in rows]
    found = {body.record_id: body for body in bodies if isinstance(body, CheckIn)}
    return [found[record_id] for record_id in record_ids if record_id in found]


def _issue_token(db: Database, device_id: str) -> str:
    """Return a number that nobody else has today: that of the next slip printed for the list."""
    head = loaded(db)
    # Without a list nothing is printed, and the order is one that nobody knows.
    key = secrets.token_bytes(32) if head is None else token_key(head.key, head.first_day)
    numbers = token_numbers(key, device_id)
    issued = {number for (number,) in db.execute("SELECT token FROM tokens").fetchall()}
    token = next((number for number in numbers if int(number) not in issued), None)
    if token is None:
        # So many people take two days: the clock stood still, or nobody opened the second one.
        token_day.forget(db)
        token = numbers[0]
    db.execute("INSERT INTO tokens (token) VALUES (?)", (int(token),))
    return token
