"""Sealed galleries: rosters, the log of changes, how far devices hold it; inside the writer's transaction.

Nothing here can be read without a gallery's key, which never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, unique

from sqlite_utils import Database

from aggregator.holdings import NO_LEASE, Erasure, Gallery, GalleryMember, Lease, Unconfirmed
from aggregator.sealed import Asked, Carried
from aggregator.store import adjudications, administration
from trust.gallery import tree
from trust.gallery.card import Card
from trust.gallery.change import Kind
from trust.gallery.errors import ChangeRefused
from trust.gallery.judge import Entry, Head, Judge
from trust.gallery.roster import Roster

MAX_DECIDED = 500  # of a gallery's pairs; some 20 kB in one message, of which a device takes 64 KiB


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not taken; why: for whoever sent it, and the log."""

    why: str


@dataclass(frozen=True, slots=True)
class Behind:
    """Somebody else was quicker, or the key is another by now: sync first."""


@unique
class Answer(Enum):
    """How what is sent relates to what the device has."""

    LOG = "log"
    REPAIR = "repair"
    SNAPSHOT = "snapshot"
    DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is sent: changes by version, erasures first, as far as the device's limit allows.

    decisions, decided: as in `SyncBeginning`.
    """

    gallery_id: bytes
    answer: Answer
    version: int
    root: bytes
    roster: bytes
    former_rosters: tuple[bytes, ...]
    heads: tuple[tuple[int, int], ...]
    size_bytes: int
    complete: bool
    changes: tuple[tuple[int, bytes], ...]
    decisions: int = 0
    decided: tuple[tuple[bytes, bytes, bool], ...] = ()


def publish_card(db: Database, card: Card, encoded: bytes, now_ns: int) -> None:
    """Keep a device's card in place of its former one."""
    row = db.execute("SELECT card FROM gallery_cards WHERE device_id = ?", (card.device_id,)).fetchone()
    if row is not None and row[0] == encoded:
        return
    db.execute(
        "INSERT OR REPLACE INTO gallery_cards (device_id, site, card, published_ns) VALUES (?, ?, ?, ?)",
        (card.device_id, card.site, encoded, now_ns),
    )
    administration.append(db, now_ns, f"device {card.device_id}", "gallery card", card.words)


def cards(db: Database, site: str) -> list[tuple[bytes, int]]:
    """Return the cards of a site, or of all where it is empty, and when they came."""
    rows = db.execute(
        "SELECT card, published_ns FROM gallery_cards WHERE ?1 = '' OR site = ?1 ORDER BY device_id", (site,)
    )
    return [(card, published_ns) for card, published_ns in rows]


def publish_roster(db: Database, roster: Roster, encoded: bytes, now_ns: int, actor: str) -> Refused | None:
    """Keep a roster that is newer than the one that is held."""
    row = db.execute(
        "SELECT gallery, custodian, epoch, edition, site, purpose FROM galleries WHERE gallery_id = ?",
        (roster.gallery_id,),
    ).fetchone()
    words = roster.custodian_words
    if row is None:
        gallery = _inserted(
            db,
            """INSERT INTO galleries (gallery_id, site, purpose, custodian, epoch, edition)
               VALUES (?, ?, ?, ?, ?, ?)""",
            (roster.gallery_id, roster.site, roster.purpose.value, words, roster.epoch, roster.edition),
        )
    else:
        gallery, custodian, epoch, edition, site, purpose = row
        if (custodian, site, purpose) != (words, roster.site, roster.purpose.value):
            return Refused(
                "the roster is by another custodian, or of another site or purpose, than the gallery"
            )
        if roster.edition <= edition or roster.epoch < epoch:
            return Refused(f"roster {edition} is here already, and this one is number {roster.edition}")
        db.execute(
            "UPDATE galleries SET epoch = ?, edition = ? WHERE gallery = ?",
            (roster.epoch, roster.edition, gallery),
        )
    db.execute(
        "INSERT OR REPLACE INTO gallery_rosters (gallery, epoch, roster) VALUES (?, ?, ?)",
        (gallery, roster.epoch, encoded),
    )
    _drop_rosters(db, gallery, roster.epoch)
    subject = f"{roster.gallery_id.hex()} {roster.edition}: " + " ".join(m.device_id for m in roster.members)
    administration.append(db, now_ns, actor, "gallery roster", subject)
    return None


