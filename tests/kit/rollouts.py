"""Rollouts for tests: made with few words, and turned until nothing more happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aggregator.fleet.canary import Counts, DeviceOutcomes, RingOutcomes
from aggregator.fleet.rings import RingsRefused, draw
from aggregator.fleet.rollout import Change, Member, Ring, Rollout, Standing, Thresholds, Watch
from aggregator.fleet.rollout_engine import Act, Observed, Seen, step
from trust.state import DesiredResult

START_NS = 1_767_258_000_000_000_000  # 2026-01-01T09:00:00Z
HOUR_NS = 3_600_000_000_000
UNJUDGED = Thresholds(min_check_ins=0, failure_to_acquire_points=0, no_match_points=0)
APPLIED = Seen(DesiredResult.APPLIED)
REFUSED = Seen(DesiredResult.REFUSED, "settings.session.tries: at most 5")


def rollout(
    devices: int = 20,
    percents: Sequence[int] = (10, 50, 100),
    thresholds: Thresholds = UNJUDGED,
    soak_s: int = 0,
    name: str = "tries",
) -> Rollout:
    """Return a rollout over devices desk-00 on, two at each site."""
    rings = tuple(Ring(f"ring-{number}", "", percent, soak_s) for number, percent in enumerate(percents))
    sites = {f"desk-{number:02}": f"site-{number // 2}" for number in range(devices)}
    members = draw(name, sites, rings, lambda _: frozenset(sites))
    assert not isinstance(members, RingsRefused), members
    return Rollout(
        name=name,
        title="Four tries",
        change=Change({"session.tries": "4"}),
        filter="",
        rings=rings,
        thresholds=thresholds,
        members=members,
        watches=(Watch(),) * len(rings),
        created_ns=START_NS,
        created_by="operator ana",
    )


def turned(
    state: Rollout, seen: Mapping[str, Seen] | None = None, now_ns: int = START_NS
) -> tuple[Rollout, tuple[Act, ...]]:
    """Turn once with what was seen of devices."""
    return step(state, Observed(devices=seen or {}), now_ns)


def told(state: Rollout) -> list[Member]:
    """Return the devices that were told and have not answered."""
    return [member for member in state.members if member.standing is Standing.TOLD]


def answering(state: Rollout, answer: Seen = APPLIED) -> dict[str, Seen]:
    """Return that answer of all that were told."""
    return {member.device_id: answer for member in told(state)}


def outcomes(
    changed: Sequence[tuple[int, int]], unchanged: Sequence[tuple[int, int]], of: int = 400, per_site: int = 1
) -> RingOutcomes:
    """Return devices with counts before and after of so many check-ins, for both rates alike."""

    def device(kind: str, number: int, before: int, after: int) -> DeviceOutcomes:
        return DeviceOutcomes(
            f"{kind}-{number}",
            f"{kind}-site-{number // per_site}",
            Counts(of, before, of, before),
            Counts(of, after, of, after),
        )

    return RingOutcomes(
        tuple(device("changed", number, *each) for number, each in enumerate(changed)),
        tuple(device("unchanged", number, *each) for number, each in enumerate(unchanged)),
    )
