"""What each device should be: put together anew when a scope, a label or a group changes.

Every function runs inside the writer's transaction, or on a reader.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from aggregator.fleet.filter_fields import wildcard
from aggregator.fleet.filters import parse
from aggregator.fleet.merging import Layer, Merged, drift, merge
from aggregator.fleet.terms import Desire, Desired, Facts, Group, Scope, ScopeKind
from aggregator.store.many import rows_of
from aggregator.store.port import Database
from trust.state import Artifact, DesiredState, ReportedState, ServiceWindow, state_digest

DESIRES = "SELECT scope, subject, revision, content, changed_ns, changed_by FROM desires"
MAX_REPORTED = 2**62  # a device that makes numbers up cannot use all of them up
NOTHING = state_digest({}, ())


class Content(msgspec.Struct, frozen=True):
    """Settings (JSON text by name) and artifacts, as one column keeps them."""

    settings: dict[str, str]
    artifacts: tuple[Artifact, ...]

    def column(self) -> str:
        """Return the column's text."""
        return msgspec.json.encode(self).decode()


# Device, generation, digest, remarks and time, as the table has them.
_Given: TypeAlias = "tuple[str, int, str, str, int]"


class Recomputed(msgspec.Struct, frozen=True):
    """The devices that have another desired state now, and what their groups contradict each other about."""

    changed: frozenset[str]
    remarks: tuple[str, ...]


def recompute(
    db: Database,
    now_ns: int,
    device_ids: Collection[str] | None = None,
    *,
    changes: Callable[[Scope], Desire | None] = lambda _scope: None,
    keep: bool = True,
) -> Recomputed:
    """Put the desired states of these devices, or of all, together anew; generations rise where they differ.

    changes: a desire to take instead of the one that is held. keep: False says what would change.
    """
    merging = _Merging(db, device_ids, changes)
    before = {
        device_id: (generation, digest, remarks)
        for device_id, generation, digest, remarks in rows_of(
            db,
            "SELECT device_id, generation, digest, remarks FROM desired_states WHERE device_id IN (?*)",
            device_ids,
        )
    }
    reported = {
        device_id: generation
        for device_id, generation in rows_of(
            db, "SELECT device_id, generation FROM reported_states WHERE device_id IN (?*)", device_ids
        )
        if generation < MAX_REPORTED
    }
    given: list[_Given] = []
    remarks: dict[str, None] = {}
    for facts in stable_facts(db, device_ids):
        merged = merging.of(facts)
        remarks |= dict.fromkeys(merged.remarks)
        digest = merging.digest(merged)
        generation, old, old_remarks = before.get(facts.device_id, (0, NOTHING, "[]"))
        new_remarks = msgspec.json.encode(merged.remarks).decode()
        if digest != old:
            above = max(generation, reported.get(facts.device_id, 0))
            given.append((facts.device_id, above + 1, digest, new_remarks, now_ns))
        elif new_remarks != old_remarks and keep:
            db.execute(
                "UPDATE desired_states SET remarks = ? WHERE device_id = ?", (new_remarks, facts.device_id)
            )
    changed = frozenset(device_id for device_id, *_ in given)
    if keep:
        merging.keep_contents(db)
        _give(db, given)
        _renew_drift(db, changed)
    return Recomputed(changed, tuple(remarks))


def desired(db: Database, device_ids: Collection[str]) -> dict[str, Desired]:
    """Return what these devices should be, with the windows of their sites."""
    found = {}
    for device_id, generation, content, remarks, window in rows_of(
        db,
        """SELECT device_id, generation, content, remarks, service_window
           FROM desired_states JOIN desired_contents USING (digest) JOIN devices USING (device_id)
           LEFT JOIN sites ON sites.name = devices.site WHERE device_id IN (?*)""",
        device_ids,
    ):
        known = msgspec.json.decode(content, type=Content)
        found[device_id] = Desired(
            DesiredState(generation, known.settings, known.artifacts, to_window(window)),
            tuple(msgspec.json.decode(remarks, type=list[str])),
        )
    return found


