"""What a rollout would take before it starts: bytes, cost, and when it would end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec.structs import replace

from aggregator.fleet.rings import named
from aggregator.fleet.rollout import Change, Ring, Thresholds
from aggregator.fleet.terms import Site
from trust.state import ArtifactKind, ServiceWindow

HORIZON = timedelta(days=730)
"""A site that would need longer never ends, for all that a plan is worth."""
MEGABYTE = 1_000_000
MOST_MB = "updates.most_mb"
"""The setting of an appliance that limits what one update may take of the link."""


class PlanDevice(msgspec.Struct, frozen=True):
    """One device as it last said that it is.

    held: digests of the files that it has, in hex. known_settings: those that can be desired of it, None
    where it never said what it is.
    """

    device_id: str
    site: str
    ring: int
    software_version: str
    silent: bool = False
    held: frozenset[str] = frozenset()
    known_settings: frozenset[str] | None = None


class PlannedRing(msgspec.Struct, frozen=True):
    """One ring; ends: after its soak, None where some site never ends."""

    name: str
    devices: int
    sites: int
    size_bytes: int
    ends: datetime | None


class Plan(msgspec.Struct, frozen=True):
    """All of it; cost_milli: thousandths by currency. ends: if no device is silent. remarks: sentences."""

    rings: tuple[PlannedRing, ...]
    size_bytes: int
    cost_milli: dict[str, int]
    ends: datetime | None
    remarks: tuple[str, ...]


def plan(
    change: Change,
    rings: Sequence[Ring],
    thresholds: Thresholds,
    devices: Sequence[PlanDevice],
    sites: Mapping[str, Site],
    now: datetime,
) -> Plan:
    """Return the plan; devices: those of the rollout with their rings; sites: at least theirs, by name.

    Files are fetched at any time within the site's bytes of a day, which begins at midnight there, and taken
    up in its next window. How fast the link is, and how long people are served in a window, is not known.
    """
    sites = {
        name: site if _knows(site.window) else replace(site, window=None) for name, site in sites.items()
    }
    planned: list[PlannedRing] = []
    late: set[str] = set()
    begins: datetime | None = now
    for number, ring in enumerate(rings):
        of_site: dict[str, int] = {}
        members = [each for each in devices if each.ring == number]
        for each in members:
            of_site[each.site] = of_site.get(each.site, 0) + lacking_bytes(change, each)
        ends = begins
        for name, size_bytes in of_site.items():
            taken_up = None if begins is None else _taken_up(sites[name], size_bytes, begins)
            if begins is not None and taken_up is None:
                late.add(name)
            ends = None if ends is None or taken_up is None else max(ends, taken_up)
        ends = None if ends is None else ends + timedelta(seconds=ring.soak_s)
        planned.append(PlannedRing(ring.name, len(members), len(of_site), sum(of_site.values()), ends))
        begins = ends
    remarks = (
        *_of_software(change),
        *_of_devices(change, devices),
        *_of_sites(devices, sites, late),
        *_of_answers(rings, thresholds, devices),
        *_of_judging(rings, thresholds, devices),
    )
    size_bytes = sum(ring.size_bytes for ring in planned)
    return Plan(tuple(planned), size_bytes, _cost_milli(change, devices, sites), begins, remarks)


def lacking_bytes(change: Change, device: PlanDevice) -> int:
    """Return the bytes of the files that the device has not."""
    return sum(each.size_bytes for each in change.artifacts if each.digest not in device.held)


def next_open(window: ServiceWindow, after: datetime) -> datetime:
    """Return when the window holds, from `after` on."""
    if window.holds(after):
        return after
    zone = ZoneInfo(window.time_zone)
    today = after.astimezone(zone).date()
    opens = (
        datetime.combine(today + timedelta(days=days), time(), zone) + timedelta(seconds=window.start_s)
        for days in range(9)
    )
    return min(
        begin.astimezone(UTC)
        for begin in opens
        if begin >= after and (not window.weekdays or begin.weekday() in window.weekdays)
    )


def _taken_up(site: Site, size_bytes: int, begins: datetime) -> datetime | None:
    """Return when the site's devices have taken the change up, None for never."""
    fetched = begins
    if site.daily_budget_bytes and size_bytes > site.daily_budget_bytes:
        days = -(-size_bytes // site.daily_budget_bytes) - 1
        if timedelta(days=days) > HORIZON:
            return None
        zone: tzinfo = UTC if site.window is None else ZoneInfo(site.window.time_zone)
        last_day = begins.astimezone(zone).date() + timedelta(days=days)
        fetched = datetime.combine(last_day, time(), zone).astimezone(UTC)
    return fetched if site.window is None else next_open(site.window, fetched)


def _knows(window: ServiceWindow | None) -> bool:
    """Tell whether this machine knows the time zone; without that a site is as one without a window."""
    try:
        return window is None or ZoneInfo(window.time_zone) is not None
    except ZoneInfoNotFoundError:
        return False


def _cost_milli(change: Change, devices: Iterable[PlanDevice], sites: Mapping[str, Site]) -> dict[str, int]:
    of_site: dict[str, int] = {}
    for each in devices:
        of_site[each.site] = of_site.get(each.site, 0) + lacking_bytes(change, each)
    costs: dict[str, int] = {}
    for name, size_bytes in of_site.items():
        site = sites[name]
        if cost := -(-size_bytes * site.megabyte_cost_milli // MEGABYTE):
            costs[site.currency] = costs.get(site.currency, 0) + cost
    return dict(sorted(costs.items()))


def _of_software(change: Change) -> Iterable[str]:
    """Say what is fetched of a bundle: planned with is the most; what a device lacks it alone knows."""
    limit = change.settings.get(MOST_MB)
    most = ", 20 where nobody set it" if limit is None else f" = {limit}"
    for each in change.artifacts:
        if each.kind is ArtifactKind.SOFTWARE:
            yield (
                f"software {each.version} is counted whole, {each.size_bytes / MEGABYTE:.0f} MB a device: "
                f"what is fetched are the blocks that a device lacks, up to {MOST_MB}{most}"
            )


def _of_devices(change: Change, devices: Sequence[PlanDevice]) -> Iterable[str]:
    if silent := sorted(each.device_id for each in devices if each.silent):
        yield (
            f"{_devices(silent)} silent ({named(silent)}): counted as if they answered; they take it up when "
            "they are back"
        )
    if unknown := sorted(each.device_id for each in devices if each.known_settings is None):
        yield (
            f"{_devices(unknown)} yet to say what they hold ({named(unknown)}): every file is counted there"
        )
    refusing: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in devices:
        if each.known_settings is not None and (
            lacking := tuple(sorted(set(change.settings) - each.known_settings))
        ):
            refusing.setdefault((each.software_version, lacking), []).append(each.device_id)
    for (version, settings), device_ids in sorted(refusing.items()):
        yield (
            f"version {version} does not know {', '.join(settings)} and would refuse the whole change: "
            f"update {named(sorted(device_ids))} first, or leave them out by the filter"
        )


def _of_sites(devices: Sequence[PlanDevice], sites: Mapping[str, Site], late: set[str]) -> Iterable[str]:
    names = sorted({each.site for each in devices})
    if windowless := [name for name in names if sites[name].window is None]:
        yield (
            f"no service window is set for {named(windowless)}: there the change is taken up at any time in "
            "which nobody is served"
        )
    for name in sorted(late):
        yield (
            f"site {name} would need more than {HORIZON.days} days with {sites[name].daily_budget_bytes} "
            "bytes a day: raise its budget, or leave it out by the filter"
        )


def _of_answers(
    rings: Sequence[Ring], thresholds: Thresholds, devices: Sequence[PlanDevice]
) -> Iterable[str]:
    for number, ring in enumerate(rings):
        members = [each for each in devices if each.ring == number]
        heard = sum(not each.silent for each in members)
        if heard < (needed := min(thresholds.min_devices, len(members))):
            lower = f"set min_devices to {heard}, or " if heard else ""
            yield (
                f"ring {ring.name} ends only when {needed} of its {len(members)} devices have answered, and "
                f"{heard} of them are heard of: {lower}leave the silent ones out by the filter"
            )


def _of_judging(
    rings: Sequence[Ring], thresholds: Thresholds, devices: Sequence[PlanDevice]
) -> Iterable[str]:
    if not thresholds.judges_people:
        yield "what the change does to people is not judged: set points for failure to acquire and no match"
        return
    if len(rings) == 1:
        yield (
            "with one ring, nobody is left to compare changed devices with: what the change does to people "
            "can be judged against devices outside the rollout alone"
        )
    for number, ring in enumerate(rings):
        if sum(each.ring == number for each in devices) == 1:
            yield (
                f"ring {ring.name} changes one device: a change of its people looks like a change by the "
                "rollout, so it cannot stop it; two devices or more can, at two sites best"
            )


def _devices(device_ids: Sequence[str]) -> str:
    return f"{len(device_ids)} device is" if len(device_ids) == 1 else f"{len(device_ids)} devices are"
