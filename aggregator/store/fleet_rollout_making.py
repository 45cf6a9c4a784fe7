"""Making and planning rollouts: whom a wish would change, in which order, and what that takes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

import msgspec

from aggregator.fleet import planner
from aggregator.fleet.filters import FilterRefused
from aggregator.fleet.planner import Plan, PlanDevice
from aggregator.fleet.rings import MAX_RINGS, RingsRefused, draw, named
from aggregator.fleet.rollout import Change, Ring, Rollout, Thresholds, Watch
from aggregator.fleet.rollout_engine import NotAllowed
from aggregator.fleet.terms import DesireChange, FleetDevice, Health, Invalid, Missing, Stale
from aggregator.store import fleet_desires, fleet_devices, fleet_inventory, fleet_rollouts
from aggregator.store.fleet_inventory import MAX_TITLE
from aggregator.store.fleet_rollouts import Held
from aggregator.store.identities import barred
from aggregator.store.port import Database
from trust.names import NAMES, is_name

MAX_SOAK_S = 90 * 24 * 3600
MAX_POINTS = 100


class Wish(msgspec.Struct, frozen=True):
    """A rollout as somebody wants it."""

    name: str
    title: str
    change: Change
    filter: str
    rings: tuple[Ring, ...]
    thresholds: Thresholds


def make(db: Database, wish: Wish, now_ns: int, connected: Collection[str], actor: str) -> Rollout | Invalid:
    """Return the rollout with its devices drawn; nothing is kept."""
    if (invalid := _check(wish) or _check_thresholds(wish.thresholds)) is not None:
        return invalid
    what = DesireChange({**wish.change.settings}, {each.kind.value: each for each in wish.change.artifacts})
    if (invalid := fleet_desires.check(db, what)) is not None:
        return Invalid(invalid.field.replace("desire.", "rollout.", 1), invalid.why)
    matched = _matching(db, "rollout.filter", wish.filter, now_ns, connected)
    if isinstance(matched, Invalid):
        return matched
    shut_out = barred(db)
    devices = {each: site for each, site in matched.items() if each not in shut_out}
    if not devices:
        return Invalid(
            "rollout.filter",
            "no device matches it that is not revoked or on hold, so nothing would be changed: try it on the "
            "list of devices first",
        )
    by_filter: dict[str, frozenset[str]] = {}
    for number, ring in enumerate(wish.rings):
        of_ring = _matching(db, f"rollout.rings[{number}].filter", ring.filter, now_ns, connected)
        if isinstance(of_ring, Invalid):
            return of_ring
        by_filter[ring.filter] = frozenset(of_ring)
    members = draw(wish.name, devices, wish.rings, by_filter.__getitem__)
    if isinstance(members, RingsRefused):
        return Invalid(members.field, members.why)
    settings = {name: fleet_desires.canonical(value) for name, value in wish.change.settings.items()}
    return Rollout(
        name=wish.name,
        title=wish.title,
        change=Change(settings, wish.change.artifacts),
        filter=wish.filter,
        rings=wish.rings,
        thresholds=wish.thresholds,
        members=members,
        watches=(Watch(),) * len(wish.rings),
        created_ns=now_ns,
        created_by=actor,
        reason="begins with the next turn",
    )


def plan(db: Database, rollout: Rollout, now_ns: int, connected: Collection[str]) -> Plan:
    """Return what a rollout would take, with a remark on another one that changes the same."""
    rings = {member.device_id: member.ring for member in rollout.members}
    known = fleet_devices.read(db, sorted(rings), now_ns, connected)
    sites = {site.name: site for site in fleet_inventory.read_sites(db)}
    made = planner.plan(
        rollout.change,
        rollout.rings,
        rollout.thresholds,
        [_plan_device(each, rings[each.device_id]) for each in known],
        sites,
        datetime.fromtimestamp(now_ns / 1e9, UTC),
    )
    remarks = list(made.remarks)
    if fleet_rollouts.find(db, rollout.name) is not None:
        remarks.insert(0, f"there is a rollout of the name {rollout.name} already: choose another")
    if (overlap := fleet_rollouts.overlapping(db, rollout)) is not None:
        remarks.insert(
            0,
            f"rollout {overlap.other} changes {overlap.field} of {named(overlap.devices)} too and is not "
            "finished: this one cannot start before",
        )
    return msgspec.structs.replace(made, remarks=tuple(remarks))


def move(
    db: Database,
    name: str,
    how: Callable[[Rollout], Rollout | NotAllowed],
    *,
    revision: int | None,
    now_ns: int,
    actor: str,
) -> Held | Missing | Stale | NotAllowed:
    """Pause, resume or cancel; revision: as the caller read it, None for whatever is there."""
    found = fleet_rollouts.whole_to_change(db, name)
    if found is None:
        return Missing("rollout", name)
    old, here = found
    if revision is not None and revision != here:
        return Stale(here)
    new = how(old)
    if isinstance(new, NotAllowed):
        return new
    return fleet_rollouts.save(db, old, new, here, now_ns, actor)


def _matching(
    db: Database, field: str, text: str, now_ns: int, connected: Collection[str]
) -> dict[str, str] | Invalid:
    """Return site by device; field: the filter's path, for the refusal."""
    try:
        wanted = frozenset(fleet_devices.matching(db, text, now_ns, connected))
    except FilterRefused as refused:
        return Invalid(field, str(refused))
    rows = db.execute("SELECT device_id, site FROM devices")
    return {device_id: site for device_id, site in rows if device_id in wanted}