def due(db: Database, device_ids: Collection[str]) -> dict[str, DesiredState]:
    """Return what these devices have to be told: newer than what they reported, or still waited for.

    A device that never reported is not told: it may be of a version that knows nothing of desired states.
    """
    waiting = rows_of(
        db,
        """SELECT device_id FROM desired_states JOIN reported_states USING (device_id)
           WHERE (desired_states.generation > reported_states.generation
               OR desired_states.generation = reported_states.generation AND result = 'waiting')
               AND device_id IN (?*)""",
        device_ids,
    )
    return {device_id: each.state for device_id, each in desired(db, [row[0] for row in waiting]).items()}


def raise_generation(db: Database, device_id: str, above: int, now_ns: int) -> None:
    """Give what a device should be under a number above one that it was not given, so that it counts."""
    digest, remarks = db.execute(
        "SELECT digest, remarks FROM desired_states WHERE device_id = ?", (device_id,)
    ).fetchone()
    _give(db, [(device_id, above + 1, digest, remarks, now_ns)])


def try_again(db: Database, device_ids: Collection[str] | None, now_ns: int) -> frozenset[str]:
    """Give the same once more to those of these devices, or of all, that refused it or rolled it back."""
    failed = list(
        rows_of(
            db,
            """SELECT device_id, desired_states.generation
               FROM desired_states JOIN reported_states USING (device_id)
               WHERE desired_states.generation = reported_states.generation
                   AND result IN ('refused', 'rolled back') AND device_id IN (?*)""",
            device_ids,
        )
    )
    for device_id, generation in failed:
        raise_generation(db, device_id, generation, now_ns)
    return frozenset(device_id for device_id, _ in failed)


def given(db: Database, device_id: str) -> dict[int, str]:
    """Return the digest of each generation that a device was ever given."""
    rows = db.execute("SELECT generation, digest FROM desired_generations WHERE device_id = ?", (device_id,))
    return dict(rows.fetchall())


def groups_of(
    db: Database, facts: Iterable[Facts], wanted: Collection[str] = ("*",)
) -> dict[str, tuple[str, ...]]:
    """Return the names of the groups that each of these devices is in; wanted: which, in full or with *."""
    patterns = [wildcard(each) for each in wanted]
    filters = [
        (name, parse(text).holds)
        for name, text in db.execute("SELECT name, filter FROM device_groups ORDER BY name")
        if any(pattern.fullmatch(name) for pattern in patterns)
    ]
    return {each.device_id: tuple(name for name, holds in filters if holds(each)) for each in facts}


def stable_facts(db: Database, device_ids: Collection[str] | None = None) -> Iterator[Facts]:
    """Yield of these devices, or of all, what groups may rest on, by identifier."""
    for device_id, site, labels, site_labels, version in rows_of(
        db,
        """SELECT device_id, site, devices.labels, coalesce(sites.labels, '{}'), software_version
           FROM devices LEFT JOIN sites ON sites.name = devices.site
           WHERE device_id IN (?*) ORDER BY device_id""",
        device_ids,
    ):
        yield Facts(device_id, site, to_labels(labels), to_labels(site_labels), version)


@functools.lru_cache(maxsize=4096)  # many devices have the same
def to_labels(column: str) -> Mapping[str, str]:
    """Return labels as their column keeps them."""
    return MappingProxyType(msgspec.json.decode(column, type=dict[str, str]))


def to_window(column: str | None) -> ServiceWindow | None:
    """Return a window as its column keeps it."""
    return None if column is None else msgspec.json.decode(column, type=ServiceWindow)


def to_desire(row: Sequence[str | int]) -> Desire:
    """Return a row of scope, subject, revision, content, changed_ns and changed_by."""
    scope, subject, revision, content, changed_ns, changed_by = row
    known = msgspec.json.decode(str(content), type=Content)
    return Desire(
        Scope(ScopeKind(scope), str(subject)),
        int(revision),
        known.settings,
        known.artifacts,
        int(changed_ns),
        str(changed_by),
    )


