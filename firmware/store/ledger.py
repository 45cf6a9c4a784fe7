"""Who collected in a cycle, and which desk is about to hand over: one household, one ration.

The constraint UNIQUE (cycle, household) holds whatever the code above does. Used by the appliance that owns a
household for all desks, and by each desk for what it handed over itself. Times are durations of this
appliance's own: no clock is trusted, and a claim that outlived a reboot lasts its whole time again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
from sqlite_utils import Database

from firmware.clock import surely_passed_s
from firmware.records import Moment
from firmware.store.errors import AlreadyCollected, ListRefused, LossCapReached
from firmware.store.journal import Journal
from firmware.store.lists import LoadedList, loaded
from firmware.workflow.outcomes import AlreadyGiven, ClaimedElsewhere, Granted
from trust.lists.terms import household_digest


@dataclass(frozen=True, slots=True)
class Untold:
    """The owner of this household was not told yet that it collected here; at_ns: as in `AlreadyGiven`."""

    number: str
    at_ns: int | None


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """What the ledger of the cycle says: hand-overs here, and as far as known elsewhere and twice.

    exceptions_left: of the loss cap.
    """

    here: int
    elsewhere: int
    conflicts: int
    exceptions_left: int


class Ledger:
    """The claims and collections of the cycle that is loaded; raises ListRefused where none is."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def claim(
        self, moment: Moment, number: str, desk: str, for_s: float
    ) -> Granted | AlreadyGiven | ClaimedElsewhere:
        """Claim a household for a desk; its own claim is renewed, one that ended is taken over."""
        with self._journal.transaction() as db:
            head = required(db)
            household = household_digest(head.key, number)
            given = db.execute(
                "SELECT desk, at FROM collections WHERE cycle = ? AND household = ?", (head.cycle, household)
            ).fetchone()
            if given:
                return AlreadyGiven(_wall_ns(msgspec.msgpack.decode(given[1], type=Moment)), given[0])
            row = db.execute(
                "SELECT desk, began, for_s FROM claims WHERE household = ?", (household,)
            ).fetchone()
            if row and row[0] != desk:
                left_s = row[2] - surely_passed_s(msgspec.msgpack.decode(row[1], type=Moment), moment)
                if left_s > 0:
                    return ClaimedElsewhere(left_s, row[0])
            db.execute(
                "INSERT OR REPLACE INTO claims (household, desk, began, for_s) VALUES (?, ?, ?, ?)",
                (household, desk, msgspec.msgpack.encode(moment), for_s),
            )
            return Granted()

    def release(self, number: str, desk: str) -> None:
        """Give a claim back; that of another desk stays."""
        with self._journal.transaction() as db:
            head = required(db)
            release(db, household_digest(head.key, number), desk)

    def note_given(self, moment: Moment, number: str, desk: str) -> bool:
        """Note that a household of this appliance's collected at another desk, as often as it is told.

        Returns False where it had collected elsewhere before: that is a conflict, which is kept and reported,
        and for which nobody is denied.
        """
        with self._journal.transaction() as db:
            head = required(db)
            household = household_digest(head.key, number)
            release(db, household, desk)
            noted = db.execute(
                """INSERT INTO collections (cycle, household, desk, at) VALUES (?, ?, ?, ?)
                   ON CONFLICT DO NOTHING""",
                (head.cycle, household, desk, msgspec.msgpack.encode(moment)),
            )
            return bool(noted.rowcount) or not _conflict(
                self._journal, db, moment, head.cycle, household, desk
            )

    def untold(self) -> list[Untold]:
        """Return what was handed over here and whose owner was not told, in order."""
        with self._journal.reading() as db:
            rows = db.execute(
                """SELECT subject, at FROM collections JOIN households ON digest = collections.household
                   JOIN lists USING (cycle) WHERE NOT told ORDER BY collections.number"""
            ).fetchall()
        return [Untold(subject, _wall_ns(msgspec.msgpack.decode(at, type=Moment))) for subject, at in rows]

    def told(self, number: str) -> None:
        """Note that the owner knows; also for a household of this appliance's own."""
        with self._journal.transaction() as db:
            head = required(db)
            db.execute(
                "UPDATE collections SET told = 1 WHERE cycle = ? AND household = ?",
                (head.cycle, household_digest(head.key, number)),
            )

    def worst_case(self) -> int:
        """Return how many households could at most collect twice, since their owners were silent."""
        with self._journal.reading() as db:
            (count,) = db.execute(
                "SELECT count(*) FROM collections JOIN lists USING (cycle) WHERE owner_silent AND NOT told"
            ).fetchone()
        return int(count)

    def exceptions_left(self) -> int:
        """Return how many hand-overs of the signed loss cap are left here; 0 without a list."""
        with self._journal.reading() as db:
            head = loaded(db)
            return _exceptions_left(db, head) if head else 0

    def counts(self) -> LedgerCounts:
        """Return what the ledger says of the cycle that is loaded."""
        with self._journal.reading() as db:
            head = required(db)
            here, elsewhere = db.execute(
                """SELECT count(*) FILTER (WHERE desk = :desk), count(*) FILTER (WHERE desk <> :desk)
                   FROM collections WHERE cycle = :cycle""",
                {"desk": self._journal.device_id, "cycle": head.cycle},
            ).fetchone()
            (conflicts,) = db.execute(
                "SELECT count(*) FROM conflicts WHERE cycle = ?", (head.cycle,)
            ).fetchone()
            return LedgerCounts(here, elsewhere, conflicts, _exceptions_left(db, head))

    def collected(self) -> dict[str, str]:
        """Return the numbers on the list that collected, and where, as far as is known here."""
        with self._journal.reading() as db:
            rows = db.execute(
                """SELECT subject, desk FROM collections JOIN households ON digest = collections.household
                   JOIN lists USING (cycle) ORDER BY households.number"""
            )
            return dict(rows.fetchall())

    def collected_here(self) -> list[str]:
        """Return the numbers on the list to which this desk handed over, those in conflict too."""
        query = """SELECT subject FROM (
                       SELECT cycle, household, desk FROM collections
                       UNION ALL SELECT cycle, household, desk FROM conflicts
                   ) AS handed JOIN households ON digest = handed.household JOIN lists USING (cycle)
                   WHERE desk = ? ORDER BY households.number"""
        with self._journal.reading() as db:
            return [subject for (subject,) in db.execute(query, (self._journal.device_id,))]

    def seal(self) -> bytes:
        """Return SHA-256 over the cycle and its collections in the order of the households' digests."""
        with self._journal.reading() as db:
            head = required(db)
            rows = db.execute(
                "SELECT household, desk FROM collections WHERE cycle = ? ORDER BY household, number",
                (head.cycle,),
            )
            digest = hashlib.sha256(b"aidpost ledger 1\0" + msgspec.msgpack.encode(head.cycle))
            for row in rows:
                digest.update(msgspec.msgpack.encode(row))
        return digest.digest()