def _check(wish: Wish) -> Invalid | None:
    if not is_name(wish.name):
        return Invalid("rollout.name", NAMES)
    if len(wish.title) > MAX_TITLE or (wish.title and not wish.title.isprintable()):
        return Invalid("rollout.title", f"write one line of at most {MAX_TITLE} characters")
    if not wish.change.settings and not wish.change.artifacts:
        return Invalid("rollout.settings", "name a setting or a file: a rollout of nothing changes nothing")
    if not 1 <= len(wish.rings) <= MAX_RINGS:
        return Invalid("rollout.rings", f"there are from 1 to {MAX_RINGS} rings")
    for number, ring in enumerate(wish.rings):
        field = f"rollout.rings[{number}]"
        if not is_name(ring.name) or ring.name in {each.name for each in wish.rings[:number]}:
            return Invalid(f"{field}.name", f"each ring has a name of its own; {NAMES}")
        if not 1 <= ring.percent <= 100:
            return Invalid(f"{field}.percent", "write from 1 to 100")
        if not 0 <= ring.soak_s <= MAX_SOAK_S:
            return Invalid(f"{field}.soak", f"write from 0 to {MAX_SOAK_S // 86400} days")
    return None


def _check_thresholds(terms: Thresholds) -> Invalid | None:
    if terms.min_devices < 1:
        return Invalid(
            "rollout.thresholds.min_devices", "write 1 or more: a ring that nobody answered tells nothing"
        )
    for field in ("success_percent", "error_percent"):
        if not 0 <= getattr(terms, field) <= 100:
            return Invalid(f"rollout.thresholds.{field}", "write from 0 to 100")
    for field in ("failure_to_acquire_points", "no_match_points"):
        if not 0 <= getattr(terms, field) <= MAX_POINTS:  # not a number is neither
            return Invalid(f"rollout.thresholds.{field}", f"write from 0 to {MAX_POINTS} percentage points")
    return None


def _plan_device(device: FleetDevice, ring: int) -> PlanDevice:
    report = None if device.reported is None else device.reported.state
    return PlanDevice(
        device.device_id,
        device.site,
        ring,
        device.software_version,
        silent=device.health is Health.SILENT,
        held=frozenset() if report is None else frozenset(each.digest for each in report.artifacts),
        known_settings=None if report is None else frozenset(report.known_settings),
    )
