"""Sealed galleries: cards, rosters and the log of changes; inside the writer's transaction.

Nothing here can be read without a gallery's key, which never comes here. What devices are sent of it is in
`gallery_delivery`, what people are shown in `gallery_overview`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.sealed import Carried
from aggregator.store import adjudications, administration, gallery_rows
from aggregator.store.port import Database
from trust.gallery.card import Card
from trust.gallery.change import Kind
from trust.gallery.errors import ChangeRefused
from trust.gallery.judge import Entry, Judge
from trust.gallery.roster import Roster


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not taken; why: for whoever sent it, and the log."""

    why: str


@dataclass(frozen=True, slots=True)
class Behind:
    """Somebody else was quicker, or the key is another by now: sync first."""


def publish_card(db: Database, card: Card, encoded: bytes, now_ns: int) -> None:
    """Keep a device's card in place of its former one."""
    row = db.execute("SELECT card FROM gallery_cards WHERE device_id = ?", (card.device_id,)).fetchone()
    if row is not None and row[0] == encoded:
        return
    db.execute(
        """INSERT INTO gallery_cards (device_id, site, card, published_ns) VALUES (?, ?, ?, ?)
           ON CONFLICT (device_id) DO UPDATE SET site = excluded.site, card = excluded.card,
               published_ns = excluded.published_ns""",
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
        if not roster.follows(gallery_rows.rosters(db, gallery)[epoch]):
            return Refused(
                f"this roster does not go on from number {edition}, which is here: it was made from an older "
                "copy of the key set. Go on with the newest copy"
            )
        db.execute(
            "UPDATE galleries SET epoch = ?, edition = ? WHERE gallery = ?",
            (roster.epoch, roster.edition, gallery),
        )
    db.execute(
        """INSERT INTO gallery_rosters (gallery, epoch, roster) VALUES (?, ?, ?)
           ON CONFLICT (gallery, epoch) DO UPDATE SET roster = excluded.roster""",
        (gallery, roster.epoch, encoded),
    )
    _drop_rosters(db, gallery, roster.epoch)
    subject = f"{roster.gallery_id.hex()} {roster.edition}: " + " ".join(m.device_id for m in roster.members)
    administration.append(db, now_ns, actor, "gallery roster", subject)
    return None


def hand_in_roster(
    db: Database, roster: Roster, encoded: bytes, device_id: str, site: str, now_ns: int
) -> int | Refused:
    """Take a newer roster from a device, as after a restored backup; returns the version of the gallery."""
    row = db.execute(
        "SELECT version FROM galleries WHERE gallery_id = ? AND site = ?", (roster.gallery_id, site)
    ).fetchone()
    if row is None:
        return Refused("there is no such gallery at this site")
    refused = publish_roster(db, roster, encoded, now_ns, f"device {device_id}")
    return refused or int(row[0])


def push(
    db: Database,
    gallery_id: bytes,
    device_id: str,
    site: str,
    version: int | None,
    carried: Sequence[Carried],
    now_ns: int,
) -> int | Behind | Refused:
    """Take changes, all or none; returns the version after the last one.

    version: that the device holds; None where it could not take what it was sent, and tells erasures alone.
    """
    row = db.execute(
        "SELECT gallery, epoch, version FROM galleries WHERE gallery_id = ? AND site = ?", (gallery_id, site)
    ).fetchone()
    if row is None:
        return Refused("there is no such gallery at this site")
    gallery, epoch, held_version = row
    rosters = gallery_rows.rosters(db, gallery)
    member = rosters[epoch].member_of(device_id)
    if member is None:
        return Refused("this device is no member of the gallery")
    if version is None and any(each.change.kind is not Kind.ERASE for each in carried):
        return Refused("an appliance that does not hold the log tells erasures alone")
    if version not in (None, held_version):
        return Behind()
    if any(each.change.author == member.number and each.change.epoch < epoch for each in carried):
        return Behind()
    judge = Judge(
        gallery_id,
        rosters,
        gallery_rows.heads(db, gallery),
        lambda e: _entry(db, gallery, e),
        epoch=_epoch(db, gallery),
    )
    try:
        for each in carried:
            judge.take(each.change)
        judge.finish()
    except ChangeRefused as refused:
        return Refused(str(refused))
    for number, each in enumerate(carried, held_version + 1):
        _write(db, gallery, number, each, now_ns)
    now_at = held_version + len(carried)
    db.execute("UPDATE galleries SET version = ? WHERE gallery = ?", (now_at, gallery))
    if version is not None:
        gallery_rows.note_position(db, gallery, device_id, now_at, now_ns)
    _drop_rosters(db, gallery, epoch)
    return int(now_at)


def _write(db: Database, gallery: int, version: int, carried: Carried, now_ns: int) -> None:
    change = carried.change
    if change.kind is Kind.ERASE:
        adjudications.forget(db, gallery, change.entry_id)
    former = db.execute(
        "SELECT version, erases FROM gallery_log WHERE gallery = ? AND entry_id = ? AND newest = 1",
        (gallery, change.entry_id),
    ).fetchone()
    erased_before = former is not None and bool(former[1])
    if former is not None and not erased_before:
        db.execute(
            """UPDATE gallery_log SET newest = 0, change = replaced, replaced = ?
               WHERE gallery = ? AND version = ?""",
            (b"", gallery, former[0]),
        )
    db.execute(
        """INSERT INTO gallery_log (gallery, version, author, seq, entry_id, entry_version, erases, epoch,
               link, newest, change, replaced, received_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
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
            change.kind is not Kind.SEEN and not erased_before,
            carried.whole,
            carried.replaced,
            now_ns,
        ),
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


def _entry(db: Database, gallery: int, entry_id: bytes) -> Entry | None:
    row = db.execute(
        """SELECT entry_version, erases, link, author, epoch FROM gallery_log
           WHERE gallery = ? AND entry_id = ? AND newest = 1""",
        (gallery, entry_id),
    ).fetchone()
    if row is None:
        return None
    version, erases, link, author, epoch = row
    return Entry(version, Kind.ERASE if erases else Kind.PUT, link, author, epoch)


def _epoch(db: Database, gallery: int) -> int:
    (epoch,) = db.execute("SELECT max(epoch) FROM gallery_log WHERE gallery = ?", (gallery,)).fetchone()
    return int(epoch or 0)
