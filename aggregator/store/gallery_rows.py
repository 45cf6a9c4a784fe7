"""What writing, delivering and showing a sealed gallery share; inside the writer's transaction."""

from __future__ import annotations

from aggregator.store.port import Database
from trust.gallery.judge import Head
from trust.gallery.roster import Roster


def rosters(db: Database, gallery: int) -> dict[int, Roster]:
    """Return the rosters that are kept, by the number of their key."""
    return {epoch: Roster.parse(data) for epoch, data in encoded_rosters(db, gallery).items()}


def encoded_rosters(db: Database, gallery: int) -> dict[int, bytes]:
    """Return the rosters that are kept as their custodian signed them."""
    return dict(
        db.execute("SELECT epoch, roster FROM gallery_rosters WHERE gallery = ?", (gallery,)).fetchall()
    )


def heads(db: Database, gallery: int) -> dict[int, Head]:
    """Return how far each author's changes are held."""
    rows = db.execute(
        """SELECT author, seq, link FROM gallery_log JOIN (
               SELECT author, max(seq) AS seq FROM gallery_log WHERE gallery = ?1 GROUP BY author
           ) AS latest USING (author, seq) WHERE gallery = ?1""",
        (gallery,),
    )
    return {author: Head(seq, link) for author, seq, link in rows}


def note_position(db: Database, gallery: int, device_id: str, version: int, now_ns: int) -> None:
    """Note how far a device holds the gallery, and when it said so."""
    db.execute(
        """INSERT INTO gallery_positions (gallery, device_id, version, asked_ns) VALUES (?1, ?2, ?3, ?4)
           ON CONFLICT (gallery, device_id) DO UPDATE SET version = ?3, asked_ns = ?4""",
        (gallery, device_id, version, now_ns),
    )
