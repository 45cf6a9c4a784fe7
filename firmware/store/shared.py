"""The shared gallery's tables: rosters, changes, what is on its way, and what is to be told.

The gallery that people are compared with stays in `firmware.store.gallery`; here is what the other appliances
of the site know of it. Used in the store's thread; each change is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from firmware.gallery import change_message
from firmware.gallery.values import Delivery, Held, Spent, Taken, Waiting
from firmware.records import Moment
from firmware.store import gallery
from firmware.store.journal import Journal
from firmware.store.reference import Reference
from trust.gallery import tree
from trust.gallery.change import Change, Kind
from trust.gallery.judge import Entry, Head
from trust.gallery.roster import Roster


class SharedGallery:
    """What the appliances of a site know together; all methods raise StoreError kinds."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._db = journal.database

    def held(self) -> Held:
        """Return everything that is held but the sealed parts."""
        with self._journal.reading():
            rosters = {
                epoch: Roster.parse(data)
                for epoch, data in self._db.execute("SELECT epoch, roster FROM gallery_rosters")
            }
            row = self._db.execute("SELECT version, link, epoch, delivery FROM gallery_position").fetchone()
            version, link, epoch, delivery = row or (0, b"", 0, b"")
            authors = self._db.execute("SELECT author, seq, link, seen FROM gallery_authors").fetchall()
            entries = self._db.execute(
                """SELECT entry_id, entry_version, erases, link, author, epoch FROM gallery_changes
                   WHERE newest"""
            )
            return Held(
                rosters[max(rosters)].gallery_id if rosters else b"",
                rosters,
                version,
                link,
                epoch,
                {author: Head(seq, head) for author, seq, head, _ in authors if seq},
                {author: seen for author, _, _, seen in authors if seen},
                {
                    entry_id: Entry(number, Kind.ERASE if erases else Kind.PUT, own, author, sealed_under)
                    for entry_id, number, erases, own, author, sealed_under in entries
                },
                msgspec.msgpack.decode(delivery, type=Delivery) if delivery else None,
            )

    def keep_rosters(self, rosters: Mapping[int, bytes]) -> None:
        """Keep rosters by epoch, each in place of an older edition."""
        with self._journal.transaction():
            for epoch, data in rosters.items():
                self._db.execute(
                    "INSERT OR REPLACE INTO gallery_rosters (epoch, roster) VALUES (?, ?)", (epoch, data)
                )

    def begin(self, delivery: Delivery) -> None:
        """Something is on its way; what came of another delivery before is dropped."""
        with self._journal.transaction():
            former = self._db.execute("SELECT delivery FROM gallery_position").fetchone()
            known = msgspec.msgpack.decode(former[0], type=Delivery) if former and former[0] else None
            if known is None or known.kind is not delivery.kind:
                self._db.execute("DELETE FROM gallery_incoming")
            self._note_delivery(delivery)

    def stage(self, delivery: Delivery, changes: Sequence[tuple[int, bool, bytes]]) -> None:
        """Keep (version, erases, change) until all of a delivery has come; delivery: as it stands then."""
        with self._journal.transaction():
            for version, erases, change in changes:
                self._db.execute(
                    "INSERT OR REPLACE INTO gallery_incoming (version, erases, change) VALUES (?, ?, ?)",
                    (version, erases, change),
                )
            self._note_delivery(delivery)

    def staged(self) -> list[tuple[int, bytes]]:
        """Return what came so far, in the order of the log."""
        with self._journal.reading():
            rows = self._db.execute("SELECT version, change FROM gallery_incoming ORDER BY version")
            return [(version, change) for version, change in rows]

    def drop_delivery(self) -> None:
        """Forget what came: it is not taken."""
        with self._journal.transaction():
            self._db.execute("DELETE FROM gallery_incoming")
            self._db.execute("UPDATE gallery_position SET delivery = x''")

    def apply(
        self, moment: Moment, taken: Taken, opened: Mapping[bytes, Reference], version: int, link: bytes
    ) -> tuple[list[Reference], list[bytes]]:
        """Take over what was judged, in one transaction; returns what came into the gallery and what left it.

        opened: the entries of `taken` that could be opened, by id. version, link: where the log then stands.
        """
        added, removed = [], []
        with self._journal.transaction():
            for place, change in taken.changes:
                known = self._is_known(change.entry_id)
                here = self._is_here(change.entry_id)
                reference = opened.get(change.entry_id)
                self._keep(place, change, unopened=not here and not known and reference is None)
                if change.kind is Kind.ERASE:
                    if gallery.delete(self._db, change.entry_id):
                        self._journal.note("erased elsewhere", moment, change.entry_id)
                    removed.append(change.entry_id)
                elif (
                    reference is not None and not here and (not known or self._was_unopened(change.entry_id))
                ):
                    # An entry that was known and is not here was erased here: that is still to be told.
                    gallery.insert(self._db, reference)
                    self._journal.note("registered elsewhere", moment, change.entry_id)
                    self._set_unopened(change.entry_id, unopened=False)
                    added.append(reference)
            gone = set(removed)
            added = [reference for reference in added if reference.entry_id not in gone]
            for author, head in taken.heads.items():
                self._note_head(author, head, taken.seen.get(author, 0))
            self._note_position(version, link, taken.epoch)
            self._db.execute("DELETE FROM gallery_incoming")
        return added, removed

    def waiting(self, epoch: int, author: int, members: Sequence[int], limit: int) -> Waiting:
        """Return what is to be told, erasures first, at most `limit` of each.

        author: this appliance's number. What a former member sealed is for the member with the lowest number.
        """
        with self._journal.reading():
            erased = self._db.execute(
                """SELECT entry_id, entry_version FROM gallery_changes
                   WHERE newest AND NOT erases AND NOT unopened
                       AND entry_id NOT IN (SELECT entry_id FROM gallery) LIMIT ?""",
                (limit,),
            ).fetchall()
            new = self._db.execute(
                """SELECT entry_id FROM gallery
                   WHERE entry_id NOT IN (SELECT entry_id FROM gallery_changes) ORDER BY number LIMIT ?""",
                (limit,),
            ).fetchall()
            former = self._db.execute(
                """SELECT entry_id, entry_version, author FROM gallery_changes JOIN gallery USING (entry_id)
                   WHERE newest AND NOT erases AND epoch < ?""",
                (epoch,),
            )
            lowest = min(members, default=author)
            mine = [
                (entry_id, version)
                for entry_id, version, by in former
                if by == author or (by not in members and author == lowest)
            ]
        return Waiting(
            tuple((entry_id, version) for entry_id, version in erased),
            tuple(entry_id for (entry_id,) in new),
            tuple(mine[:limit]),
        )

    def reference(self, entry_id: bytes) -> Reference | None:
        """Return an entry of the gallery, to be sealed."""
        with self._journal.reading():
            return gallery.select_entry(self._db, entry_id, self._journal.purpose, self._journal.site)

    def untold(self, author: int) -> tuple[tuple[int, int], ...]:
        """Return of which other authors this one has seen more than it has said: (author, number)."""
        with self._journal.reading():
            rows = self._db.execute(
                "SELECT author, seq FROM gallery_authors WHERE author <> ? AND seq > told ORDER BY author",
                (author,),
            )
            return tuple((other, seq) for other, seq in rows)

    def pushed(self, changes: Sequence[Change], version: int) -> None:
        """The aggregator took these changes of this appliance, up to this version of the log."""
        first = version - len(changes) + 1
        with self._journal.transaction():
            for place, change in enumerate(changes, first):
                self._keep(place, change, unopened=False)
                self._note_head(change.author, Head(change.seq, change.link), 0)
                for author, seq in change.seen:
                    self._db.execute("UPDATE gallery_authors SET told = ? WHERE author = ?", (seq, author))
            self._note_position(version, changes[-1].link, changes[-1].epoch)

    def beyond(self, heads: Mapping[int, int]) -> list[Change]:
        """Return the changes after these numbers of their authors, in the order of the log."""
        with self._journal.reading():
            gallery_id = self._gallery_id()
            rows = self._db.execute(
                "SELECT author, seq, change FROM gallery_changes ORDER BY place"
            ).fetchall()
        return [
            change_message.decoded(gallery_id, data)
            for author, seq, data in rows
            if seq > heads.get(author, 0)
        ]

    def drop_former(self) -> list[int]:
        """Drop the rosters, and so the keys, under which nothing is sealed any more; returns their epochs."""
        with self._journal.transaction():
            rows = self._db.execute(
                """DELETE FROM gallery_rosters WHERE epoch < (SELECT max(epoch) FROM gallery_rosters)
                   AND epoch < (SELECT coalesce(max(epoch), 0) FROM gallery_position)
                   AND epoch NOT IN (SELECT epoch FROM gallery_changes WHERE newest AND NOT erases)
                   RETURNING epoch"""
            ).fetchall()
            return [epoch for (epoch,) in rows]

    def spend(self, change: Callable[[Spent | None], Spent]) -> Spent:
        """Replace the count of bytes by what `change` makes of it; returns that."""
        with self._journal.transaction():
            self._db.execute("INSERT OR IGNORE INTO gallery_position (id) VALUES (1)")
            (data,) = self._db.execute("SELECT spent FROM gallery_position").fetchone()
            counted = change(msgspec.msgpack.decode(data, type=Spent) if data else None)
            self._db.execute("UPDATE gallery_position SET spent = ?", (msgspec.msgpack.encode(counted),))
        return counted

    def root(self) -> bytes:
        """Return the root of what is held; see `trust.gallery.tree`."""
        return tree.root(self.buckets())

    def buckets(self) -> list[bytes]:
        """Return the hashes of the buckets."""
        with self._journal.reading():
            rows = self._db.execute("SELECT entry_id, link FROM gallery_changes WHERE newest").fetchall()
        return tree.buckets((entry_id, link) for entry_id, link in rows)

    def _gallery_id(self) -> bytes:
        (data,) = self._db.execute(
            "SELECT roster FROM gallery_rosters ORDER BY epoch DESC LIMIT 1"
        ).fetchone()
        return Roster.parse(data).gallery_id

    def _keep(self, place: int, change: Change, *, unopened: bool) -> None:
        former = self._db.execute(
            """SELECT author, seq, change, unopened, entry_version FROM gallery_changes
               WHERE entry_id = ? AND newest""",
            (change.entry_id,),
        ).fetchone()
        newest = former is None or former[4] <= change.version
        if former is not None and newest:
            author, seq, data, unopened, _ = former
            if (author, seq) == (change.author, change.seq):
                self._db.execute(
                    "UPDATE gallery_changes SET place = ? WHERE author = ? AND seq = ?", (place, author, seq)
                )
                return
            stub = change_message.encoded(change_message.decoded(change.gallery_id, data).replaced())
            self._db.execute(
                "UPDATE gallery_changes SET newest = 0, change = ? WHERE author = ? AND seq = ?",
                (stub, author, seq),
            )
        self._db.execute(
            """INSERT OR REPLACE INTO gallery_changes (author, seq, place, entry_id, entry_version, erases,
                   epoch, link, newest, unopened, change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                change.author,
                change.seq,
                place,
                change.entry_id,
                change.version,
                change.kind is Kind.ERASE,
                change.epoch,
                change.link,
                newest,
                unopened,
                change_message.encoded(change),
            ),
        )

    def _is_known(self, entry_id: bytes) -> bool:
        row = self._db.execute("SELECT 1 FROM gallery_changes WHERE entry_id = ? AND newest", (entry_id,))
        return row.fetchone() is not None

    def _is_here(self, entry_id: bytes) -> bool:
        return (
            self._db.execute("SELECT 1 FROM gallery WHERE entry_id = ?", (entry_id,)).fetchone() is not None
        )

    def _was_unopened(self, entry_id: bytes) -> bool:
        row = self._db.execute(
            "SELECT unopened FROM gallery_changes WHERE entry_id = ? AND newest", (entry_id,)
        )
        return bool(row.fetchone()[0])

    def _set_unopened(self, entry_id: bytes, *, unopened: bool) -> None:
        self._db.execute(
            "UPDATE gallery_changes SET unopened = ? WHERE entry_id = ? AND newest", (unopened, entry_id)
        )

    def _note_head(self, author: int, head: Head, seen: int) -> None:
        self._db.execute(
            """INSERT INTO gallery_authors (author, seq, link, seen) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET seq = ?2, link = ?3, seen = max(seen, ?4)""",
            (author, head.seq, head.link, seen),
        )

    def _note_position(self, version: int, link: bytes, epoch: int) -> None:
        self._db.execute(
            """INSERT INTO gallery_position (id, version, link, epoch, delivery) VALUES (1, ?1, ?2, ?3, x'')
               ON CONFLICT DO UPDATE SET version = ?1, link = ?2, epoch = ?3, delivery = x''""",
            (version, link, epoch),
        )

    def _note_delivery(self, delivery: Delivery) -> None:
        self._db.execute(
            """INSERT INTO gallery_position (id, delivery) VALUES (1, ?1)
               ON CONFLICT DO UPDATE SET delivery = ?1""",
            (msgspec.msgpack.encode(delivery),),
        )
