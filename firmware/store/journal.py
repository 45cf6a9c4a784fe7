"""Transactions of the store, and what is written in each: the event, its audit row, its place in the outbox.

The store and its parts (`outbox`, `gallery`, `ledger`, ...) share one, so that what belongs together
is on the disk together. A transaction within another is part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from firmware.records import EventBody, Moment
from firmware.store import audit, events
from firmware.store.audit import AuditEntry
from firmware.store.connection import empty_wal, translated
from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import PurposeRefused
from trust.consent import Purpose


class Journal:
    """One open file; all methods raise StoreError kinds.

    chain_epoch: of the store in which the audit log began. purpose, site: the only ones that it serves.
    """

    def __init__(
        self,
        path: Path,
        database: Database,
        *,
        device_id: str,
        purpose: Purpose,
        site: str,
        chain_epoch: bytes,
        entry_keys: EntryKeys,
    ) -> None:
        self.path = path
        self.database = database
        self.device_id = device_id
        self.purpose = purpose
        self.site = site
        self.chain_epoch = chain_epoch
        self.entry_keys = entry_keys
        self._within = self._shreds = False
        self._wal_holds_erased = True  # as far as is known: the power may have failed after an erasure

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Make what the block does one change: all of it is on the disk afterwards, or nothing."""
        if self._within:
            with self.reading() as database, database.atomic():
                yield database
            return
        self._within, self._shreds = True, False
        try:
            with self.reading() as database, database.atomic():
                yield database
                if self._shreds:
                    self.entry_keys.replace(database)
        finally:
            self._within = False
        if self._shreds:
            with self.reading() as database:
                self.entry_keys.drop_former(database)

    def shred(self) -> None:
        """Let what the caller's transaction erases be unreadable when it ends, in every older copy too."""
        self._shreds = True

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Turn the library's errors in the block into StoreError kinds."""
        with translated(self.path):
            yield self.database

    def commit(self, moment: Moment, body: EventBody, more_facts: dict[str, str] | None = None) -> int:
        """Write an event with its audit row, within the caller's transaction; returns its number."""
        seq, link = events.put(self.database, moment, body)
        act, facts = audit.facts_of(body)
        entry = AuditEntry(act, moment, self.purpose, link, seq, facts | (more_facts or {}))
        audit.append(self.database, self.chain_epoch, entry)
        return seq

    def note(self, act: str, moment: Moment, about: bytes, facts: dict[str, str] | None = None) -> None:
        """Write an act that makes no event into the audit log, within the caller's transaction.

        about: what it is about; its SHA-256 is kept.
        """
        digest = hashlib.sha256(about).digest()
        entry = AuditEntry(act, moment, self.purpose, digest, facts=facts or {})
        audit.append(self.database, self.chain_epoch, entry)

    def erase_from_log(self, *, erased: bool) -> None:
        """Empty the write-ahead log after an erasure, outside any transaction.

        What is erased is gone from the tables whether or not this succeeds, so it is no fault; it is tried
        again with each erasure and purge.
        """
        if erased or self._wal_holds_erased:
            with translated(self.path):
                self._wal_holds_erased = not empty_wal(self.database)

    def refuse_other(self, purpose: Purpose, site: str) -> None:
        """Raise PurposeRefused for another purpose or site than the store's."""
        if purpose is not self.purpose or site != self.site:
            raise PurposeRefused(
                f"this gallery serves {self.purpose.value!r} at {self.site!r} alone, not "
                f"{purpose.value!r} at {site!r}; use that purpose's appliance, or another `device.data`"
            )
