"""Holds each change of a gallery against what is known already; the same at both ends.

An appliance judges what the aggregator hands on, and the aggregator what an appliance sends.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from trust.gallery.change import NO_ENTRY, Change, Kind, first_link, modalities_once
from trust.gallery.errors import ChangeRefused
from trust.gallery.roster import Roster


@dataclass(frozen=True, slots=True)
class Head:
    """How far an author's changes are held, and the link of the last one."""

    seq: int
    link: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """The newest version of an entry, and the link of its change."""

    version: int
    kind: Kind
    link: bytes
    author: int
    epoch: int


class Judge:
    """Takes changes one by one, in the order of the log; what it took is in `heads` and `entries`.

    rosters: by epoch. heads: by author. held: the newest version of an entry as it is stored, or None.
    epoch: of the newest change that is held, 0 before the first. in_full: the changes are all that a gallery
    has now, and each author's after those in `heads`, without the sealed parts of what was replaced: what is
    held may come again, and no number may be missing, or an erasure could be left out. lacking: (author, seq)
    of changes up to `heads` that are not held, as in a damaged store; they have to come too.
    """

    def __init__(
        self,
        gallery_id: bytes,
        rosters: Mapping[int, Roster],
        heads: Mapping[int, Head],
        held: Callable[[bytes], Entry | None],
        *,
        epoch: int,
        in_full: bool = False,
        lacking: Collection[tuple[int, int]] = (),
    ) -> None:
        self._gallery_id = gallery_id
        self._rosters = rosters
        self._held = held
        self._in_full = in_full
        self._lacking = set(lacking)
        self._bare: set[bytes] = set()
        self.epoch = epoch
        self.heads: dict[int, Head] = dict(heads)
        self.entries: dict[bytes, Entry] = {}
        self.seen: dict[int, int] = {}
        """Up to which number authors say that others' changes exist."""
        self.unproved: list[Change] = []
        """Nobody can say any more who signed these; `finish` makes sure that they bring nothing in."""

    def entry(self, entry_id: bytes) -> Entry | None:
        """Return the newest version that was taken or is held."""
        return self.entries.get(entry_id) or self._held(entry_id)

    def take(self, change: Change) -> None:
        """Take a change, or raise ChangeRefused: then nothing of it counts."""
        if self._in_full and change.epoch < self.epoch and change.epoch not in self._rosters:
            # The roster of a former key was dropped, and with it what would show who signed this.
            self.unproved.append(change)
            return
        self._check_author(change)
        if change.epoch < self.epoch and not (self._in_full and self._is_held(change)):
            raise ChangeRefused(
                f"{_name(change)} is of an older key than changes before it: a replay or forged"
            )
        self._check_content(change)
        if self._in_full and self._comes_again(change):
            self._lacking.discard((change.author, change.seq))
            if change.kind is Kind.SEEN or self._is_erased_again(change) or self._is_replaced(change):
                return
            self._check_unforked(change)
        else:
            self._check_number(change)
            self._check_version(change)
        erased_again = self._is_erased_again(change)
        link = self._note_head(change)
        self.epoch = max(self.epoch, change.epoch)
        if change.kind is not Kind.SEEN and not erased_again:
            entry = Entry(change.version, change.kind, link, change.author, change.epoch)
            self.entries[change.entry_id] = entry
            (self._bare.discard if change.is_whole else self._bare.add)(change.entry_id)
        for author, seq in change.seen:
            self.seen[author] = max(self.seen.get(author, 0), seq)

    def finish(self) -> None:
        """Raise ChangeRefused where the newest version of an entry came without its sealed parts.

        Likewise where a change under a dropped key would bring anything in, or one that is lacking did not
        come.
        """
        for change in self.unproved:
            if not self._is_held(change):
                raise ChangeRefused(f"{_name(change)} is under a dropped key: a replay or forged")
        if self._in_full and self._lacking:
            author, seq = min(self._lacking)
            raise ChangeRefused(f"change {seq} of member {author} was held back")
        if self._bare:
            raise ChangeRefused(f"the sealed parts of the entry {min(self._bare).hex()} were held back")

    def withheld(self) -> dict[int, int]:
        """Return the authors of whose changes others saw more than there is, with the number they saw."""
        return {
            author: seq
            for author, seq in self.seen.items()
            if seq > (self.heads[author].seq if author in self.heads else 0)
        }

    def _note_head(self, change: Change) -> bytes:
        head, link = self.heads.get(change.author), change.link
        if head is None or head.seq < change.seq:
            self.heads[change.author] = Head(change.seq, link)
        return link

    def _comes_again(self, change: Change) -> bool:
        """Whether its number is not beyond what is held: then that very change is held, or lacking."""
        head = self.heads.get(change.author)
        if head is None or change.seq > head.seq:
            return False
        if not self._is_held(change) and (change.author, change.seq) not in self._lacking:
            raise ChangeRefused(f"{_name(change)} is another one than the one that is held: two histories")
        return True

    def _is_held(self, change: Change) -> bool:
        """Whether it is known, or was replaced: then it can bring nothing in, however old its key is."""
        entry = self.entry(change.entry_id)
        if (entry is not None and entry.link == change.link) or change.kind is Kind.SEEN:
            return True
        return self._is_erased_again(change) or self._is_replaced(change)

    def _is_erased_again(self, change: Change) -> bool:
        """Whether two appliances erased the same entry, as where the aggregator lost the first erasure."""
        entry = self.entry(change.entry_id)
        return change.kind is Kind.ERASE and entry is not None and entry.kind is Kind.ERASE

    def _is_replaced(self, change: Change) -> bool:
        entry = self.entry(change.entry_id)
        return not change.is_whole and entry is not None and entry.version > change.version

    def _check_author(self, change: Change) -> None:
        roster = self._rosters.get(change.epoch)
        member = roster.member(change.author) if roster is not None else None
        if roster is None or member is None or change.gallery_id != self._gallery_id:
            raise ChangeRefused(f"{_name(change)} is of no member of this gallery")
        if not change.is_by(member.author_key):
            raise ChangeRefused(f"{_name(change)} is not signed by its author: it was forged or altered")

    def _check_content(self, change: Change) -> None:
        for part in change.parts:
            if part.sealed is not None and not hmac.compare_digest(
                hashlib.sha256(part.sealed).digest(), part.digest
            ):
                raise ChangeRefused(f"{_name(change)} has another sealed part than its author signed")
        if bool(change.parts) is not (change.kind is Kind.PUT) or not modalities_once(change.parts):
            raise ChangeRefused(f"{_name(change)} has sealed parts that do not go with it")
        if (change.kind is Kind.SEEN) is not (change.entry_id == NO_ENTRY and not change.version):
            raise ChangeRefused(f"{_name(change)} is of an entry that does not go with it")

    def _check_number(self, change: Change) -> None:
        head = self._head(change)
        if change.seq <= head.seq:
            raise ChangeRefused(f"{_name(change)} came a second time: a replay, or an older state")
        if change.seq > head.seq + 1:
            raise ChangeRefused(
                f"changes {head.seq + 1} to {change.seq - 1} before {_name(change)} were held back"
            )
        if change.before != head.link:
            raise ChangeRefused(
                f"{_name(change)} follows another change than the one that is held: two histories"
            )

    def _check_version(self, change: Change) -> None:
        if change.kind is Kind.SEEN or self._is_erased_again(change):
            return
        entry = self.entry(change.entry_id)
        if entry is not None and entry.kind is Kind.ERASE:
            raise ChangeRefused(f"{_name(change)} brings back an entry that was erased")
        if change.version != (entry.version if entry else 0) + 1:
            raise ChangeRefused(f"{_name(change)} is not the next version of its entry")

    def _check_unforked(self, change: Change) -> None:
        """Check what can be without the changes in between: nothing may be older than what is held."""
        entry = self.entry(change.entry_id)
        if entry is None:
            return
        newest = (entry.kind is Kind.ERASE, entry.version)
        if newest > (change.kind is Kind.ERASE, change.version):
            raise ChangeRefused(f"{_name(change)} is an older version of its entry: a rollback")
        if newest == (change.kind is Kind.ERASE, change.version) and entry.link != change.link:
            raise ChangeRefused(f"{_name(change)} is another change of the same version: two histories")

    def _head(self, change: Change) -> Head:
        if (head := self.heads.get(change.author)) is not None:
            return head
        member = self._rosters[change.epoch].member(change.author)
        if member is None:
            raise AssertionError("the author was checked")
        return Head(0, first_link(self._gallery_id, member.author_key))


def _name(change: Change) -> str:
    return f"change {change.seq} of member {change.author}"