def push(
    db: Database,
    gallery_id: bytes,
    device_id: str,
    site: str,
    version: int,
    carried: Sequence[Carried],
    now_ns: int,
) -> int | Behind | Refused:
    """Take changes, all or none; returns the version after the last one."""
    row = db.execute(
        "SELECT gallery, epoch, version FROM galleries WHERE gallery_id = ? AND site = ?", (gallery_id, site)
    ).fetchone()
    if row is None:
        return Refused("there is no such gallery at this site")
    gallery, epoch, held_version = row
    rosters = _rosters(db, gallery)
    member = rosters[epoch].member_of(device_id)
    if member is None:
        return Refused("this device is no member of the gallery")
    if version != held_version:
        return Behind()
    if any(each.change.author == member.number and each.change.epoch < epoch for each in carried):
        return Behind()
    judge = Judge(
        gallery_id, rosters, _heads(db, gallery), lambda e: _entry(db, gallery, e), epoch=_epoch(db, gallery)
    )
    try:
        for each in carried:
            judge.take(each.change)
        judge.finish()
    except ChangeRefused as refused:
        return Refused(str(refused))
    for each in carried:
        version += 1
        _write(db, gallery, version, each, now_ns)
    db.execute("UPDATE galleries SET version = ? WHERE gallery = ?", (version, gallery))
    _note_position(db, gallery, device_id, version, now_ns)
    _drop_rosters(db, gallery, epoch)
    return version


def deliver(db: Database, device_id: str, site: str, wanted: Asked, now_ns: int) -> Delivery | Refused:
    """Return what a device lacks, and note how far it holds the gallery."""
    row = db.execute(
        """SELECT gallery, gallery_id, epoch, edition, version, decisions FROM galleries
           WHERE site = ? AND purpose = ? AND custodian = ?""",
        (site, wanted.purpose.value, wanted.custodian),
    ).fetchone()
    if row is None:
        return Refused("there is no gallery of this custodian for this site and purpose yet")
    gallery, gallery_id, epoch, edition, version, decisions = row
    rosters = _rosters(db, gallery)
    newer = edition > wanted.edition
    encoded = _encoded_rosters(db, gallery)
    needed = _epochs_from(db, gallery, wanted.version) if newer else set()
    hashes = tree.buckets(_newest(db, gallery))
    member = rosters[epoch].member_of(device_id) is not None
    answer = _answer(db, gallery, version, wanted)
    if member and answer is Answer.LOG:
        _note_position(db, gallery, device_id, wanted.version, now_ns)
        db.execute(
            """UPDATE gallery_positions SET lease_uptime_s = ?, lease_boots = ?
               WHERE gallery = ? AND device_id = ?""",
            (wanted.lease.uptime_s, wanted.lease.boots, gallery, device_id),
        )
    due: list[tuple[int, bool, bytes]] = []
    if member and answer is not Answer.DIVERGED:
        due = list(_due(db, gallery, answer, wanted, hashes, version))
    changes, complete = _within(due, wanted.max_bytes)
    # Not together with rosters, which may fill a message of their own: with the next sync then.
    due_decisions = member and not newer and decisions != wanted.decisions
    return Delivery(
        gallery_id,
        answer,
        version,
        tree.root(hashes),
        encoded[epoch] if newer else b"",
        tuple(data for number, data in sorted(encoded.items()) if number in needed - {epoch}),
        tuple((author, head.seq) for author, head in sorted(_heads(db, gallery).items())),
        sum(len(change) for _, _, change in due),
        complete,
        changes,
        decisions if due_decisions else wanted.decisions,
        adjudications.decided(db, gallery, MAX_DECIDED) if due_decisions else (),
    )


def read(db: Database) -> list[Gallery]:
    """Return all galleries, with how far each member holds them."""
    rows = db.execute(
        """SELECT gallery, gallery_id, site, purpose, epoch, edition, custodian, version FROM galleries
           ORDER BY site, purpose, gallery"""
    ).fetchall()
    return [_gallery(db, *row) for row in rows]


