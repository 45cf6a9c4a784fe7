"""The shared gallery's tables: rosters, changes, what is on its way, and what is to be told.

The gallery that people are compared with stays in `firmware.store.gallery`; here is what the other appliances
of the site know of it. Used in the store's thread; each change is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from firmware.gallery import change_message
from firmware.gallery.values import Delivery, Held, Spent, Taken, Waiting
from firmware.records import Moment
from firmware.store import (
    changes,
    entries,
    erasures_seen,
    registered,
    told_ahead,
    tombstones,
    words,
)
from firmware.store.journal import Journal
from firmware.store.reference import Reference
from trust.gallery import tree
from trust.gallery.change import Change, Kind
from trust.gallery.judge import Entry, Head
from trust.gallery.roster import Roster


class SharedGallery:
    """What the appliances of a site know together; all methods raise StoreError kinds."""

    def __init__(self, journal: Journal, erase: Callable[[Moment, bytes, str], bool]) -> None:
        """erase: erases an entry with what hangs on it, within the caller's transaction (`Gallery`)."""
        self._journal = journal
        self._erase = erase
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
            rows = self._db.execute(
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
                    for entry_id, number, erases, own, author, sealed_under in rows
                },
                msgspec.msgpack.decode(delivery, type=Delivery) if delivery else None,
                changes.lacking(self._db),
                tuple(erasures_seen.read(self._db).values()),
            )

    def gallery_id(self) -> bytes:
        """Return the gallery's id; a roster is held."""
        with self._journal.reading():
            return self._gallery_id()

    def keep_rosters(self, rosters: Mapping[int, bytes]) -> None:
        """Keep rosters by epoch, each in place of an older edition."""
        with self._journal.transaction():
            for epoch, data in rosters.items():
                self._db.execute(
                    "INSERT OR REPLACE INTO gallery_rosters (epoch, roster) VALUES (?, ?)", (epoch, data)
                )
            members = Roster.parse(self._newest_roster()).members
            erasures_seen.void(self._db, {member.number for member in members})

    def erase_at_once(self, moment: Moment, change: Change) -> bool:
        """Carry out another appliance's erasure before its delivery is taken; returns whether it was here."""
        with self._journal.transaction():
            removed = self._erase(moment, change.entry_id, "erased elsewhere")
            erasures_seen.put(self._db, change, erased=removed)
        self._journal.erase_from_log(erased=removed)
        return removed

    def erased_elsewhere(self) -> set[bytes]:
        """Return the entries that others erased in deliveries that were not taken."""
        with self._journal.reading():
            return set(erasures_seen.read(self._db))

    def begin(self, delivery: Delivery) -> None:
        """Something is on its way; what came of another delivery before is dropped."""
        with self._journal.transaction():
            former = self._db.execute("SELECT delivery FROM gallery_position").fetchone()
            known = msgspec.msgpack.decode(former[0], type=Delivery) if former and former[0] else None
            if known is None or known.kind is not delivery.kind:
                self._db.execute("DELETE FROM gallery_incoming")
            self._note_delivery(delivery)

    def stage(self, delivery: Delivery, rows: Sequence[tuple[int, bool, bytes]]) -> None:
        """Keep (version, erases, change) until all of a delivery has come; delivery: as it stands then."""
        with self._journal.transaction():
            self._db.conn.executemany(
                "INSERT OR REPLACE INTO gallery_incoming (version, erases, change) VALUES (?, ?, ?)", rows
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
            dropped = self._db.execute("DELETE FROM gallery_incoming").rowcount
            self._db.execute("UPDATE gallery_position SET delivery = x''")
        self._journal.erase_from_log(erased=dropped > 0)

    def apply(
        self, moment: Moment, taken: Taken, opened: Mapping[bytes, Reference], version: int, link: bytes
    ) -> tuple[list[Reference], list[bytes]]:
        """Take over what was judged, in one transaction; returns what came into the gallery and what left it.

        opened: the entries of `taken` that could be opened, by id. version, link: where the log then stands.
        """
        with self._journal.transaction():
            known, here = changes.newest(self._db), entries.all_ids(self._db)
            erased_here = tombstones.read(self._db)
            erased_there = erasures_seen.read(self._db)
            arrivals: dict[bytes, Reference] = {}
            erased: list[bytes] = []
            of_entries = [change for _, change in taken.changes if change.kind is not Kind.SEEN]
            for change in of_entries:
                entry_id, before = change.entry_id, known.get(change.entry_id)
                if change.kind is Kind.ERASE:
                    arrivals.pop(entry_id, None)
                    erased.append(entry_id)
                # An entry that was erased here stays so: that is still to be told. So does one whose erasure
                # was shown and then held back.
                elif entry_id in erased_here or entry_id in erased_there:
                    continue
                elif entry_id in opened and entry_id not in here and (before is None or before.unopened):
                    arrivals[entry_id] = opened[entry_id]
            absent = {
                change.entry_id
                for change in of_entries
                if change.entry_id not in here and change.entry_id not in arrivals
            }
            to_tell = {entry_id for entry_id in absent if entry_id in known and not known[entry_id].unopened}
            to_tell |= absent & erased_here
            changes.keep(self._db, taken.changes, known, absent - to_tell)
            changes.mark_opened(self._db, [*arrivals, *to_tell])
            entries.insert_all(self._db, self._journal.entry_keys, list(arrivals.values()))
            registered.put(self._db, {entry_id: taken.hours.get(entry_id, 0) for entry_id in arrivals})
            for entry_id in erased:
                self._erase(moment, entry_id, "erased elsewhere")
            tombstones.drop(self._db, erased)
            erasures_seen.drop(self._db, erased)
            for entry_id in to_tell.difference(erased):
                changes.strip(self._db, entry_id)
            tombstones.looked_for(self._db)
            told_ahead.clear(self._db)
            if arrivals:
                facts = {"entries": str(len(arrivals))}
                self._journal.note("registered elsewhere", moment, b"".join(sorted(arrivals)), facts)
            numbers = dict(self._db.execute("SELECT author, seq FROM gallery_authors").fetchall())
            for author, head in taken.heads.items():
                self._note_head(author, head, taken.seen.get(author, 0))
            grown = [author for author, head in taken.heads.items() if head.seq > numbers.get(author, 0)]
            words.heard(self._db, grown, moment)
            for author in taken.seen.keys() - taken.heads.keys():  # all of this author's was kept back
                self._note_head(author, Head(0, b""), taken.seen[author])
            self._note_position(version, link, taken.epoch)
            self._db.execute("DELETE FROM gallery_incoming")
        self._journal.erase_from_log(erased=bool(taken.changes))
        return list(arrivals.values()), erased

    def withdraw(self, moment: Moment, entry_id: bytes) -> bool:
        """Erase an entry by its id, one that cannot be opened here too; returns whether there was one."""
        with self._journal.transaction():
            removed = self._erase(moment, entry_id, "reference removed")
            if not removed and changes.is_unopened(self._db, entry_id):
                removed = True
                tombstones.put(self._db, entry_id)
                changes.strip(self._db, entry_id)
                changes.mark_opened(self._db, [entry_id])  # so that its erasure is told
                self._journal.note("reference removed", moment, entry_id)
        self._journal.erase_from_log(erased=removed)
        return removed

    def unopened(self) -> list[bytes]:
        """Return the entries of the others that cannot be used here."""
        with self._journal.reading():
            return self._unopened()

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

    def all_ids(self) -> set[bytes]:
        """Return the ids of the gallery's entries."""
        with self._journal.reading():
            return entries.all_ids(self._db)

    def has_erasure_to_tell(self) -> bool:
        """Whether an entry was erased here that others still have, or may have."""
        with self._journal.reading():
            if tombstones.is_one_new(self._db):
                return True
            row = self._db.execute(
                """SELECT 1 FROM gallery_changes AS told WHERE newest AND NOT erases AND NOT unopened
                   AND NOT EXISTS (SELECT 1 FROM gallery WHERE gallery.entry_id = told.entry_id) LIMIT 1"""
            ).fetchone()
        return row is not None

    def reference(self, entry_id: bytes) -> Reference | None:
        """Return an entry of the gallery, to be sealed."""
        with self._journal.reading():
            return entries.select_entry(
                self._db, self._journal.entry_keys, entry_id, self._journal.purpose, self._journal.site
            )

    def hours(self) -> dict[bytes, int]:
        """Return in which hour each entry was registered, since 1970-01-01 UTC, where that is known."""
        with self._journal.reading():
            return registered.read(self._db)

    def untold(self, author: int) -> tuple[tuple[int, int], ...]:
        """Return of which other authors this one has seen more than it has said: (author, number)."""
        with self._journal.reading():
            rows = self._db.execute(
                "SELECT author, seq FROM gallery_authors WHERE author <> ? AND seq > told ORDER BY author",
                (author,),
            )
            return tuple((other, seq) for other, seq in rows)

    def silent(self, now: Moment, authors: Collection[int]) -> list[int]:
        """Return of which of these other authors nothing has come for days."""
        with self._journal.transaction():
            return words.silent(self._db, authors, now)

    def has_word_to_tell(self, now: Moment) -> bool:
        """Whether this appliance has told nothing for a day."""
        with self._journal.transaction():
            return words.is_due(self._db, now)

    def pushed(self, now: Moment, made: Sequence[Change], version: int) -> None:
        """The aggregator took these changes of this appliance, up to this version of the log."""
        first = version - len(made) + 1
        with self._journal.transaction():
            changes.keep(self._db, list(enumerate(made, first)), changes.newest(self._db))
            self._note_head(made[-1].author, Head(made[-1].seq, made[-1].link), 0)
            for author, seq in (pair for change in made for pair in change.seen):
                self._db.execute("UPDATE gallery_authors SET told = ? WHERE author = ?", (seq, author))
            self._note_position(version, made[-1].link, made[-1].epoch)
            words.note_told(self._db, now)
            erased = [each.entry_id for each in made if each.kind is Kind.ERASE]
            tombstones.drop(self._db, erased)
            erasures_seen.drop(self._db, erased)
        self._journal.erase_from_log(erased=any(change.version > 1 for change in made))

    def ahead(self) -> tuple[set[bytes], Head | None]:
        """Return whose erasure was told although the log is not held, and the last of these changes."""
        with self._journal.reading():
            return told_ahead.read(self._db)

    def told_ahead(self, made: Sequence[Change]) -> None:
        """The aggregator took these erasures, though what it sends was refused."""
        with self._journal.transaction():
            told_ahead.put(self._db, made)

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
            rows = self._db.execute(
                "SELECT entry_id, link, erases FROM gallery_changes WHERE newest"
            ).fetchall()
        return tree.buckets((entry_id, tree.ERASED if erases else link) for entry_id, link, erases in rows)

    def _unopened(self) -> list[bytes]:
        rows = self._db.execute(
            """SELECT entry_id FROM gallery_changes WHERE newest AND unopened AND NOT erases
               AND entry_id NOT IN (SELECT entry_id FROM erasures_seen) ORDER BY place"""
        )
        return [entry_id for (entry_id,) in rows]

    def _newest_roster(self) -> bytes:
        (data,) = self._db.execute(
            "SELECT roster FROM gallery_rosters ORDER BY epoch DESC LIMIT 1"
        ).fetchone()
        return bytes(data)

    def _gallery_id(self) -> bytes:
        return Roster.parse(self._newest_roster()).gallery_id

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
