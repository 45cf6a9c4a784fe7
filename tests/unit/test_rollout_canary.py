"""What a change does to people is told from what happens to them anyway."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregator.fleet.canary import Counts, Rate, RingOutcomes, Verdict, dispersion, is_due, judge
from aggregator.fleet.differences import Part, Periods, beyond, newcombe, wilson
from tests.bench.null_rollouts import NULL, Happening, stopped_share
from tests.kit.rollouts import outcomes

CALM = [(12, 12)] * 8


def verdict(seen: RingOutcomes, points: float = 2.0, min_check_ins: int = 400) -> Verdict:
    found = {judge(seen, rate, points, min_check_ins).verdict for rate in Rate}
    assert len(found) == 1, "the rig counts both rates alike"
    return found.pop()


def test_the_intervals_are_those_of_the_papers() -> None:
    # Newcombe 1998, Stat. Med. 17, 873-890, table II, example (a): 56/70 - 48/80, method 10.
    difference = newcombe(Periods(Part(48, 80), Part(56, 70)))
    assert (difference.value, difference.low, difference.high) == pytest.approx(
        (0.2, 0.0524, 0.3339), abs=5e-5
    )
    # The same table, example (f): 0/10 - 0/10.
    none = newcombe(Periods(Part(0, 10), Part(0, 10)))
    assert (none.low, none.high) == pytest.approx((-0.2775, 0.2775), abs=5e-5)
    assert wilson(Part(0, 0)) == (0.0, 1.0)


@given(*[st.integers(1, 500) for _ in range(4)], *[st.floats(0, 1) for _ in range(4)])
def test_a_difference_of_differences_lies_within_its_interval(
    a: int, b: int, c: int, d: int, p: float, q: float, r: float, s: float
) -> None:
    changed = newcombe(Periods(Part(int(a * p), a), Part(int(b * q), b)))
    unchanged = newcombe(Periods(Part(int(c * r), c), Part(int(d * s), d)))
    more = beyond(changed, unchanged)
    assert more.low <= more.value <= more.high
    assert more.high - more.low >= max(changed.high - changed.low, unchanged.high - unchanged.low) - 1e-9


def test_worse_everywhere_it_changed_and_nowhere_else_is_worse() -> None:
    assert verdict(outcomes([(12, 48), (12, 44), (12, 52)], CALM)) is Verdict.WORSE


def one_of_two() -> RingOutcomes:
    seen = outcomes([(12, 48), (12, 0)], CALM)
    first, second = seen.changed
    return replace(seen, changed=(first, replace(second, after=Counts())))


QUIET = tuple(replace(each, after=Counts()) for each in outcomes([], CALM).unchanged)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (outcomes([(12, 13), (12, 12), (12, 11)], CALM), Verdict.NOT_WORSE),
        # All devices alike: a season, or another list of people.
        (outcomes([(12, 48)] * 3, [(12, 48)] * 8), Verdict.NOT_WORSE),
        # One of three changed sites has other people since.
        (outcomes([(12, 140), (12, 12), (12, 12)], CALM), Verdict.NOT_WORSE),
        # Beyond the interval, and less than the set points.
        (outcomes([(160, 300)] * 3, [(160, 160)] * 8, of=10_000), Verdict.NOT_WORSE),
        (outcomes([(12, 48)] * 3, []), Verdict.NOT_COMPARED),
        (outcomes([(12, 48)], CALM), Verdict.NOT_COMPARED),
        (outcomes([(1, 6)] * 3, CALM, of=30), Verdict.TOO_FEW),
        (one_of_two(), Verdict.TOO_FEW),
        (replace(outcomes([(12, 48)] * 3, CALM), unchanged=QUIET), Verdict.TOO_FEW),
        (replace(outcomes([(12, 12)] * 3, CALM), unchanged=QUIET), Verdict.NOT_WORSE),
    ],
    ids=[
        "nothing",
        "season",
        "one site",
        "within the points",
        "nobody unchanged",
        "one device",
        "too few",
        "worse at one of two, and the other has not been seen",
        "worse, and the unchanged have not been seen",
        "not worse, and the unchanged have not been seen",
    ],
)
def test_what_is_not_worse_by_the_change(seen: RingOutcomes, expected: Verdict) -> None:
    assert verdict(seen) is expected


def test_of_one_changed_site_single_devices_are_left_out_in_turn() -> None:
    worse = [(12, 48), (12, 44), (12, 52)]
    assert verdict(outcomes(worse, CALM, per_site=4)) is Verdict.WORSE
    assert verdict(outcomes([(12, 140), (12, 12), (12, 12)], CALM, per_site=4)) is Verdict.NOT_WORSE


def test_rates_that_move_by_themselves_widen_the_intervals() -> None:
    alike = [Periods(Part(12, 400), Part(12, 400))] * 6
    restless = [Periods(Part(12 + step, 400), Part(12 - step, 400)) for step in (9, -9, 8, -8, 10, -10)]
    assert dispersion(alike, alike) == 1.0
    assert dispersion(alike, restless) > 3.0


def test_a_ring_is_judged_again_once_its_check_ins_have_grown() -> None:
    assert [is_due(0, 199, 200), is_due(0, 200, 200), is_due(200, 299, 200), is_due(200, 300, 200)] == [
        False, True, False, True,
    ]  # fmt: skip


def test_simulated_rollouts_that_change_nothing_go_through_and_harm_is_found() -> None:
    # docs/rollouts.md has the figures of 2,000 each; a fixed seed, so that this is no matter of luck.
    assert max(stopped_share(happening, 1.0, 20) for happening in NULL) <= 0.05
    assert stopped_share(Happening.HARM, 1.0, 10) >= 0.9
