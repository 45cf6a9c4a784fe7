"""One turn of a rollout: what there is to see of its devices, and what it tells them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

import msgspec

from aggregator.fleet.rollout import Change, Rollout, RolloutState, Standing
from aggregator.fleet.rollout_engine import TELL_AT_ONCE, Act, Observed, Restore, Seen, Tell, step
from aggregator.fleet.terms import Desire, DesireChange, FleetDevice, Health, Invalid, Scope, ScopeKind
from aggregator.store import fleet_desires, fleet_devices, fleet_rollouts
from aggregator.store.port import Database
from trust.state import Artifact, DesiredResult


class Before(msgspec.Struct, frozen=True):
    """What was desired of a device itself in the fields of a change; None: nothing."""

    settings: dict[str, str | None] = {}
    artifacts: dict[str, Artifact | None] = {}


def observe(
    db: Database, rollout: Rollout, now_ns: int, connected: Collection[str], since_ns: int
) -> dict[str, Seen]:
    """Return what there is to see of devices that reported since, and of those that are told next.

    since_ns: 0 to look at all of them, as silence and health change without a report.
    """
    reported = {
        device_id
        for (device_id,) in db.execute(
            """SELECT device_id FROM rollout_devices JOIN reported_states USING (device_id)
               WHERE rollout = ? AND received_ns >= ?""",
            (rollout.name, since_ns),
        )
    }
    told = [each for each in rollout.members if each.standing not in (Standing.PENDING, Standing.TAKEN_BACK)]
    wanted = {each.device_id for each in told if not since_ns or each.device_id in reported}
    if rollout.state is RolloutState.RUNNING:
        for ring in (rollout.ring, rollout.ring + 1):
            pending = (each for each in rollout.of_ring(ring) if each.standing is Standing.PENDING)
            wanted |= {each.device_id for each in islice(pending, TELL_AT_ONCE)}
    devices = fleet_devices.read(db, sorted(wanted), now_ns, connected)
    return {each.device_id: _seen(each) for each in devices}


def turn(db: Database, name: str, observed: Observed, now_ns: int) -> tuple[Rollout | None, frozenset[str]]:
    """Move a rollout on; returns what became of it, and the devices that have another desired state by it.

    Part of one transaction with what it writes down: after a crash both happened, or neither.
    """
    found = fleet_rollouts.whole_to_change(db, name)
    if found is None:
        return None, frozenset()
    old, revision = found
    new, acts = step(old, observed, now_ns)
    if new != old:
        fleet_rollouts.save(db, old, new, revision, now_ns, f"rollout {name}")
    return new, _do(db, new, acts, now_ns)


def _do(db: Database, rollout: Rollout, acts: Sequence[Act], now_ns: int) -> frozenset[str]:
    told = [act.device_id for act in acts if isinstance(act, Tell)]
    restored = [act.device_id for act in acts if isinstance(act, Restore)]
    changed: frozenset[str] = frozenset()
    if told:
        fleet_rollouts.note_before(
            db,
            rollout.name,
            {device_id: _before(db, device_id, rollout.change) for device_id in told},
        )
        what = DesireChange(
            {**rollout.change.settings}, {each.kind.value: each for each in rollout.change.artifacts}
        )
        changed |= _desire(db, rollout, told, what, now_ns)
    for content, device_ids in _restoring(db, rollout, restored).items():
        changed |= _desire(db, rollout, device_ids, msgspec.json.decode(content, type=DesireChange), now_ns)
    return changed


def _desire(
    db: Database, rollout: Rollout, device_ids: Sequence[str], what: DesireChange, now_ns: int
) -> frozenset[str]:
    done = fleet_desires.change_devices(
        db, device_ids, what, now_ns=now_ns, actor=f"rollout {rollout.name}", why=f"rollout {rollout.name}"
    )
    if isinstance(done, Invalid):
        # Checked when the rollout was made; a file that was taken away since is a defect of the store.
        raise AssertionError(f"rollout {rollout.name}: {done.field}: {done.why}")
    return done.changed


def _before(db: Database, device_id: str, change: Change) -> str:
    desire = fleet_desires.read(db, Scope(ScopeKind.DEVICE, device_id))
    before = Before()
    if isinstance(desire, Desire):
        files = {each.kind.value: each for each in desire.artifacts}
        before = Before(
            {name: desire.settings.get(name) for name in change.settings},
            {each.kind.value: files.get(each.kind.value) for each in change.artifacts},
        )
    return msgspec.json.encode(before).decode()


def _restoring(db: Database, rollout: Rollout, device_ids: Sequence[str]) -> dict[bytes, list[str]]:
    """Return the devices by what to desire of them again.

    A field that somebody has changed since stays as it is: it is not the rollout's any more.
    """
    found: dict[bytes, list[str]] = {}
    files = {each.kind.value: each for each in rollout.change.artifacts}
    for device_id, content in fleet_rollouts.before(db, rollout.name, device_ids).items():
        before = msgspec.json.decode(content, type=Before)
        desire = fleet_desires.read(db, Scope(ScopeKind.DEVICE, device_id))
        if not isinstance(desire, Desire):
            continue
        held = {each.kind.value: each for each in desire.artifacts}
        what = DesireChange(
            {
                name: value
                for name, value in before.settings.items()
                if desire.settings.get(name) == rollout.change.settings[name]
            },
            {kind: each for kind, each in before.artifacts.items() if held.get(kind) == files[kind]},
        )
        if what.settings or what.artifacts:
            found.setdefault(msgspec.json.encode(what, order="sorted"), []).append(device_id)
    return found


def _seen(device: FleetDevice) -> Seen:
    answer, reason = _answer(device)
    return Seen(
        answer,
        reason,
        failing=device.health is Health.FAILING,
        problem=device.problems[0] if device.health is Health.FAILING else "",
        silent=device.health is Health.SILENT,
        gone=device.health is Health.BARRED,
    )


def _answer(device: FleetDevice) -> tuple[DesiredResult | None, str]:
    if device.desired is None or device.reported is None:
        return None, ""
    report, doubt = device.reported.state, device.reported.doubt
    if report.generation != device.desired.state.generation:
        return None, ""
    if report.result is DesiredResult.APPLIED and doubt:
        return DesiredResult.REFUSED, doubt
    refusals = (f"{each.field}: {each.reason}" for each in report.refusals)
    return report.result, next(refusals, "")
