"""Sealed galleries as people see them: who holds how much, and who has carried out which erasure."""

from __future__ import annotations

from sqlite_utils import Database

from aggregator.holdings import NO_LEASE, Erasure, Gallery, GalleryMember, Lease, Unconfirmed
from aggregator.store import gallery_rows


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
        gallery: gallery_rows.rosters(db, gallery)[epoch].members
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
    for member in gallery_rows.rosters(db, gallery)[epoch].members:
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
