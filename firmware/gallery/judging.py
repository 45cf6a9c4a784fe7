"""Judges what came, opens it, and makes what is to be sent. Takes time: it runs in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from firmware.gallery import change_message, payload
from firmware.gallery.keyring import Keyring
from firmware.gallery.values import Delivered, Delivery, Held, Taken, Waiting
from firmware.store.reference import Reference
from inference.types import ProtectedTemplate, Template
from trust.consent import Purpose
from trust.gallery import tree
from trust.gallery.change import MAX_SEALED_BYTES, NO_ENTRY, Change, Kind, Part, first_link
from trust.gallery.errors import ChangeRefused, EntryRefused
from trust.gallery.judge import Head, Judge
from trust.gallery.opening import ApplianceKeys
from trust.gallery.roster import Member, Roster
from trust.gallery.sealing import Place, seal, unseal


@dataclass(frozen=True, slots=True)
class Judged:
    """What may be taken over.

    opened: entries by id, without those that this appliance has no key for, that do not open, or that other
    models made; the caller wipes their templates. withheld: whose changes others have seen more
    of, up to which number. root_differs: everything is in order, and yet the whole is not what the
    aggregator has.
    """

    taken: Taken
    opened: Mapping[bytes, Reference]
    withheld: Mapping[int, int]
    root_differs: bool
    link: bytes


@dataclass(frozen=True, slots=True)
class Judging:
    """What it takes to judge. usable: whether this appliance compares with a template. protect: makes of an
    entry's templates what is stored here, under this appliance's own key.
    """

    keyring: Keyring
    site: str
    purpose: Purpose
    usable: Callable[[Template], bool]
    protect: Callable[[bytes, Sequence[Template]], tuple[ProtectedTemplate, ...]]

    def judge(self, held: Held, delivery: Delivery, staged: Sequence[tuple[int, bytes]]) -> Judged:
        """Judge what came on top of what is held. Raises ChangeRefused."""
        judge = Judge(
            held.gallery_id,
            held.rosters,
            held.heads,
            held.entries.get,
            epoch=held.epoch,
            in_full=delivery.kind is not Delivered.LOG,
            lacking=held.lacking,
        )
        changes = [(place, change_message.decoded(held.gallery_id, data)) for place, data in staged]
        for _, change in changes:
            judge.take(change)
        judge.finish()
        taken = tuple(each for each in changes if each[1] not in judge.unproved)
        newest = {change.entry_id: change for _, change in taken if change.is_whole}
        opened, hours = self._opened(newest)
        seen = dict(held.seen)
        for author, seq in judge.seen.items():
            seen[author] = max(seq, seen.get(author, 0))
        now = {**held.entries, **judge.entries}
        root = tree.root(
            tree.buckets(
                (entry_id, tree.ERASED if entry.kind is Kind.ERASE else entry.link)
                for entry_id, entry in now.items()
            )
        )
        behind = {
            author: seq
            for author, seq in (*seen.items(), *held.shown)
            if seq > (judge.heads[author].seq if author in judge.heads else 0)
        }
        return Judged(
            Taken(taken, judge.heads, seen, max(judge.epoch, held.epoch), hours),
            opened,
            behind,
            root != delivery.root,
            changes[-1][1].link if changes else held.link,
        )

    def _opened(self, newest: Mapping[bytes, Change]) -> tuple[dict[bytes, Reference], dict[bytes, int]]:
        opened: dict[bytes, Reference] = {}
        hours: dict[bytes, int] = {}
        for change in newest.values():
            if change.kind is not Kind.PUT:
                continue
            try:
                found = self._reference(change)
            except EntryRefused as refused:
                # One member's bad entry must not keep everybody else's, and their erasures, from coming.
                structlog.get_logger().warning("entry not opened", reason=str(refused))
                found = None
            if found is not None:
                opened[change.entry_id], hours[change.entry_id] = found
        return opened, hours

    def _reference(self, change: Change) -> tuple[Reference, int] | None:
        key = self.keyring.key(change.epoch)
        if key is None:
            return None
        subjects: set[str] = set()
        hours: list[int] = []
        templates: list[Template] = []
        try:
            for part in change.parts:
                if part.sealed is None:
                    raise AssertionError("a change that was judged whole has its parts")
                place = Place(change.gallery_id, change.epoch, change.entry_id, part.modality, change.version)
                content = payload.decode(part.modality, unseal(key, place, part.sealed))
                subjects.add(content.subject)
                templates.extend(content.templates)
                hours.append(content.hour)
            if len(subjects) != 1:
                raise EntryRefused(f"the parts of the entry {change.entry_id.hex()} name different subjects")
            protected = self.protect(change.entry_id, [each for each in templates if self.usable(each)])
        finally:
            for template in templates:
                template.wipe()
        if not protected:
            return None
        reference = Reference(change.entry_id, subjects.pop(), protected, self.purpose, self.site)
        return reference, min(hours)


@dataclass(frozen=True, slots=True)
class Making:
    """What it takes to make changes: the newest roster, this appliance in it, and its keys.

    plain: gives an entry's templates without the protection that they have here: no other appliance has its
    key, and they travel sealed.
    """

    roster: Roster
    member: Member
    keyring: Keyring
    keys: ApplianceKeys
    plain: Callable[[bytes, Sequence[ProtectedTemplate]], tuple[Template, ...]]

    def changes(
        self,
        waiting: Waiting,
        references: Mapping[bytes, Reference],
        hours: Mapping[bytes, int],
        head: Head | None,
        seen: tuple[tuple[int, int], ...],
    ) -> list[Change]:
        """Make and sign what waits, erasures first; references: the entries to be sealed, by id.

        hours: in which they were registered, where that is known.
        head: of this appliance's own changes. seen: told with the first of them. Raises ChangeRefused where
        an entry is too large to be shared.
        """
        gallery_id = self.roster.gallery_id
        head = head or Head(0, first_link(gallery_id, self.member.author_key))
        wanted = [(entry_id, version + 1, Kind.ERASE) for entry_id, version in waiting.erased]
        wanted += [(entry_id, 1, Kind.PUT) for entry_id in waiting.new]
        wanted += [(entry_id, version + 1, Kind.PUT) for entry_id, version in waiting.former]
        made: list[Change] = []
        for entry_id, version, kind in wanted:
            parts: tuple[Part, ...] = ()
            if kind is Kind.PUT:
                if (reference := references.get(entry_id)) is None:
                    continue  # erased meanwhile
                parts = self._sealed(reference, hours.get(entry_id, 0), version)
            change = Change(
                gallery_id,
                self.member.number,
                head.seq + 1,
                head.link,
                self.roster.epoch,
                entry_id,
                version,
                kind,
                parts,
                () if made else seen,
            ).signed(self.keys.author)
            head = Head(change.seq, change.link)
            made.append(change)
        return made

    def word(self, head: Head | None, seen: tuple[tuple[int, int], ...]) -> Change:
        """Make and sign a change of no entry: that this appliance is there, and what it has seen."""
        head = head or Head(0, first_link(self.roster.gallery_id, self.member.author_key))
        return Change(
            self.roster.gallery_id,
            self.member.number,
            head.seq + 1,
            head.link,
            self.roster.epoch,
            NO_ENTRY,
            0,
            Kind.SEEN,
            (),
            seen,
        ).signed(self.keys.author)

    def _sealed(self, reference: Reference, hour: int, version: int) -> tuple[Part, ...]:
        key = self.keyring.key(self.roster.epoch)
        if key is None:
            raise AssertionError("a member has the key of its roster")
        plain, parts = self.plain(reference.entry_id, reference.templates), []
        try:
            contents = payload.encode(reference.subject, plain, hour)
        finally:
            for template in plain:
                template.wipe()
        for modality, content in contents.items():
            place = Place(self.roster.gallery_id, self.roster.epoch, reference.entry_id, modality, version)
            parts.append(Part.of(modality, seal(key, place, content)))
        if any(len(part.sealed or b"") > MAX_SEALED_BYTES for part in parts):
            raise ChangeRefused(f"the entry {reference.entry_id.hex()} is too large to be shared")
        return tuple(parts)


def wipe(references: Iterable[Reference]) -> None:
    """Overwrite the templates of entries."""
    for reference in references:
        for template in reference.templates:
            template.wipe()
