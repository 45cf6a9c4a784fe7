"""How often a rollout that does nothing to people is stopped for it, and one that harms them is not.

Run as ``python -m tests.bench.null_rollouts --rollouts 2000``; it prints the table of docs/rollouts.md.
The fleet is made up: sites with one to three devices, each device with rates and traffic of its own, and
days that differ by site and by device, so that rates of single devices move more than chance alone would
move them. The rollouts go through the engine itself, one turn a day.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from enum import Enum, unique

import numpy as np
from numpy.typing import NDArray

from aggregator.fleet.canary import Counts, DeviceOutcomes, RingOutcomes
from aggregator.fleet.differences import Periods, newcombe
from aggregator.fleet.rings import draw
from aggregator.fleet.rollout import Change, Member, Ring, Rollout, RolloutState, Standing, Thresholds, Watch
from aggregator.fleet.rollout_engine import Observed, Seen, step
from trust.state import DesiredResult

SEED = 20261126
SITES = 16
BEFORE_DAYS, DAYS = 14, 50
DAY_NS = 24 * 3600 * 1_000_000_000
RINGS = (Ring("canary", "", 20, 2 * 24 * 3600), Ring("early", "", 40, 24 * 3600), Ring("rest", "", 100, 0))
FAILURE_TO_ACQUIRE, NO_MATCH = 0.03, 0.025
# Standard deviations of log odds: between devices, between days of one site and of one device.
DEVICES, SITE_DAYS, DEVICE_DAYS = 0.5, 0.25, 0.15
CHECK_INS_A_DAY, TRAFFIC = 60.0, 0.5
WEEKDAYS = (1.0, 1.0, 1.0, 1.0, 1.0, 0.4, 0.1)


@unique
class Happening(Enum):
    """What happens from the day on which the first devices change."""

    NOTHING = "nothing"
    SEASON = "the odds double everywhere within ten days"
    ONE_SITE = "one of the changed sites has other people: threefold odds"
    ONE_DEVICE = "one of the changed devices has other people: threefold odds"
    SMALL_HARM = "the change makes 2 in 100 more people fail to be acquired"
    HARM = "the change makes 5 in 100 more people fail to be acquired"
    GREAT_HARM = "the change makes 10 in 100 more people fail to be acquired"


NULL = (Happening.NOTHING, Happening.SEASON, Happening.ONE_SITE, Happening.ONE_DEVICE)
_HARM = {Happening.SMALL_HARM: 0.02, Happening.HARM: 0.05, Happening.GREAT_HARM: 0.10}


@dataclass(frozen=True, slots=True)
class Days:
    """Sums of check-ins before each day, each of shape (devices, days + 1), int64.

    harmed: would fail to be acquired as well, had the device changed.
    """

    presented: NDArray[np.int64]
    not_acquired: NDArray[np.int64]
    no_match: NDArray[np.int64]
    harmed: NDArray[np.int64]

    def counts(self, device: int, first: int, last: int, *, changed: bool) -> Counts:
        """Return the days from `first` on and before `last`."""

        def between(sums: NDArray[np.int64]) -> int:
            return int(sums[device, last] - sums[device, first])

        presented, not_acquired = between(self.presented), between(self.not_acquired)
        more = between(self.harmed) if changed else 0
        return Counts(presented, not_acquired + more, presented - not_acquired, between(self.no_match))


@dataclass(frozen=True, slots=True)
class End:
    """How one rollout ended; share: of the devices had changed by then.

    alone: changed devices against themselves before, by Newcombe's interval and the points, would have
    stopped it.
    """

    stopped: bool
    share: float
    alone: bool


def ended(happening: Happening, points: float, random: np.random.Generator) -> End:
    """Let one rollout go through."""
    sites = {
        f"desk-{site:02}-{number}": f"site-{site:02}"
        for site in range(SITES)
        for number in range(random.integers(1, 4))
    }
    members = draw(f"rollout-{random.integers(2**31)}", sites, RINGS, lambda _: frozenset())
    assert isinstance(members, tuple)
    rollout = Rollout(
        name="simulated",
        title="",
        change=Change({"session.tries": "4"}),
        filter="",
        rings=RINGS,
        thresholds=Thresholds(failure_to_acquire_points=points, no_match_points=points),
        members=members,
        watches=(Watch(),) * len(RINGS),
        created_ns=0,
        created_by="",
    )
    days = _days(happening, members, random)
    applied = {each.device_id: Seen(DesiredResult.APPLIED) for each in members}
    began: list[int] = []
    alone = False
    for day in range(BEFORE_DAYS, DAYS):
        if len(began) <= rollout.ring:
            began.append(day)
        rollout, _ = step(rollout, Observed(devices=applied), day * DAY_NS)
        seen = {ring: _outcomes(rollout, days, ring, first, day + 1) for ring, first in enumerate(began)}
        rollout, _ = step(rollout, Observed(devices=applied, outcomes=seen), day * DAY_NS)
        shifts = [shift.changed for watch in rollout.watches for shift in watch.shifts]
        alone |= any(_worse_alone(shift, points / 100) for shift in shifts)
        if rollout.state is not RolloutState.RUNNING:
            break
    changed = sum(each.standing is not Standing.PENDING for each in rollout.members)
    return End(rollout.state is RolloutState.STOPPED, changed / len(members), alone)


def _worse_alone(periods: Periods, points: float) -> bool:
    least = Thresholds().min_check_ins
    if periods.before.of < least or periods.after.of < least:
        return False
    difference = newcombe(periods)
    return difference.value > points and difference.low > 0


def _days(happening: Happening, members: tuple[Member, ...], random: np.random.Generator) -> Days:
    shape = len(members), DAYS
    site_numbers = np.array([int(each.site.removeprefix("site-")) for each in members])
    odd = random.normal(0, DEVICE_DAYS, shape) + random.normal(0, SITE_DAYS, (SITES, DAYS))[site_numbers]
    since = np.arange(DAYS) - BEFORE_DAYS
    struck = random.choice([index for index, each in enumerate(members) if each.ring == 0])
    match happening:
        case Happening.SEASON:
            odd += np.log(2) * np.clip(since / 10, 0, 1)
        case Happening.ONE_SITE:
            odd += np.log(3) * np.outer(site_numbers == site_numbers[struck], since >= 0)
        case Happening.ONE_DEVICE:
            odd += np.log(3) * np.outer(np.arange(len(members)) == struck, since >= 0)
        case Happening.NOTHING | Happening.SMALL_HARM | Happening.HARM | Happening.GREAT_HARM:
            pass
    traffic = CHECK_INS_A_DAY * random.lognormal(0, TRAFFIC, (len(members), 1))
    presented = random.poisson(traffic * np.resize(WEEKDAYS, DAYS))
    not_acquired = random.binomial(presented, _rates(FAILURE_TO_ACQUIRE, odd, random))
    acquired = presented - not_acquired
    no_match = random.binomial(acquired, _rates(NO_MATCH, odd, random))
    harmed = random.binomial(acquired, _HARM.get(happening, 0.0))
    return Days(*(_sums(each) for each in (presented, not_acquired, no_match, harmed)))


def _rates(average: float, odd: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    own = random.normal(0, DEVICES, (len(odd), 1))
    rates: NDArray[np.float64] = 1 / (1 + np.exp(-(np.log(average / (1 - average)) + own + odd)))
    return rates


def _sums(each_day: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros((len(each_day), 1), np.int64), np.cumsum(each_day, axis=1)], axis=1)


def _outcomes(rollout: Rollout, days: Days, ring: int, began: int, until: int) -> RingOutcomes:
    def device(index: int, member: Member, *, changed: bool) -> DeviceOutcomes:
        return DeviceOutcomes(
            member.device_id,
            member.site,
            days.counts(index, began - BEFORE_DAYS, began, changed=False),
            days.counts(index, began, until, changed=changed),
        )

    numbered = list(enumerate(rollout.members))
    return RingOutcomes(
        tuple(device(index, each, changed=True) for index, each in numbered if each.ring == ring),
        tuple(device(index, each, changed=False) for index, each in numbered if each.ring > rollout.ring),
    )


def stopped_share(happening: Happening, points: float, rollouts: int, seed: int = SEED) -> float:
    """Return the share of rollouts that were stopped."""
    random = np.random.default_rng(seed)
    return sum(ended(happening, points, random).stopped for _ in range(rollouts)) / rollouts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How often rollouts are stopped, by what happens.")
    parser.add_argument("--rollouts", type=int, default=2000)
    rollouts: int = parser.parse_args().rollouts
    print("| What happens | Points | Stopped | Of the devices changed by then | Before and after alone |")  # noqa: T201
    print("|---|---|---|---|---|")  # noqa: T201
    for happening in Happening:
        for points in (1.0, 3.0):
            random = np.random.default_rng(SEED)
            ends = [ended(happening, points, random) for _ in range(rollouts)]
            shares = [each.share for each in ends if each.stopped]
            changed = f"{np.median(shares):.0%}" if shares else "–"
            alone = sum(each.alone for each in ends) / rollouts
            row = (happening.value, f"{points:g}", f"{len(shares) / rollouts:.1%}", changed, f"{alone:.1%}")
            print(f"| {' | '.join(row)} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
