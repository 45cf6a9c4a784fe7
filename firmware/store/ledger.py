"""Who collected in a cycle, and which desk is about to hand over: one household, one ration.

The constraint UNIQUE (cycle, household) holds whatever the code above does. Used by the appliance that owns a
household for all desks, and by each desk for what it handed over itself. Times are durations of this
appliance's own: no clock is trusted, and a claim that outlived a reboot lasts its whole time again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlite_utils import Database

from firmware.mesh import ledger as rules
from firmware.mesh.book import SiteCycle
from firmware.mesh.ledger import Answer, Claim, Collection, Stands, Verdict
from firmware.records import Moment
from firmware.store.errors import AlreadyCollected, ListRefused, LossCapReached
from firmware.store.hand_overs import (
    INSERT_COLLECTION,
    collection_of,
    entry_of,
    report,
    set_held,
    take_down,
)
from firmware.store.journal import Journal
from firmware.store.lists import LoadedList, loaded
from trust.lists.terms import household_digest
from trust.service import Workflow


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
    """The claims and collections of the cycle that is loaded; raises ListRefused where none is.

    Households are named by their digests. It is the mesh's `Book`; the rules are `firmware.mesh.ledger`.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def site_cycle(self) -> SiteCycle | None:
        """Return what of the loaded list the appliances of the site share; None without a distribution."""
        with self._journal.reading() as db:
            head = loaded(db)
        if head is None or head.workflow is not Workflow.DISTRIBUTION:
            return None
        return SiteCycle(head.cycle, head.roster, head.key)

    def known(self, household: bytes) -> Collection | None:
        """Return the collection of a household, as far as it is known here."""
        with self._journal.reading() as db:
            return entry_of(db, required(db).cycle, household).first

    def claim(self, household: bytes, asked: Claim, now: Moment) -> Answer:
        """Grant a claim, or say why not."""
        with self._journal.transaction() as db:
            entry, answer = rules.claim(entry_of(db, required(db).cycle, household), asked, now)
            set_held(db, household, entry.held)
            return answer

    def release(self, household: bytes, claim_id: bytes) -> None:
        """Give a claim back."""
        with self._journal.transaction() as db:
            entry = rules.release(entry_of(db, required(db).cycle, household), claim_id)
            set_held(db, household, entry.held)

    def hear(self, collections: Sequence[Collection], now: Moment) -> list[Verdict]:
        """Take down what collected at another desk, as often as it is told.

        A second hand-over is kept and, where the household is owned here, reported to the aggregator; nobody
        is denied for it.
        """
        with self._journal.transaction() as db:
            head = required(db)
            return [take_down(self._journal, db, now, head.cycle, head.roster, each) for each in collections]

    def waiting(self, device: str, limit: int) -> list[Collection]:
        """Return collections here that another appliance must still be told of, in their order."""
        with self._journal.reading() as db:
            rows = db.execute(
                "SELECT record_id, household, at FROM reports WHERE device = ? ORDER BY number LIMIT ?",
                (device, limit),
            ).fetchall()
        desk = self._journal.device_id
        return [collection_of(record_id, household, desk, at) for record_id, household, at in rows]

    def told(self, device: str, record_ids: Sequence[bytes]) -> None:
        """Note that another appliance holds these."""
        with self._journal.transaction() as db:
            db.conn.executemany(
                "DELETE FROM reports WHERE device = ? AND record_id = ?",
                [(device, record_id) for record_id in record_ids],
            )

    def unconfirmed(self) -> int:
        """Return how many households collected here without their owner's knowing: each may collect again."""
        with self._journal.reading() as db:
            return int(db.execute("SELECT count(*) FROM reports WHERE owner").fetchone()[0])

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
    record_id: bytes,
    number: str,
    *,
    exception: bool,
    owner_silent: bool,
) -> bool:
    """Note that a household collects here now, within the caller's transaction, and who must be told.

    record_id: of the service. number: "" for somebody without one. Returns False where it had collected at
    another desk meanwhile, a conflict that is kept. Raises AlreadyCollected, LossCapReached, ListRefused.
    """
    head = required(db)
    within_cap = exception or owner_silent
    if within_cap and _exceptions_left(db, head) <= 0:
        raise LossCapReached(
            f"the {head.loss_cap} exceptions that are signed for the cycle {head.cycle!r} were made: send "
            f"the person to the desk {head.desk}"
        )
    at = msgspec.msgpack.encode(moment)
    marks = (within_cap, owner_silent)
    if not number:
        db.execute(INSERT_COLLECTION, (head.cycle, None, journal.device_id, at, record_id, *marks))
        return True
    household = household_digest(head.key, number)
    first = entry_of(db, head.cycle, household).first
    if first is not None and first.device == journal.device_id:
        raise AlreadyCollected("this household collected here in this cycle: send it to the desk")
    collection = Collection(record_id, household, journal.device_id, moment)
    verdict = take_down(journal, db, moment, head.cycle, head.roster, collection, *marks)
    report(journal, db, head.cycle, head.roster, collection)
    return isinstance(verdict, Stands)


def required(db: Database) -> LoadedList:
    """Return the list that is loaded; raises ListRefused."""
    head = loaded(db)
    if head is None:
        raise ListRefused("no list is loaded: a supervisor loads it on the page of the day")
    return head


def _exceptions_left(db: Database, head: LoadedList) -> int:
    (made,) = db.execute(
        "SELECT count(*) FROM collections WHERE within_cap AND cycle = ?", (head.cycle,)
    ).fetchone()
    return max(0, head.loss_cap - int(made))


def release(db: Database, household: bytes, desk: str) -> None:
    """Give a desk's claim back, within the caller's transaction."""
    db.execute("DELETE FROM claims WHERE household = ? AND desk = ?", (household, desk))
