"""The appliance's store: what happened, what waits for the aggregator, and the gallery.

Used from one thread, the one that opened it (`firmware.store.thread` gives it one). A change is one
transaction: it is on the disk when the call returns, or it did not happen.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import msgspec
import structlog
from sqlite_utils import Database

from firmware.clock import random_id
from firmware.lease import LeaseUse
from firmware.records import (
    Attempts,
    CheckIn,
    DeviceFault,
    Moment,
    Registration,
    Use,
)
from firmware.store import audit, entries, former, inheritance, receipts
from firmware.store.adjudged import Adjudged
from firmware.store.ages import Ages
from firmware.store.audit import AuditBroken
from firmware.store.connection import APPLICATION_ID, open_database, translated
from firmware.store.day import DayBook
from firmware.store.desired import DesiredBook
from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import OtherDevice, StoreError
from firmware.store.gallery import Gallery
from firmware.store.inheritance import Inheritance
from firmware.store.journal import Journal
from firmware.store.ledger import Ledger
from firmware.store.lists import ListShelf
from firmware.store.lock import ProcessLock
from firmware.store.migrations import is_pending, migrate
from firmware.store.orders import OrderBook
from firmware.store.outbox import Outbox
from firmware.store.pragma_key import lent_text
from firmware.store.reference import Reference
from firmware.store.shared import SharedGallery
from firmware.store.space import Space, SpaceLimits, disk_free_share
from firmware.store.staff import StaffRegister
from firmware.store.telemetry import TelemetryBook
from firmware.store.trail import FORMAT, Head, Holds, Trail
from firmware.store.work import WorkBook
from trust.chain import first_link
from trust.consent import Consent, Purpose
from trust.keys.secret import SecretKey

log = structlog.get_logger()

KEEP_ACKNOWLEDGED_NS = 24 * 3600 * 1_000_000_000  # sent records leave the device within a day


@dataclass(frozen=True, slots=True)
class Counts:
    """How many events were written, wait, and were acknowledged, and how many entries the gallery has."""

    written: int
    waiting: int
    acknowledged: int
    references: int


def lock_of(path: Path) -> Path:
    """Return the file that names the process that holds the store at `path`."""
    return path.with_name(path.name + ".lock")


def keys_of(path: Path) -> Path:
    """Return the file that holds what the entries of the store at `path` are wrapped under."""
    return path.with_name(path.name + ".entries")


class Store:
    """Records, audit log, outbox and gallery in one encrypted file; all methods raise StoreError kinds.

    outbox: what the aggregator does not hold yet; space: what is left for what; orders: what the aggregator
    asked for; desired: what the appliance should be by its desk; telemetry: how far it has counted; gallery:
    whom people are compared with; shared: what other appliances of the site know of it; adjudged: what people
    at the aggregator decided of its entries; ages: how long each has been here.
    staff, lists, ledger, day, work: the tables of the work. All in the same file and the same transactions.
    """

    def __init__(
        self,
        path: Path,
        lock: ProcessLock,
        database: Database,
        entry_keys: EntryKeys,
        max_pages: int | None,
        limits: SpaceLimits | None,
        free_share: Callable[[], float] | None,
    ) -> None:
        self._lock = lock
        self.entry_keys = entry_keys
        self._db = database
        row = database.execute(
            "SELECT device_id, epoch, site, purpose, chain_epoch FROM appliance"
        ).fetchone()
        self.device_id: str = row[0]
        self.epoch: bytes = row[1]
        self.site: str = row[2]
        self.purpose = Purpose(row[3])
        self._journal = Journal(
            path,
            database,
            device_id=self.device_id,
            purpose=self.purpose,
            site=self.site,
            chain_epoch=row[4] or row[1],
            entry_keys=entry_keys,
        )
        self.space = Space(
            self._journal, limits or SpaceLimits(), max_pages, free_share or partial(disk_free_share, path)
        )
        self.outbox = Outbox(self._journal, self.epoch, self.space)
        self.orders = OrderBook(self._journal)
        self.telemetry = TelemetryBook(self._journal, self.space, self.outbox.depth)
        self.desired = DesiredBook(self._journal)
        self.staff = StaffRegister(self._journal)
        self.lists = ListShelf(self._journal)
        self.ledger = Ledger(self._journal)
        self.day = DayBook(self._journal)
        self.adjudged = Adjudged(self._journal)
        self.ages = Ages(self._journal)
        self.work = WorkBook(self._journal, self.staff, self.lists, self.ledger, self.day, self.input_key)
        self.gallery = Gallery(self._journal, self.work.forget_within)
        self.shared = SharedGallery(self._journal, self.gallery.erase_within)

    @classmethod
    def open(
        cls,
        path: Path,
        key: SecretKey,
        *,
        device_id: str,
        purpose: Purpose,
        site: str,
        max_pages: int | None = None,
        limits: SpaceLimits | None = None,
        free_share: Callable[[], float] | None = None,
        keep_former: bool = False,
        new_epoch: Callable[[], bytes] = random_id,
    ) -> Self:
        """Open the store, or make it; it serves this device, this purpose and this site for ever.

        key: 32 bytes; the caller closes it. max_pages: the most pages of 4 KiB that the file may have, None
        for as much as the disk has. limits: what is given up when. free_share: of the disk, asked for anew at
        each decision. keep_former: a copy, where the tables are about to be changed.
        """
        if not path.parent.is_dir():
            raise StoreError(f"the folder {path.parent} does not exist; create it or change `device.data`")
        lock = ProcessLock(lock_of(path))
        try:
            database = open_database(path, key, max_pages=max_pages)
        except BaseException:
            lock.release()
            raise
        entry_keys = EntryKeys()
        try:
            entry_keys = EntryKeys.open(keys_of(path), key)
            epoch = new_epoch()
            with translated(path):
                if keep_former and is_pending(database):
                    former.keep(path, keys_of(path), database)
                migrate(database)
                database.execute(
                    """INSERT OR IGNORE INTO appliance (id, device_id, epoch, site, purpose, link)
                       VALUES (1, ?, ?, ?, ?, ?)""",
                    (device_id, epoch, site, purpose.value, first_link(device_id, epoch)),
                )
                store = cls(path, lock, database, entry_keys, max_pages, limits, free_share)
            store._refuse_other_device(device_id)
            store._journal.refuse_other(purpose, site)
            entry_keys.require(database)
            store.gallery.protect(key)
        except BaseException:
            entry_keys.close()
            database.close()
            lock.release()
            raise
        return store

    def close(self) -> None:
        """Close the file and let other processes have it."""
        self._db.close()
        self.entry_keys.close()
        self._lock.release()

    # Events

    def note_answer(self, moment: Moment, record_id: bytes, consent: Consent, notice: str) -> None:
        """Write down a person's answer to the notice before anything is captured.

        record_id: of the registration that follows, so that the two can be held together.
        """
        with self._journal.transaction():
            facts = {"consent": consent.value, "notice": notice}
            self._journal.note("answer", moment, record_id, facts)

    def commit_check_in(
        self,
        moment: Moment,
        check_in: CheckIn,
        claim: tuple[str, Attempts] | None = None,
        use: Use | None = None,
    ) -> int:
        """Write the record, its audit row and its place in the outbox; returns its sequence number.

        claim: the claimed subject with its attempts as they now stand; None leaves them as they are.
        use: what only the audit log keeps.
        """
        with self._journal.transaction():
            if claim is not None:
                entries.note_attempts(self._db, *claim)
            return self._journal.commit(moment, check_in, {} if use is None else audit.facts_of_use(use))

    def input_key(self) -> bytes:
        """Return the key under which the audit log keeps digests of what matched."""
        with self._journal.transaction():
            (key,) = self._db.execute("SELECT input_key FROM appliance").fetchone()
            if not key:
                key = secrets.token_bytes(32)
                self._db.execute("UPDATE appliance SET input_key = ?", (key,))
            return bytes(key)

    def page_certificate(self, make: Callable[[], tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
        """Return key and certificate of the page that tablets open, both as DER; `make` makes the first."""
        with self._journal.transaction():
            row = self._db.execute("SELECT page_key, page_certificate FROM appliance").fetchone()
            if row[0]:
                return bytes(row[0]), bytes(row[1])
            made = make()
            self._db.execute("UPDATE appliance SET page_key = ?, page_certificate = ?", made)
            return made

    def commit_registration(
        self,
        moment: Moment,
        registration: Registration,
        reference: Reference | None,
        origin: dict[str, str] | None = None,
    ) -> int:
        """Write a registration together with its gallery entry; returns its sequence number.

        reference: None for a person without templates. origin: of templates that were not taken here, for the
        audit log alone. Raises ValueError when the two do not belong together.
        """
        if registration.entry_id != (reference.entry_id if reference else None):
            raise ValueError("the registration names another gallery entry than the one handed in")
        if reference and registration.consent is not Consent.ACCEPTED:
            raise ValueError("no templates are stored without consent")
        with self._journal.transaction():
            if reference:
                self.gallery.insert_within(moment, reference)
            return self._journal.commit(moment, registration, origin)

    def commit_fault(self, moment: Moment, fault: DeviceFault) -> int | None:
        """Write a device fault or a recovery; returns its sequence number.

        Returns None where telemetry finds no space: the fault is counted, and the count reported later.
        """
        with self._journal.transaction():
            if not self.space.takes_telemetry(moment):
                return None
            return self._journal.commit(moment, fault)

    # A store that goes on from a former one

    @property
    def path(self) -> Path:
        """Where the store lies."""
        return self._journal.path

    def is_new(self) -> bool:
        """Whether nothing was ever written here."""
        with self._journal.reading():
            return self._db.execute("SELECT 1 FROM audit LIMIT 1").fetchone() is None

    def inherit(self, former: Inheritance, moment: Moment, cause: str) -> None:
        """Take over what a former store held, in one transaction; cause: "damaged" or "restored".

        Raises StoreError for a store that is not new, PurposeRefused for entries of another purpose or site.
        """
        if not self.is_new():
            raise StoreError("this store is in use: only a new one takes over a former one")
        with self._journal.transaction():
            for reference in former.references:
                self._journal.refuse_other(reference.purpose, reference.site)
            began = inheritance.take_over(
                self._db, self.entry_keys, former, moment, self.purpose, self.epoch, cause
            )
        self._journal.chain_epoch = began

    def copy_to(self, target: Path, key: SecretKey) -> None:
        """Write all tables and the entries' keys into the empty file `target`, encrypted under `key`."""
        with translated(target), lent_text(key) as literal:
            self._db.execute("ATTACH ? AS copy KEY ?", (str(target), literal))
            try:
                self._db.execute("SELECT sqlcipher_export('copy')").fetchone()
                self._db.execute(
                    "CREATE TABLE copy.entry_keys (number INTEGER PRIMARY KEY, id BLOB, key BLOB)"
                )
                self._db.conn.executemany(
                    "INSERT INTO copy.entry_keys (id, key) VALUES (?, ?)", self.entry_keys.rows()
                )
                self._db.execute(f"PRAGMA copy.application_id = {APPLICATION_ID:d}")
            finally:
                self._db.execute("DETACH copy")

    # Lease

    def lease(self) -> LeaseUse | None:
        """Return what of the lease was used up when it was last noted, None before the first time."""
        with self._journal.reading():
            row = self._db.execute("SELECT used FROM lease").fetchone()
            return msgspec.msgpack.decode(row[0], type=LeaseUse) if row else None

    def note_lease(self, change: Callable[[LeaseUse | None], LeaseUse]) -> LeaseUse:
        """Replace what was used up by what `change` makes of it; returns that."""
        with self._journal.transaction():
            use = change(self.lease())
            self._db.execute(
                "INSERT OR REPLACE INTO lease (id, used) VALUES (1, ?)", (msgspec.msgpack.encode(use),)
            )
        return use

    # Oversight

    def counts(self) -> Counts:
        """Return how full the store is."""
        with self._journal.reading():
            written, waiting = self.outbox.last_seq(), self.outbox.depth()
            return Counts(written, waiting, written - waiting, self.gallery.size())

    def verify_audit(self) -> int | AuditBroken:
        """Check the audit log against itself, the records and the receipts; return how many rows hold."""
        checked = self.trail().check()
        return checked.rows if isinstance(checked, Holds) else checked

    def trail(self) -> Trail:
        """Return the audit log as it can be checked and written to a file; for the calling thread."""
        with self._journal.reading():
            (began_at,) = self._db.execute("SELECT epoch_began_at FROM appliance").fetchone()
            last_seq = self.outbox.last_seq()
            head = Head(FORMAT, self.device_id, self.epoch, self._journal.chain_epoch, began_at, last_seq)
            rows = self._db.execute("SELECT number, entry, chain FROM audit ORDER BY number").fetchall()
            return Trail(head, rows, receipts.read(self._db), self._record)

    def _record(self, seq: int) -> bytes | None:
        with self._journal.reading():
            row = self._db.execute("SELECT event FROM records WHERE seq = ?", (seq,)).fetchone()
            return row[0] if row else None

    def _refuse_other_device(self, device_id: str) -> None:
        if device_id != self.device_id:
            raise OtherDevice(
                f"this store belongs to the device {self.device_id!r}, and `device.id` is {device_id!r}: its "
                "records would be reported a second time under that name; put the name back, or use another "
                "`device.data` for the other device"
                if self.device_id
                else "this store was made by a version before 0.1.0: use an empty folder for `device.data`"
            )
