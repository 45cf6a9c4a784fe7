"""The gallery that people are compared with: its entries, and the key that their templates are under."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog

from firmware.records import Attempts, Moment
from firmware.store import changes, entries, protecting, registered, tombstones
from firmware.store.errors import StoreDamaged
from firmware.store.journal import Journal
from firmware.store.reference import Reference
from inference.errors import InferenceError
from trust.consent import Purpose
from trust.gallery.errors import GalleryError
from trust.keys.secret import SecretKey

log = structlog.get_logger()

BATCH = 250
"""Entries: some 3 MB of two fingers each, and no more than a hundredth is lost to beginning a query anew."""


class Gallery:
    """Entries of one purpose and site; methods raise StoreError kinds, PurposeRefused for another purpose.

    forget: what the work knows of a subject, called within the transaction that erases its last entry.
    """

    def __init__(self, journal: Journal, forget: Callable[[Moment, str], object]) -> None:
        self._journal = journal
        self._forget = forget
        self._db = journal.database

    def references(self, purpose: Purpose) -> list[Reference]:
        """Return the whole gallery."""
        return [reference for batch in self.batches(purpose) for reference in batch]

    def batches(
        self, purpose: Purpose, on_damage: Callable[[StoreDamaged], None] = entries.fail
    ) -> Iterator[list[Reference]]:
        """Return the whole gallery some entries at a time, so that it never lies in memory twice.

        on_damage: told of each entry that does not open, which is left out; a batch may be empty for it.
        """
        self._refuse_other(purpose)
        return self._batches(purpose, on_damage)

    def reference(self, purpose: Purpose, entry_id: bytes) -> Reference | None:
        """Return one entry, or None."""
        self._refuse_other(purpose)
        with self._journal.reading():
            return entries.select_entry(
                self._db, self._journal.entry_keys, entry_id, purpose, self._journal.site
            )

    def find_subject(self, purpose: Purpose, subject: str) -> list[Reference]:
        """Return the entries under a card or case number: the collectors of a household share one."""
        self._refuse_other(purpose)
        with self._journal.reading():
            return entries.select_subject(
                self._db, self._journal.entry_keys, subject, purpose, self._journal.site
            )

    def entry_ids(self, purpose: Purpose, subjects: Sequence[str]) -> list[bytes]:
        """Return the ids of the entries under these numbers, to search among."""
        self._refuse_other(purpose)
        with self._journal.reading():
            return entries.ids_of(self._db, subjects)

    def attempts(self, purpose: Purpose, subject: str) -> Attempts:
        """Return how often check-ins under a card or case number failed in a row."""
        self._refuse_other(purpose)
        with self._journal.reading():
            return entries.attempts(self._db, subject)

    def size(self) -> int:
        """Return how many entries there are."""
        with self._journal.reading():
            return entries.size(self._db)

    def add(self, moment: Moment, reference: Reference) -> None:
        """Add an entry that came from elsewhere."""
        with self._journal.transaction():
            self.insert_within(moment, reference)
            self._journal.note("reference added", moment, reference.entry_id)

    def insert_within(self, moment: Moment, reference: Reference) -> None:
        """Add an entry, within the caller's transaction."""
        self._journal.refuse_other(reference.purpose, reference.site)
        entries.insert(self._db, self._journal.entry_keys, reference)
        registered.put(self._db, {reference.entry_id: registered.hour_of(moment)})

    def note_export(self, moment: Moment, entry_ids: Sequence[bytes], facts: dict[str, str]) -> None:
        """Write down that templates of these entries are given away; facts: to whom, and which file."""
        with self._journal.transaction():
            for entry_id in entry_ids:
                self._journal.note("templates exported", moment, entry_id, facts)

    def remove(self, moment: Moment, entry_id: bytes, act: str = "reference removed") -> bool:
        """Erase an entry; returns whether it was there. Erasing is allowed for every purpose.

        act: as it stands in the audit log.
        """
        return bool(self.remove_all(moment, [entry_id], act))

    def remove_all(self, moment: Moment, entry_ids: Sequence[bytes], act: str) -> int:
        """Erase entries as `remove` does, in one transaction and with one new key; returns how many."""
        with self._journal.transaction():
            removed = sum(self.erase_within(moment, entry_id, act) for entry_id in entry_ids)
        self._journal.erase_from_log(erased=removed > 0)
        return removed

    def erase_within(self, moment: Moment, entry_id: bytes, act: str) -> bool:
        """Erase an entry with its sealed copy, and with the last of a subject what the work knows of it.

        Within the caller's transaction.
        """
        subject = entries.delete(self._db, entry_id)
        if subject is None:
            return False
        self._journal.shred()
        tombstones.put(self._db, entry_id)
        changes.strip(self._db, entry_id)
        self._journal.note(act, moment, entry_id)
        if not entries.ids_of(self._db, [subject]):
            self._forget(moment, subject)
        return True

    def finish_shredding(self, *, also_current: bool) -> None:
        """Drop the keys that a power cut left behind after an erasure; no damaged store waits to be read.

        also_current: wrap the entries anew, so that no earlier copy, such as one that was set aside, opens.
        """
        if also_current:
            with self._journal.transaction():
                self._journal.shred()
        with self._journal.reading():
            self._journal.entry_keys.drop_former(self._db)

    def protection_key(self) -> SecretKey:
        """Return the key that the templates are protected under; the caller closes it."""
        with self._journal.reading():
            return protecting.key(self._db)

    def protect(self, store_key: SecretKey) -> None:
        """Draw the first key from the store's where there is none, and protect what is stored plain."""
        with self._journal.transaction():
            protecting.ensure_key(self._db, store_key, self._journal.purpose, self._journal.site)
            sealed = entries.seal_unsealed(self._db, self._journal.entry_keys)
            made = protecting.protect_plain(self._db, self._journal.entry_keys)
        if made or sealed:
            log.info("templates protected", templates=made, sealed=sealed)
            self._journal.erase_from_log(erased=True)

    def renew_protection(self, moment: Moment) -> int:
        """Make every template anew under a new key; returns how many. What was made of the former goes.

        Raises StoreDamaged where one of them does not open.
        """
        try:
            with self._journal.transaction():
                renewed = protecting.renew(self._db, self._journal.entry_keys)
                self._journal.note("templates renewed", moment, b"", {"templates": str(renewed)})
        except (InferenceError, GalleryError) as error:
            raise StoreDamaged(f"a template cannot be made anew: {error}") from error
        self._journal.erase_from_log(erased=True)
        return renewed

    def _batches(
        self, purpose: Purpose, on_damage: Callable[[StoreDamaged], None]
    ) -> Iterator[list[Reference]]:
        last = 0
        while True:
            before = last
            with self._journal.reading():
                batch, last = entries.select_after(
                    self._db, self._journal.entry_keys, last, BATCH, purpose, self._journal.site, on_damage
                )
            if last == before:
                return
            yield batch

    def _refuse_other(self, purpose: Purpose) -> None:
        self._journal.refuse_other(purpose, self._journal.site)
