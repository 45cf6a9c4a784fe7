"""Sealed galleries as people see them: who holds how much, and who has carried out which erasure."""

from __future__ import annotations

import msgspec

from aggregator.holdings import NO_LEASE, Erasure, Gallery, GalleryMember, Lease, Unconfirmed
from aggregator.store import gallery_rows
from aggregator.store.port import Database

LATEST_NS = 2**63 - 1

# former: devices that are no members any more, had a version of the entry, and not its erasure.
_ERASURES = """
    WITH members AS (
        SELECT CAST(value ->> 0 AS BIGINT) AS gallery, value ->> 1 AS device_id FROM json_each(:members)
    ), told AS (
        SELECT gallery_log.*, (
            SELECT json_group_array(device_id) FROM gallery_positions AS held
            WHERE held.gallery = gallery_log.gallery AND held.version < gallery_log.version
                AND (held.gallery, held.device_id) NOT IN (SELECT gallery, device_id FROM members)
                AND EXISTS (
                    SELECT 1 FROM gallery_log AS put
                    WHERE put.gallery = gallery_log.gallery AND put.entry_id = gallery_log.entry_id
                        AND put.erases = 0 AND put.version <= held.version)
        ) AS former
        FROM gallery_log
        WHERE erases = 1 AND received_ns >= :from_ns AND received_ns < :to_ns
    )
    SELECT gallery, gallery_id, site, purpose, entry_id, received_ns, author, told.version, former
    FROM told JOIN galleries USING (gallery)
    WHERE :only_open = 0 OR former <> '[]' OR EXISTS (
        SELECT 1 FROM members LEFT JOIN gallery_positions AS held USING (gallery, device_id)
        WHERE members.gallery = told.gallery AND coalesce(held.version, 0) < told.version)
    ORDER BY received_ns DESC, told.version DESC LIMIT :limit
"""


def read(db: Database) -> list[Gallery]:
    """Return all galleries, with how far each member holds them."""
    rows = db.execute(
        """SELECT gallery, gallery_id, site, purpose, epoch, edition, custodian, version FROM galleries
           ORDER BY site, purpose, gallery"""
    ).fetchall()
    return [_gallery(db, *row) for row in rows]


def erasures(
    db: Database,
    limit: int,
    *,
    only_open: bool = False,
    between_ns: tuple[int, int] = (0, LATEST_NS),
) -> list[Erasure]:
    """Return the latest erasures, newest first, with who has carried them out.

    only_open: those that a device has not carried out yet, or one that was taken out of the gallery while it
    had the entry. between_ns: told from the first to before the second.
    """
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
    members = [(gallery, each.device_id) for gallery, found in rosters.items() for each in found]
    rows = db.execute(
        _ERASURES,
        {
            "members": msgspec.json.encode(members).decode(),
            "only_open": only_open,
            "from_ns": between_ns[0],
            "to_ns": between_ns[1],
            "limit": limit,
        },
    ).fetchall()
    found = []
    for gallery, gallery_id, site, purpose, entry_id, told_ns, author, version, former in rows:
        confirmed: list[str] = []
        unconfirmed: list[Unconfirmed] = []
        for member in rosters[gallery]:
            held, asked_ns, lease = positions.get((gallery, member.device_id), (0, None, NO_LEASE))
            if held >= version:
                confirmed.append(member.device_id)
            else:
                unconfirmed.append(Unconfirmed(member.device_id, asked_ns, lease, is_member=True))
        for device_id in sorted(msgspec.json.decode(former, type=list[str])):
            _, asked_ns, lease = positions[gallery, device_id]
            unconfirmed.append(Unconfirmed(device_id, asked_ns, lease, is_member=False))
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
        """SELECT count(*) FILTER (WHERE erases = 0), count(*) FILTER (WHERE erases = 1),
               count(*) FILTER (WHERE erases = 0 AND epoch < ?)
           FROM gallery_log WHERE gallery = ? AND newest = 1""",
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
            "SELECT count(*) FROM gallery_log WHERE gallery = ? AND erases = 1 AND version > ?",
            (gallery, held),
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
