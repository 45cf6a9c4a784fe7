"""What a device is sent of a sealed gallery, and how far it holds it; inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, unique

from aggregator.sealed import Asked
from aggregator.store import adjudications, gallery_rows
from aggregator.store.galleries import Refused
from aggregator.store.port import Database
from trust.gallery import tree


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
    edition: int
    decisions: int = 0
    decided: tuple[tuple[bytes, bytes, bool], ...] = ()


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
    rosters = gallery_rows.rosters(db, gallery)
    newer = edition > wanted.edition or (
        edition == wanted.edition and wanted.roster_digest not in (b"", rosters[epoch].digest)
    )
    encoded = gallery_rows.encoded_rosters(db, gallery)
    hashes = tree.buckets(_newest(db, gallery))
    member = rosters[epoch].member_of(device_id) is not None
    answer = _answer(db, gallery, version, wanted)
    if member and answer is Answer.LOG:
        gallery_rows.note_position(db, gallery, device_id, wanted.version, now_ns)
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
        # An older edition than the device's it has, or had and dropped.
        tuple(
            encoded[number]
            for number, roster in sorted(rosters.items())
            if newer and number != epoch and roster.edition > wanted.edition
        ),
        tuple((author, head.seq) for author, head in sorted(gallery_rows.heads(db, gallery).items())),
        sum(len(change) for _, _, change in due),
        complete,
        changes,
        edition,
        decisions if due_decisions else wanted.decisions,
        adjudications.decided(db, gallery) if due_decisions else (),
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
    since = wanted.version if answer is Answer.LOG else 0
    for erases, received in ((True, wanted.erasures_received), (False, wanted.changes_received)):
        rows = db.execute(
            """SELECT version, author, seq, entry_id, newest, change FROM gallery_log
               WHERE gallery = ? AND erases = ? AND version > ? ORDER BY version""",
            (gallery, erases, max(since, received)),
        )
        for version, author, seq, entry_id, newest, change in rows:
            in_bucket = newest and (differing is None or entry_id[0] in differing)
            # Everything that there is now, and no number of anybody's missing: one could be an erasure.
            if answer is Answer.LOG or in_bucket or version == last or not wanted.has(author, seq):
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


def _newest(db: Database, gallery: int) -> list[tuple[bytes, bytes]]:
    rows = db.execute(
        "SELECT entry_id, link, erases FROM gallery_log WHERE gallery = ? AND newest = 1", (gallery,)
    )
    return [(entry_id, tree.ERASED if erases else link) for entry_id, link, erases in rows]
