"""What is desired in each scope; with a change the devices that it touches are put together anew."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias

import msgspec

from aggregator.fleet.filters import parse
from aggregator.fleet.terms import Desire, DesireChange, Invalid, Missing, Scope, ScopeKind, Stale
from aggregator.store import administration
from aggregator.store.fleet_artifacts import find as find_artifact
from aggregator.store.fleet_states import (
    DESIRES,
    Content,
    Recomputed,
    recompute,
    stable_facts,
    to_desire,
    try_again,
)
from aggregator.store.many import rows_of
from aggregator.store.port import Database
from trust.state import MAX_VALUE_BYTES, SETTING, Artifact, ArtifactKind, ReportedState

MAX_SETTINGS = 200  # of one scope
MAX_SCOPE_CHARACTERS = 64 << 10  # all of a device's scopes come to it in one message
_SETTING = re.compile(SETTING)


class Changed(msgspec.Struct, frozen=True):
    """The desire as it is now, and which devices have another desired state by it."""

    desire: Desire
    recomputed: Recomputed


Change: TypeAlias = Changed | Stale | Missing | Invalid


def read(db: Database, scope: Scope) -> Desire | Missing:
    """Return what is desired in a scope, an empty desire of revision 0 where nothing was desired yet."""
    row = db.execute(
        f"{DESIRES} WHERE scope = ? AND subject = ?", (scope.kind.value, scope.subject)
    ).fetchone()
    if row is not None:
        return to_desire(row)
    return _missing(db, scope) or Desire(scope, 0, {}, (), 0, "")


def change(
    db: Database,
    scope: Scope,
    what: DesireChange,
    *,
    revision: int | None,
    now_ns: int,
    actor: str,
    validate_only: bool = False,
) -> Change:
    """Change what is desired in one scope; revision: as the caller read it, None for whatever is there.

    What is desired already is tried again by the devices that refused it or rolled it back.
    """
    before = read(db, scope)
    if isinstance(before, Missing):
        return before
    if revision is not None and revision != before.revision:
        return Stale(before.revision)
    if (invalid := check(db, what)) is not None:
        return invalid
    after = _changed(before, what, now_ns, actor)
    if len(after.settings) > MAX_SETTINGS or sum(map(len, after.settings.values())) > MAX_SCOPE_CHARACTERS:
        return Invalid(
            "desire.settings",
            f"one scope can desire {MAX_SETTINGS} settings, with {MAX_SCOPE_CHARACTERS} characters in all",
        )
    if (after.settings, after.artifacts) == (before.settings, before.artifacts):
        return Changed(before, _again(db, scope, what, now_ns, actor, validate_only=validate_only))
    if validate_only:
        tried = recompute(
            db,
            now_ns,
            touched(db, scope),
            changes=lambda asked: after if asked == scope else None,
            keep=False,
        )
        return Changed(after, tried)
    _write(db, after)
    administration.append(db, now_ns, actor, "desire changed", f"{scope}: {', '.join(_names(what))}")
    return Changed(after, recompute(db, now_ns, touched(db, scope)))


def change_devices(
    db: Database, device_ids: Collection[str], what: DesireChange, *, now_ns: int, actor: str, why: str
) -> Recomputed | Invalid:
    """Change what is desired of each of these devices in the same way, as a rollout does.

    why: for the audit log. Devices that are not known are left out; one that failed at the same before tries
    it again.
    """
    if (invalid := check(db, what)) is not None:
        return invalid
    known = [facts.device_id for facts in stable_facts(db, device_ids)]
    for device_id in known:
        before = read(db, Scope(ScopeKind.DEVICE, device_id))
        if isinstance(before, Desire):
            _write(db, _changed(before, what, now_ns, actor))
    if known:
        subject = f"{why}: {', '.join(_names(what))} of {len(known)} device(s)"
        administration.append(db, now_ns, actor, "desire changed", subject)
    done = recompute(db, now_ns, known)
    again = try_again(db, set(known) - done.changed, now_ns)
    return Recomputed(done.changed | again, done.remarks)


def check(db: Database, what: DesireChange) -> Invalid | None:
    """Say what of a change cannot be desired: a name, a value that is no JSON, a file that is not held."""
    for name, value in what.settings.items():
        field = f"desire.settings.{name}"
        if not _SETTING.fullmatch(name):
            return Invalid(field, "write table and key of the appliance's file, as session.tries")
        if value is not None and (why := _unusable(value)):
            return Invalid(field, why)
    for kind, artifact in what.artifacts.items():
        if kind not in {each.value for each in ArtifactKind}:
            known = ", ".join(each.value for each in ArtifactKind)
            return Invalid(f"desire.artifacts.{kind}", f"write one of {known}")
        if artifact is None:
            continue
        held = find_artifact(db, artifact.digest)
        if held is None or held.artifact != artifact:
            return Invalid(
                f"desire.artifacts.{kind}",
                "no such file is held: add it first, and desire it as the list shows it",
            )
    return None


def unknown_settings(db: Database, made: Changed, what: DesireChange) -> tuple[str, ...]:
    """Return a remark for each new setting that some of the changed devices said that they do not know."""
    asked = {name for name, value in what.settings.items() if value is not None}
    without = dict.fromkeys(sorted(asked), 0)
    for (content,) in rows_of(
        db, "SELECT content FROM reported_states WHERE device_id IN (?*)", made.recomputed.changed
    ):
        known = set(msgspec.json.decode(content, type=ReportedState).known_settings)
        for name in asked - known:
            without[name] += 1
    return tuple(
        f"settings.{name}: {count} of {len(made.recomputed.changed)} changed device(s) do not know it, and "
        "would refuse the whole: give them a newer version first, or desire it in a narrower scope"
        for name, count in without.items()
        if count
    )


def held_by_devices(db: Database, scope: Scope, what: DesireChange) -> tuple[str, ...]:
    """Return a remark for each new value that some devices do not get: another is desired of them alone."""
    if scope.kind is ScopeKind.DEVICE:
        return ()
    wanted: dict[str, str | Artifact | None] = {
        **{f"settings.{name}": value and canonical(value) for name, value in what.settings.items()},
        **{f"artifacts.{kind}": artifact for kind, artifact in what.artifacts.items()},
    }
    held = dict.fromkeys(sorted(name for name, value in wanted.items() if value is not None), 0)
    for (content,) in rows_of(
        db,
        "SELECT content FROM desires WHERE scope = ? AND subject IN (?*)",
        touched(db, scope),
        ScopeKind.DEVICE.value,
    ):
        own = msgspec.json.decode(content, type=Content)
        values: dict[str, str | Artifact] = {
            **{f"settings.{name}": value for name, value in own.settings.items()},
            **{f"artifacts.{artifact.kind.value}": artifact for artifact in own.artifacts},
        }
        for name in held:
            held[name] += name in values and values[name] != wanted[name]
    return tuple(
        f"{name}: of {count} device(s) another value is desired alone, as after a rollout, and holds before: "
        "make a rollout to change theirs too"
        for name, count in held.items()
        if count
    )


def touched(db: Database, scope: Scope) -> Collection[str] | None:
    """Return the devices of a scope, None for all."""
    match scope.kind:
        case ScopeKind.FLEET:
            return None
        case ScopeKind.SITE:
            rows = db.execute("SELECT device_id FROM devices WHERE site = ?", (scope.subject,))
            return {device_id for (device_id,) in rows}
        case ScopeKind.DEVICE:
            return {scope.subject}
        case ScopeKind.GROUP:
            row = db.execute("SELECT filter FROM device_groups WHERE name = ?", (scope.subject,)).fetchone()
            return set() if row is None else members(db, row[0])


def members(db: Database, text: str) -> set[str]:
    """Return the devices that a group's filter matches."""
    holds = parse(text).holds
    return {facts.device_id for facts in stable_facts(db) if holds(facts)}