def collect(
    journal: Journal,
    db: Database,
    moment: Moment,
    number: str,
    *,
    exception: bool,
    owner_silent: bool,
) -> bool:
    """Note that a household collects here now, within the caller's transaction.

    number: "" for somebody without one. Returns False where it had collected at another desk meanwhile, a
    conflict that is kept. Raises AlreadyCollected, LossCapReached, ListRefused.
    """
    head = required(db)
    within_cap = exception or owner_silent
    if within_cap and _exceptions_left(db, head) <= 0:
        raise LossCapReached(
            f"the {head.loss_cap} exceptions that are signed for the cycle {head.cycle!r} were made: send "
            f"the person to the desk {head.desk}"
        )
    household = household_digest(head.key, number) if number else None
    if household is not None:
        release(db, household, journal.device_id)
        before = db.execute(
            "SELECT desk FROM collections WHERE cycle = ? AND household = ?", (head.cycle, household)
        ).fetchone()
        if before and before[0] != journal.device_id:
            _conflict(journal, db, moment, head.cycle, household, journal.device_id)
            return False
        if before:
            raise AlreadyCollected("this household collected here in this cycle: send it to the desk")
    db.execute(
        """INSERT INTO collections (cycle, household, desk, at, within_cap, owner_silent, told)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (
            head.cycle, household, journal.device_id, msgspec.msgpack.encode(moment),
            within_cap, owner_silent, household is None,
        ),
    )  # fmt: skip
    return True


def required(db: Database) -> LoadedList:
    """Return the list that is loaded; raises ListRefused."""
    head = loaded(db)
    if head is None:
        raise ListRefused("no list is loaded: load it with `aidpost list import`")
    return head


def _exceptions_left(db: Database, head: LoadedList) -> int:
    (made,) = db.execute(
        "SELECT count(*) FROM collections WHERE within_cap AND cycle = ?", (head.cycle,)
    ).fetchone()
    return max(0, head.loss_cap - int(made))


def release(db: Database, household: bytes, desk: str) -> None:
    """Give a desk's claim back, within the caller's transaction."""
    db.execute("DELETE FROM claims WHERE household = ? AND desk = ?", (household, desk))


def _conflict(
    journal: Journal, db: Database, moment: Moment, cycle: str, household: bytes, desk: str
) -> bool:
    """Keep that a desk handed over after another had; returns whether it had."""
    (first,) = db.execute(
        "SELECT desk FROM collections WHERE cycle = ? AND household = ?", (cycle, household)
    ).fetchone()
    if first == desk:
        return False
    noted = db.execute(
        """INSERT INTO conflicts (cycle, household, desk, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING""",
        (cycle, household, desk, msgspec.msgpack.encode(moment)),
    )
    if noted.rowcount:
        journal.note("two hand-overs", moment, household, {"cycle": cycle, "first": first, "second": desk})
    return True


def _wall_ns(moment: Moment) -> int | None:
    return moment.wall_ns if moment.quality.is_set else None