def erasures(db: Database, limit: int) -> list[Erasure]:
    """Return the latest erasures, newest first, with who has carried them out."""
    rosters = {
        gallery: _rosters(db, gallery)[epoch].members
        for gallery, epoch in db.execute("SELECT gallery, epoch FROM galleries").fetchall()
    }
    positions = {
        (gallery, device_id): (version, asked_ns, Lease(uptime_s, boots))
        for gallery, device_id, version, asked_ns, uptime_s, boots in db.execute(
            """SELECT gallery, device_id, version, asked_ns, lease_uptime_s, lease_boots
               FROM gallery_positions"""
        )
    }
    rows = db.execute(
        """SELECT gallery, gallery_id, site, purpose, entry_id, received_ns, author, gallery_log.version
           FROM gallery_log JOIN galleries USING (gallery) WHERE erases
           ORDER BY received_ns DESC, gallery_log.version DESC LIMIT ?""",
        (limit,),
    )
    found = []
    for gallery, gallery_id, site, purpose, entry_id, told_ns, author, version in rows:
        confirmed: list[str] = []
        unconfirmed: list[Unconfirmed] = []
        for member in rosters[gallery]:
            held, asked_ns, lease = positions.get((gallery, member.device_id), (0, None, NO_LEASE))
            if held >= version:
                confirmed.append(member.device_id)
            else:
                unconfirmed.append(Unconfirmed(member.device_id, asked_ns, lease))
        told_by = next((each.device_id for each in rosters[gallery] if each.number == author), "")
        found.append(
            Erasure(
                gallery_id, site, purpose, entry_id, told_ns, told_by, tuple(confirmed), tuple(unconfirmed)
            )
        )
    return found


def _gallery(
    db: Database,
    gallery: int,
    gallery_id: bytes,
    site: str,
    purpose: str,
    epoch: int,
    edition: int,
    custodian: str,
    version: int,
) -> Gallery:
    entries, erased, former = db.execute(
        """SELECT count(*) FILTER (WHERE NOT erases), count(*) FILTER (WHERE erases),
               count(*) FILTER (WHERE NOT erases AND epoch < ?)
           FROM gallery_log WHERE gallery = ? AND newest""",
        (epoch, gallery),
    ).fetchone()
    positions = {
        device_id: (held, asked_ns)
        for device_id, held, asked_ns in db.execute(
            "SELECT device_id, version, asked_ns FROM gallery_positions WHERE gallery = ?", (gallery,)
        )
    }
    members = []
    for member in _rosters(db, gallery)[epoch].members:
        held, asked_ns = positions.get(member.device_id, (0, None))
        (unconfirmed,) = db.execute(
            "SELECT count(*) FROM gallery_log WHERE gallery = ? AND erases AND version > ?", (gallery, held)
        ).fetchone()
        members.append(GalleryMember(member.number, member.device_id, held, asked_ns, unconfirmed))
    return Gallery(
        gallery_id,
        site,
        purpose,
        epoch,
        edition,
        custodian,
        version,
        entries,
        erased,
        former,
        tuple(members),
    )


def _answer(db: Database, gallery: int, version: int, wanted: Asked) -> Answer:
    if wanted.buckets is not None:
        return Answer.REPAIR
    if wanted.everything or not wanted.version:
        return Answer.SNAPSHOT
    row = db.execute(
        "SELECT link FROM gallery_log WHERE gallery = ? AND version = ?", (gallery, wanted.version)
    ).fetchone()
    return Answer.LOG if row is not None and row[0] == wanted.link else Answer.DIVERGED


def _due(
    db: Database, gallery: int, answer: Answer, wanted: Asked, hashes: Sequence[bytes], last: int
) -> Iterator[tuple[int, bool, bytes]]:
    """Yield (version, erases, change), erasures first; last: the version of the log's last change."""
    differing: set[int] | None = None
    if answer is Answer.REPAIR and wanted.buckets is not None:
        pairs = enumerate(zip(hashes, wanted.buckets, strict=True))
        differing = {number for number, (ours, theirs) in pairs if ours != theirs}
    # Everything that there is now: the newest version of each entry, and each author's last change.
    now = (
        ""
        if answer is Answer.LOG
        else """
        AND (newest OR seq = (SELECT max(seq) FROM gallery_log AS own
                              WHERE own.gallery = gallery_log.gallery AND own.author = gallery_log.author))"""
    )
    since = wanted.version if answer is Answer.LOG else 0
    for erases, received in ((True, wanted.erasures_received), (False, wanted.changes_received)):
        rows = db.execute(
            f"""SELECT version, entry_id, newest, change FROM gallery_log
                WHERE gallery = ? AND erases = ? AND version > ?{now} ORDER BY version""",  # noqa: S608
            (gallery, erases, max(since, received)),
        )
        for version, entry_id, newest, change in rows:
            if differing is None or entry_id[0] in differing or not newest or version == last:
                yield version, erases, change


def _within(
    due: Sequence[tuple[int, bool, bytes]], max_bytes: int
) -> tuple[tuple[tuple[int, bytes], ...], bool]:
    """Return what fits; erasures always do."""
    taken: list[tuple[int, bytes]] = []
    size = 0
    for version, erases, change in due:
        size += len(change)
        if max_bytes and not erases and size > max_bytes:
            return tuple(taken), False
        taken.append((version, change))
    return tuple(taken), True


