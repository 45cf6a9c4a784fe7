"""What a change does to people: rates of changed devices before and after it, beside those of unchanged ones.

A rate got worse by the change only where all of this holds:

* it rose at the changed devices, by more than the set points and beyond its 95 % interval;
* it rose there by more than at devices that have not changed over the same two periods, again by more than
  the set points and beyond the 95 % interval: a season, a holiday or a new list changes both alike;
* both still hold without any one site (or device, where one site alone changed): one place whose people
  changed cannot stop a rollout.

Check-ins of one device are alike, so counts are first divided by how much more its rate moves from period to
period than chance alone would move it. docs/rollouts.md has how often that is fooled, as simulated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, unique

import msgspec

from aggregator.fleet.differences import Difference, Part, Periods, beyond, newcombe, total

LOOK_GROWTH = 1.5
"""A ring is judged again when its check-ins have grown by this much: each look is a chance to be fooled."""
MIN_CELL = 20
"""Check-ins in each period for a device to tell how much rates move by themselves."""


@unique
class Rate(Enum):
    """What can get worse for people."""

    FAILURE_TO_ACQUIRE = "failure to acquire"
    NO_MATCH = "no match"


@unique
class Verdict(Enum):
    """What the figures allow to say."""

    TOO_FEW = "too few check-ins"
    NOT_COMPARED = "nothing to compare with"
    NOT_WORSE = "not worse"
    WORSE = "worse"


class Counts(msgspec.Struct, frozen=True):
    """Check-ins of one period.

    presented: with something presented, not_acquired: of these, without a usable sample in the tries
    allowed. compared: those that came to a comparison, no_match: of these, without a match or suggestion.
    """

    presented: int = 0
    not_acquired: int = 0
    compared: int = 0
    no_match: int = 0


class DeviceOutcomes(msgspec.Struct, frozen=True):
    """One device before and after: before and after its change, or over the same periods without one."""

    device_id: str
    site: str
    before: Counts
    after: Counts


class RingOutcomes(msgspec.Struct, frozen=True):
    """The devices of one ring that took the change up, and those that have not changed."""

    changed: tuple[DeviceOutcomes, ...] = ()
    unchanged: tuple[DeviceOutcomes, ...] = ()


class Shift(msgspec.Struct, frozen=True):
    """One rate of one ring; counts as they were, the intervals from counts divided by `dispersion`.

    risen: at the changed devices, None without check-ins in both periods. excess: how much more than at the
    unchanged, None where there are none.
    """

    rate: Rate
    changed: Periods
    unchanged: Periods
    dispersion: float
    risen: Difference | None
    excess: Difference | None
    verdict: Verdict


def is_due(looked_at: int, check_ins: int, min_check_ins: int) -> bool:
    """Tell whether a ring with so many check-ins after the change is to be judged (again)."""
    return check_ins >= max(min_check_ins, 1, math.ceil(looked_at * LOOK_GROWTH))


def judge(outcomes: RingOutcomes, rate: Rate, points: float, min_check_ins: int) -> Shift:
    """Judge one rate of one ring; points: how much worse it may get, in percentage points."""
    changed = [(each.site, each.device_id, periods_of(each, rate)) for each in outcomes.changed]
    unchanged = [periods_of(each, rate) for each in outcomes.unchanged]
    all_changed = total(periods for _, _, periods in changed)
    all_unchanged = total(unchanged)
    spread = dispersion([periods for _, _, periods in changed], unchanged)
    risen, excess = _differences(all_changed, all_unchanged, spread)
    return Shift(
        rate,
        all_changed,
        all_unchanged,
        spread,
        risen,
        excess,
        _verdict(changed, all_changed, all_unchanged, spread, points / 100, max(min_check_ins, 1)),
    )


def periods_of(device: DeviceOutcomes, rate: Rate) -> Periods:
    """Return one rate of one device."""
    return Periods(_part(device.before, rate), _part(device.after, rate))


def dispersion(changed: Sequence[Periods], unchanged: Sequence[Periods]) -> float:
    """Return how much more single devices' rates move than chance alone moves them, at least 1.

    Pearson's statistic over its degrees of freedom (McCullagh and Nelder, Generalized Linear Models, 4.5), of
    each device's difference around that of its group.
    """
    squares, freedom = 0.0, 0
    for group in (changed, unchanged):
        told = [each for each in group if each.before.of >= MIN_CELL and each.after.of >= MIN_CELL]
        if len(told) < 2:
            continue
        whole = total(told)
        common = whole.after.rate - whole.before.rate
        for each in told:
            rate = (each.before + each.after).rate
            # Half a count more of each kind: a device that had none says little, and not nothing.
            smoothed = (rate * (each.before.of + each.after.of) + 0.5) / (each.before.of + each.after.of + 1)
            variance = smoothed * (1 - smoothed) * (1 / each.before.of + 1 / each.after.of)
            squares += (each.after.rate - each.before.rate - common) ** 2 / variance
        freedom += len(told) - 1
    return max(squares / freedom, 1.0) if freedom else 1.0


def _verdict(
    changed: Sequence[tuple[str, str, Periods]],
    all_changed: Periods,
    all_unchanged: Periods,
    spread: float,
    points: float,
    min_check_ins: int,
) -> Verdict:
    # Not all who present something come to a comparison, and without one place there are fewer.
    whole, without_one = min_check_ins / 2, min_check_ins / 4
    groups = _groups(changed)
    if all_changed.after.of < whole:
        return Verdict.TOO_FEW
    if len(groups) < 2 or min(all_unchanged.before.of, all_changed.before.of) < whole:
        return Verdict.NOT_COMPARED
    if all_unchanged.after.of < whole:
        risen, _ = _differences(all_changed, all_unchanged, spread)
        return Verdict.TOO_FEW if _beyond(risen, points) else Verdict.NOT_WORSE
    if not _is_worse(all_changed, all_unchanged, spread, points):
        return Verdict.NOT_WORSE
    left = [all_changed - group for group in groups]
    if min(each.before.of for each in left) < without_one:
        return Verdict.NOT_COMPARED
    if min(each.after.of for each in left) < without_one:
        return Verdict.TOO_FEW
    worse = all(_is_worse(each, all_unchanged, spread, points) for each in left)
    return Verdict.WORSE if worse else Verdict.NOT_WORSE


def _is_worse(changed: Periods, unchanged: Periods, spread: float, points: float) -> bool:
    return all(_beyond(each, points) for each in _differences(changed, unchanged, spread))


def _beyond(difference: Difference | None, points: float) -> bool:
    return difference is not None and difference.value > points and difference.low > 0


def _groups(changed: Sequence[tuple[str, str, Periods]]) -> list[Periods]:
    """Return the sums of what one happening could change: by site, of one site by device."""
    by_site = len({site for site, _, _ in changed}) > 1
    groups: dict[str, Periods] = {}
    for site, device_id, periods in changed:
        name = site if by_site else device_id
        groups[name] = groups.get(name, Periods()) + periods
    return list(groups.values())


def _differences(
    changed: Periods, unchanged: Periods, spread: float
) -> tuple[Difference | None, Difference | None]:
    if _least(changed) == 0:
        return None, None
    risen = newcombe(changed.divided(spread))
    if _least(unchanged) == 0:
        return risen, None
    return risen, beyond(risen, newcombe(unchanged.divided(spread)))


def _least(periods: Periods) -> float:
    """Return the check-ins of the period that has fewer."""
    return min(periods.before.of, periods.after.of)


def _part(counts: Counts, rate: Rate) -> Part:
    match rate:
        case Rate.FAILURE_TO_ACQUIRE:
            return Part(counts.not_acquired, counts.presented)
        case Rate.NO_MATCH:
            return Part(counts.no_match, counts.compared)