def forget(db: Database, scope: Scope) -> None:
    """Drop what is desired in a scope that is taken away."""
    db.execute("DELETE FROM desires WHERE scope = ? AND subject = ?", (scope.kind.value, scope.subject))


def _again(
    db: Database, scope: Scope, what: DesireChange, now_ns: int, actor: str, *, validate_only: bool
) -> Recomputed:
    if validate_only or not (again := try_again(db, touched(db, scope), now_ns)):
        return Recomputed(frozenset(), ())
    subject = f"{scope}: {', '.join(_names(what))} by {len(again)} device(s)"
    administration.append(db, now_ns, actor, "desire tried again", subject)
    return Recomputed(again, ())


def _missing(db: Database, scope: Scope) -> Missing | None:
    match scope.kind:
        case ScopeKind.FLEET:
            return None
        case ScopeKind.SITE:
            there = db.execute(
                "SELECT 1 FROM sites WHERE name = ? UNION SELECT 1 FROM devices WHERE site = ?",
                (scope.subject, scope.subject),
            )
        case ScopeKind.GROUP:
            there = db.execute("SELECT 1 FROM device_groups WHERE name = ?", (scope.subject,))
        case ScopeKind.DEVICE:
            there = db.execute("SELECT 1 FROM devices WHERE device_id = ?", (scope.subject,))
    return None if there.fetchone() else Missing(scope.kind.value, scope.subject)


def _changed(before: Desire, what: DesireChange, now_ns: int, actor: str) -> Desire:
    settings: dict[str, str | None] = {**before.settings}
    settings |= {name: None if value is None else canonical(value) for name, value in what.settings.items()}
    artifacts = {artifact.kind.value: artifact for artifact in before.artifacts} | what.artifacts
    return Desire(
        before.scope,
        before.revision + 1,
        {name: value for name, value in sorted(settings.items()) if value is not None},
        tuple(artifact for _, artifact in sorted(artifacts.items()) if artifact is not None),
        now_ns,
        actor,
    )


def _write(db: Database, desire: Desire) -> None:
    db.execute(
        """INSERT INTO desires (scope, subject, revision, content, changed_ns, changed_by)
           VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (scope, subject) DO UPDATE
           SET revision = excluded.revision, content = excluded.content,
               changed_ns = excluded.changed_ns, changed_by = excluded.changed_by""",
        (
            desire.scope.kind.value,
            desire.scope.subject,
            desire.revision,
            Content(desire.settings, desire.artifacts).column(),
            desire.changed_ns,
            desire.changed_by,
        ),
    )


def _names(what: DesireChange) -> list[str]:
    """Return what changes in short: values are in the table, and the log is kept for years."""
    fields = {f"settings.{name}": value for name, value in what.settings.items()}
    fields |= {
        f"artifacts.{kind}": None if artifact is None else artifact.version
        for kind, artifact in what.artifacts.items()
    }
    return [f"{name} no longer" if value is None else f"{name} = {value}" for name, value in fields.items()]


def _unusable(value: str) -> str:
    if len(value.encode()) > MAX_VALUE_BYTES:
        return f"a value has at most {MAX_VALUE_BYTES} bytes"
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return 'the value is no JSON: write text in quotation marks, as "en", and numbers without'
    return ""


def canonical(value: str) -> str:
    """Return the same JSON without spaces, its keys in order, so that equal wishes have equal digests."""
    return msgspec.json.encode(msgspec.json.decode(value), order="sorted").decode()
