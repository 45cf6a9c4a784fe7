"""The rows of claims, collections and conflicts, and of whom to tell; in the caller's transaction.

What they mean is decided by `firmware.mesh.ledger`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlite_utils import Database

from firmware.mesh import ledger as rules
from firmware.mesh.ledger import Collection, Double, Entry, Held, Stands, Verdict
from firmware.mesh.owners import ranking
from firmware.records import CollectedAt, CollectionConflict, Moment
from firmware.store.journal import Journal

SECOND_NS = 1_000_000_000
TOLD = 2
"""How many of a household's ranking are told that it collected: its owner, and who stands in for that."""
_ID_BYTES = 16
INSERT_COLLECTION = """
    INSERT INTO collections (cycle, household, desk, at, record_id, within_cap, owner_silent)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""


def take_down(
    journal: Journal,
    db: Database,
    now: Moment,
    cycle: str,
    roster: Sequence[str],
    collection: Collection,
    within_cap: bool = False,
    owner_silent: bool = False,
) -> Verdict:
    """Take down a collection, here or elsewhere; a new conflict about a household owned here is an event."""
    household, at = collection.household, msgspec.msgpack.encode(collection.moment)
    entry, verdict = rules.collect(entry_of(db, cycle, household), collection)
    match verdict:
        case Stands(known=False):
            values = (cycle, household, collection.device, at, collection.record_id)
            db.execute(INSERT_COLLECTION, (*values, within_cap, owner_silent))
            set_held(db, household, entry.held)
        case Double(first, known=False):
            noted = db.execute(
                """INSERT INTO conflicts (cycle, household, desk, at, record_id) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT DO NOTHING""",
                (cycle, household, collection.device, at, collection.record_id),
            )
            order = ranking(cycle, household, roster)
            if noted.rowcount and (not order or order[0] == journal.device_id):
                conflict = CollectionConflict(
                    household=household, cycle=cycle, first=_place(first), second=_place(collection)
                )
                journal.commit(now, conflict)
        case Stands() | Double():
            pass  # it is told again
    return verdict


def report(journal: Journal, db: Database, cycle: str, roster: Sequence[str], collection: Collection) -> None:
    """Queue a collection for the household's owner, and for who stands in for that when it is silent."""
    order = ranking(cycle, collection.household, roster)
    at = msgspec.msgpack.encode(collection.moment)
    db.conn.executemany(
        "INSERT INTO reports (device, owner, household, record_id, at) VALUES (?, ?, ?, ?, ?)",
        [
            (device, device == order[0], collection.household, collection.record_id, at)
            for device in order[:TOLD]
            if device != journal.device_id
        ],
    )


def report_anew(journal: Journal, db: Database, cycle: str, roster: Sequence[str]) -> None:
    """Queue all that collected here for those who must know it by another roster."""
    db.execute("DELETE FROM reports")
    rows = db.execute(
        """SELECT record_id, household, desk, at FROM collections
           WHERE desk = :desk AND household IS NOT NULL
           UNION ALL SELECT record_id, household, desk, at FROM conflicts WHERE desk = :desk""",
        {"desk": journal.device_id},
    ).fetchall()
    for row in rows:
        report(journal, db, cycle, roster, collection_of(*row))


def entry_of(db: Database, cycle: str, household: bytes) -> Entry:
    """Return what is known of a household."""
    held = db.execute(
        "SELECT desk, claim_ids, for_s, began FROM claims WHERE household = ?", (household,)
    ).fetchone()
    first = db.execute(
        "SELECT record_id, household, desk, at FROM collections WHERE cycle = ? AND household = ?",
        (cycle, household),
    ).fetchone()
    doubles = db.execute(
        "SELECT record_id FROM conflicts WHERE cycle = ? AND household = ?", (cycle, household)
    ).fetchall()
    return Entry(
        _held(*held) if held else None,
        collection_of(*first) if first else None,
        frozenset(record_id for (record_id,) in doubles),
    )


def set_held(db: Database, household: bytes, held: Held | None) -> None:
    """Keep who holds a household now."""
    if held is None:
        db.execute("DELETE FROM claims WHERE household = ?", (household,))
        return
    db.execute(
        "INSERT OR REPLACE INTO claims (household, desk, claim_ids, for_s, began) VALUES (?, ?, ?, ?, ?)",
        (
            household,
            held.device,
            b"".join(sorted(held.claim_ids)),
            held.hold_ns / SECOND_NS,
            msgspec.msgpack.encode(held.since),
        ),
    )


def collection_of(record_id: bytes, household: bytes, desk: str, at: bytes) -> Collection:
    """Return a collection from the columns of its row."""
    return Collection(record_id, household, desk, msgspec.msgpack.decode(at, type=Moment))


def _held(desk: str, claim_ids: bytes, for_s: float, began: bytes) -> Held:
    ids = frozenset(claim_ids[start : start + _ID_BYTES] for start in range(0, len(claim_ids), _ID_BYTES))
    return Held(desk, ids, round(for_s * SECOND_NS), msgspec.msgpack.decode(began, type=Moment))


def _place(collection: Collection) -> CollectedAt:
    return CollectedAt(collection.record_id, collection.device, collection.moment)