def _write(db: Database, gallery: int, version: int, carried: Carried, now_ns: int) -> None:
    change = carried.change
    if change.kind is Kind.ERASE:
        adjudications.forget(db, gallery, change.entry_id)
    former = db.execute(
        "SELECT version, change FROM gallery_log WHERE gallery = ? AND entry_id = ? AND newest",
        (gallery, change.entry_id),
    ).fetchone()
    if former is not None:
        db.execute(
            """UPDATE gallery_log SET newest = 0, change = replaced, replaced = x''
               WHERE gallery = ? AND version = ?""",
            (gallery, former[0]),
        )
    db.execute(
        """INSERT INTO gallery_log (gallery, version, author, seq, entry_id, entry_version, erases, epoch,
               link, newest, change, replaced, received_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)""",
        (
            gallery,
            version,
            change.author,
            change.seq,
            change.entry_id,
            change.version,
            change.kind is Kind.ERASE,
            change.epoch,
            change.link,
            carried.whole,
            carried.replaced,
            now_ns,
        ),
    )


def _note_position(db: Database, gallery: int, device_id: str, version: int, now_ns: int) -> None:
    db.execute(
        """INSERT INTO gallery_positions (gallery, device_id, version, asked_ns) VALUES (?1, ?2, ?3, ?4)
           ON CONFLICT DO UPDATE SET version = ?3, asked_ns = ?4""",
        (gallery, device_id, version, now_ns),
    )


def _inserted(db: Database, statement: str, values: tuple[object, ...]) -> int:
    (gallery,) = db.execute(f"{statement} RETURNING gallery", values).fetchone()
    return int(gallery)


def _drop_rosters(db: Database, gallery: int, epoch: int) -> None:
    """Forget the rosters of former keys under which nothing is sealed any more."""
    db.execute(
        """DELETE FROM gallery_rosters WHERE gallery = ?1 AND epoch < ?2 AND epoch NOT IN (
               SELECT epoch FROM gallery_log WHERE gallery = ?1)""",
        (gallery, epoch),
    )


def _newest(db: Database, gallery: int) -> list[tuple[bytes, bytes]]:
    rows = db.execute("SELECT entry_id, link FROM gallery_log WHERE gallery = ? AND newest", (gallery,))
    return [(entry_id, link) for entry_id, link in rows]


def _rosters(db: Database, gallery: int) -> dict[int, Roster]:
    return {epoch: Roster.parse(data) for epoch, data in _encoded_rosters(db, gallery).items()}


def _encoded_rosters(db: Database, gallery: int) -> dict[int, bytes]:
    return dict(
        db.execute("SELECT epoch, roster FROM gallery_rosters WHERE gallery = ?", (gallery,)).fetchall()
    )


def _heads(db: Database, gallery: int) -> dict[int, Head]:
    # SQLite gives the bare columns of the row that holds max().
    rows = db.execute(
        "SELECT author, max(seq), link FROM gallery_log WHERE gallery = ? GROUP BY author", (gallery,)
    )
    return {author: Head(seq, link) for author, seq, link in rows}


def _entry(db: Database, gallery: int, entry_id: bytes) -> Entry | None:
    row = db.execute(
        """SELECT entry_version, erases, link, author, epoch FROM gallery_log
           WHERE gallery = ? AND entry_id = ? AND newest""",
        (gallery, entry_id),
    ).fetchone()
    if row is None:
        return None
    version, erases, link, author, epoch = row
    return Entry(version, Kind.ERASE if erases else Kind.PUT, link, author, epoch)


def _epochs_from(db: Database, gallery: int, version: int) -> set[int]:
    """Return under which keys there is what may be sent to a device that holds this version, or none."""
    rows = db.execute(
        """SELECT DISTINCT epoch FROM gallery_log
           WHERE gallery = ?1 AND (newest OR (?2 AND version > ?2)
               OR seq = (SELECT max(seq) FROM gallery_log AS own
                         WHERE own.gallery = ?1 AND own.author = gallery_log.author))""",
        (gallery, version),
    )
    return {epoch for (epoch,) in rows}


def _epoch(db: Database, gallery: int) -> int:
    (epoch,) = db.execute("SELECT max(epoch) FROM gallery_log WHERE gallery = ?", (gallery,)).fetchone()
    return int(epoch or 0)
