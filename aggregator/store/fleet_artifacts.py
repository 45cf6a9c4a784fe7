"""Files that are held for devices, and how many bytes a site has spent of its day."""

from __future__ import annotations

import msgspec

from aggregator.fleet.terms import StoredArtifact
from aggregator.store import administration
from aggregator.store.fleet_states import Content
from aggregator.store.port import Database
from trust.state import Artifact, ArtifactKind

_SELECT = "SELECT digest, kind, version, size_bytes, title, added_ns, added_by FROM artifacts"


def add(db: Database, added: StoredArtifact) -> StoredArtifact:
    """Note a file that lies in its place; one that is held already stays as it was noted first."""
    artifact = added.artifact
    inserted = db.execute(
        """INSERT INTO artifacts (digest, kind, version, size_bytes, title, added_ns, added_by)
           VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
        (
            artifact.digest,
            artifact.kind.value,
            artifact.version,
            artifact.size_bytes,
            added.title,
            added.added_ns,
            added.added_by,
        ),
    )
    if inserted.rowcount:
        subject = f"{artifact.kind.value} {artifact.version} {artifact.digest}"
        administration.append(db, added.added_ns, added.added_by, "artifact added", subject)
    return find(db, artifact.digest) or added


def find(db: Database, digest: str) -> StoredArtifact | None:
    """Return a file by the SHA-256 of its content, in hex."""
    row = db.execute(f"{_SELECT} WHERE digest = ?", (digest,)).fetchone()
    return None if row is None else _stored(row)


def read(db: Database, after: str, limit: int) -> tuple[StoredArtifact, ...]:
    """Return files in order of their digests, those after one."""
    rows = db.execute(f"{_SELECT} WHERE digest > ? ORDER BY digest LIMIT ?", (after, limit))
    return tuple(map(_stored, rows))


def is_desired(db: Database, device_id: str, digest: str) -> bool:
    """Tell whether a file is in what a device should be."""
    row = db.execute(
        "SELECT content FROM desired_states JOIN desired_contents USING (digest) WHERE device_id = ?",
        (device_id,),
    ).fetchone()
    if row is None:
        return False
    content = msgspec.json.decode(row[0], type=Content)
    return any(artifact.digest == digest for artifact in content.artifacts)


def spent(db: Database, site: str, day: str) -> int:
    """Return how many bytes of updates and diagnostics a site took on a day of its own clock."""
    row = db.execute("SELECT bytes FROM site_bytes WHERE site = ? AND day = ?", (site, day)).fetchone()
    return 0 if row is None else int(row[0])


def take(db: Database, site: str, day: str, want: int, budget: int) -> int:
    """Take up to `want` bytes from a site's day, and return how many; budget: of the day, 0 for no limit."""
    count = want if not budget else max(0, min(want, budget - spent(db, site, day)))
    if count:
        db.execute(
            """INSERT INTO site_bytes (site, day, bytes) VALUES (?, ?, ?)
               ON CONFLICT (site, day) DO UPDATE SET bytes = site_bytes.bytes + excluded.bytes""",
            (site, day, count),
        )
    return count


def give_back(db: Database, site: str, day: str, count: int) -> None:
    """Return bytes to a site's day that were not sent."""
    db.execute("UPDATE site_bytes SET bytes = bytes - ? WHERE site = ? AND day = ?", (count, site, day))


def _stored(row: tuple[str, str, str, int, str, int, str]) -> StoredArtifact:
    digest, kind, version, size_bytes, title, added_ns, added_by = row
    return StoredArtifact(
        Artifact(ArtifactKind(kind), version, digest, size_bytes), title, added_ns, added_by
    )
