"""Rollouts as held: each with its devices, written down together with what it tells them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from aggregator.fleet.rollout import UNFINISHED, Member, RingCount, Rollout, count_ring
from aggregator.fleet.rollout_engine import awaits
from aggregator.store import administration
from aggregator.store.many import rows_of
from aggregator.store.port import Database


class Held(msgspec.Struct, frozen=True):
    """A rollout without its devices, which `members` reads, and with their counts by ring.

    revision: rises with its state and its ring, which are what people decide by.
    """

    rollout: Rollout
    revision: int
    counts: tuple[RingCount, ...]


class NameTaken(msgspec.Struct, frozen=True):
    """There is, or was, a rollout of this name."""

    name: str


class Overlap(msgspec.Struct, frozen=True):
    """Another rollout that is not finished changes the same field of so many of the devices."""

    other: str
    field: str
    devices: tuple[str, ...]


def create(db: Database, rollout: Rollout, now_ns: int, actor: str) -> Held | NameTaken | Overlap:
    """Keep a new rollout; nobody is told anything before its first turn."""
    if find(db, rollout.name) is not None:
        return NameTaken(rollout.name)
    if (overlap := overlapping(db, rollout)) is not None:
        return overlap
    held = Held(rollout, 1, _counts(rollout))
    db.execute(
        """INSERT INTO rollouts (name, revision, created_ns, state, awaits, content, counts)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (rollout.name, held.revision, rollout.created_ns, *_columns(held)),
    )
    _write_members(db, rollout.name, rollout.members)
    fields = ", ".join(rollout.change.fields())
    subject = f"{rollout.name}: {fields} of {len(rollout.members)} device(s) in {len(rollout.rings)} ring(s)"
    administration.append(db, now_ns, actor, "rollout created", subject)
    return held


def overlapping(db: Database, rollout: Rollout) -> Overlap | None:
    """Return a rollout that is not finished and would change what this one changes."""
    mine = {member.device_id for member in rollout.members}
    for other in unfinished(db):
        shared = set(rollout.change.fields()) & set(other.rollout.change.fields())
        if shared and other.rollout.name != rollout.name:
            rows = db.execute(
                "SELECT device_id FROM rollout_devices WHERE rollout = ? ORDER BY device_id",
                (other.rollout.name,),
            )
            if devices := tuple(device_id for (device_id,) in rows if device_id in mine):
                return Overlap(other.rollout.name, min(shared), devices)
    return None


def find(db: Database, name: str) -> Held | None:
    """Return a rollout by its name."""
    row = db.execute("SELECT revision, content, counts FROM rollouts WHERE name = ?", (name,)).fetchone()
    return None if row is None else _held(row)


def read(db: Database, before: tuple[int, str] | None, limit: int) -> tuple[Held, ...]:
    """Return rollouts, the newest first; before: (created_ns, name) of the last one seen."""
    at_ns, name = before or (2**63 - 1, "")
    rows = db.execute(
        """SELECT revision, content, counts FROM rollouts WHERE (created_ns, name) < (?, ?)
           ORDER BY created_ns DESC, name DESC LIMIT ?""",
        (at_ns, name, limit),
    )
    return tuple(map(_held, rows))


def unfinished(db: Database) -> tuple[Held, ...]:
    """Return the rollouts that may still tell devices something new, by name."""
    states = ", ".join("?" * len(UNFINISHED))
    rows = db.execute(
        f"SELECT revision, content, counts FROM rollouts WHERE state IN ({states}) ORDER BY name",  # noqa: S608
        [state.value for state in UNFINISHED],
    )
    return tuple(map(_held, rows))


def under_way(db: Database) -> tuple[str, ...]:
    """Return the names of the rollouts that a turn may change."""
    return tuple(name for (name,) in db.execute("SELECT name FROM rollouts WHERE awaits <> 0 ORDER BY name"))


def whole(db: Database, name: str) -> tuple[Rollout, int] | None:
    """Return a rollout with all of its devices, and its revision."""
    held = find(db, name)
    if held is None:
        return None
    rows = db.execute("SELECT content FROM rollout_devices WHERE rollout = ? ORDER BY device_id", (name,))
    members = tuple(msgspec.json.decode(content, type=Member) for (content,) in rows)
    return replace(held.rollout, members=members), held.revision


def whole_to_change(db: Database, name: str) -> tuple[Rollout, int] | None:
    """Return the same to whoever changes it next: of two servers on one store the second waits here."""
    db.execute("UPDATE rollouts SET awaits = awaits WHERE name = ?", (name,))
    return whole(db, name)


def save(db: Database, old: Rollout, new: Rollout, revision: int, now_ns: int, actor: str) -> Held:
    """Keep what became of a rollout; revision: the one that `old` had."""
    moved = (old.state, old.ring) != (new.state, new.ring)
    held = Held(new, revision + moved, _counts(new))
    db.execute(
        "UPDATE rollouts SET revision = ?, state = ?, awaits = ?, content = ?, counts = ? WHERE name = ?",
        (held.revision, *_columns(held), new.name),
    )
    changed = (after for before, after in zip(old.members, new.members, strict=True) if before != after)
    _write_members(db, new.name, changed)
    if old.state is not new.state:
        subject = f"{new.name}: {new.reason}"
        administration.append(db, now_ns, actor, f"rollout {new.state.value}", subject)
    elif old.ring != new.ring:
        subject = f"{new.name}: ring {new.rings[new.ring].name}"
        administration.append(db, now_ns, actor, "rollout went on", subject)
    return held


def note_before(db: Database, name: str, before: Mapping[str, str]) -> None:
    """Keep what was desired of devices before they were told, as JSON text by device."""
    db.execute_many(
        "UPDATE rollout_devices SET before = ? WHERE rollout = ? AND device_id = ?",
        [(content, name, device_id) for device_id, content in before.items()],
    )


def before(db: Database, name: str, device_ids: Collection[str]) -> dict[str, str]:
    """Return what `note_before` kept."""
    statement = "SELECT device_id, before FROM rollout_devices WHERE rollout = ? AND device_id IN (?*)"
    return dict(rows_of(db, statement, device_ids, name))


def _write_members(db: Database, name: str, members: Iterable[Member]) -> None:
    db.execute_many(
        """INSERT INTO rollout_devices (rollout, device_id, ring, standing, answered_ns, content)
           VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (rollout, device_id) DO UPDATE SET standing = excluded.standing,
               answered_ns = excluded.answered_ns, content = excluded.content""",
        [
            (
                name,
                each.device_id,
                each.ring,
                each.standing.value,
                each.answered_ns,
                msgspec.json.encode(each).decode(),
            )
            for each in members
        ],
    )


def _counts(rollout: Rollout) -> tuple[RingCount, ...]:
    return tuple(count_ring(rollout, ring) for ring in range(len(rollout.rings)))


def _columns(held: Held) -> tuple[str, int, str, str]:
    """Return state, awaits, content and counts."""
    content = msgspec.json.encode(replace(held.rollout, members=())).decode()
    counts = msgspec.json.encode(held.counts).decode()
    return held.rollout.state.value, int(awaits(held.rollout)), content, counts


def _held(row: tuple[Any, ...]) -> Held:
    revision, content, counts = row
    return Held(
        msgspec.json.decode(content, type=Rollout),
        revision,
        msgspec.json.decode(counts, type=tuple[RingCount, ...]),
    )