class _Merging:
    """Merges for one device after the other; what many share is read and merged once."""

    def __init__(
        self, db: Database, device_ids: Collection[str] | None, changes: Callable[[Scope], Desire | None]
    ) -> None:
        device = ScopeKind.DEVICE.value
        shared = db.execute(f"{DESIRES} WHERE scope <> ?", (device,)).fetchall()
        own = rows_of(db, f"{DESIRES} WHERE scope = ? AND subject IN (?*)", device_ids, device)
        self._desires = {
            desire.scope: changes(desire.scope) or desire for desire in map(to_desire, [*shared, *own])
        }
        self._changes = changes
        rows = db.execute("SELECT name, filter, rank FROM device_groups ORDER BY name").fetchall()
        self._groups = [
            (Group(name, 0, text, rank=rank), parse(text).holds)
            for name, text, rank in rows
            if self._desire(Scope(ScopeKind.GROUP, name)) is not None
        ]
        self._merged: dict[tuple[Scope, ...], Merged] = {}
        self._digests: dict[int, str] = {}

    def of(self, facts: Facts) -> Merged:
        """Return what is desired of a device."""
        members = [group for group, holds in self._groups if holds(facts)]
        ranks = {Scope(ScopeKind.GROUP, group.name): group.rank for group in members}
        scopes = (
            Scope(ScopeKind.FLEET),
            Scope(ScopeKind.SITE, facts.site),
            *ranks,
            Scope(ScopeKind.DEVICE, facts.device_id),
        )
        key = tuple(scope for scope in scopes if self._desire(scope) is not None)
        if (known := self._merged.get(key)) is None:
            found = [(self._desire(scope), ranks.get(scope, 0)) for scope in key]
            known = merge(Layer(desire, rank) for desire, rank in found if desire is not None)
            self._merged[key] = known
        return known

    def digest(self, merged: Merged) -> str:
        """Return the digest of what `of` gave."""
        if (known := self._digests.get(id(merged))) is None:
            known = self._digests[id(merged)] = state_digest(merged.settings, merged.artifacts)
        return known

    def keep_contents(self, db: Database) -> None:
        """Keep what was merged, once for all who share it."""
        for merged in self._merged.values():
            content = Content(merged.settings, merged.artifacts).column()
            db.execute(
                "INSERT INTO desired_contents VALUES (?, ?) ON CONFLICT DO NOTHING",
                (self.digest(merged), content),
            )

    def _desire(self, scope: Scope) -> Desire | None:
        return self._desires.get(scope) or self._changes(scope)


def _give(db: Database, given: Sequence[_Given]) -> None:
    # Many at once: a change of the fleet writes a row for each device while everybody else waits.
    db.execute_many(
        """INSERT INTO desired_states (device_id, generation, digest, remarks, changed_ns)
           VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (device_id) DO UPDATE SET generation = excluded.generation, digest = excluded.digest,
               remarks = excluded.remarks, changed_ns = excluded.changed_ns""",
        given,
    )
    db.execute_many(
        "INSERT INTO desired_generations VALUES (?, ?, ?)",
        [(device_id, generation, digest) for device_id, generation, digest, _, _ in given],
    )


def _renew_drift(db: Database, changed: Collection[str]) -> None:
    """Hold what the changed devices reported against what they should be now."""
    if not changed:
        return
    wanted = desired(db, changed)
    renewed = []
    for device_id, content in rows_of(
        db, "SELECT device_id, content FROM reported_states WHERE device_id IN (?*)", changed
    ):
        report = msgspec.json.decode(content, type=ReportedState)
        renewed.append((msgspec.json.encode(drift(wanted[device_id].state, report)).decode(), device_id))
    db.execute_many("UPDATE reported_states SET drift = ? WHERE device_id = ?", renewed)
