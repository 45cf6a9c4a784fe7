"""In which hours a device is usually heard of: its service window and days, learnt from it alone.

Each hour of the week stands for itself: one is expected when the device was heard of in it in three of four
of the weeks before, of those in which the aggregator listened. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HOUR_S = 3600
HOUR_NS = HOUR_S * 1_000_000_000
WEEK_H = 168
WEEKS = 4
LOOK_BACK_H = 14 * 24
"""Nobody expects a device that was silent for two weeks back in the next hour: it is long known."""
USUAL_SHARE = 0.75
LEAST_MISSED_S = 45 * 60
"""Links come and go: less of the expected time is no silence."""
FACTOR = 1.5


@dataclass(slots=True)
class Heard:
    """Hours since 1970 as bits, one number of 168 for each week."""

    weeks: dict[int, int] = field(default_factory=dict)

    def holds(self, hour: int) -> bool:
        """Tell whether it was heard of in this hour."""
        return bool(self.weeks.get(hour // WEEK_H, 0) >> hour % WEEK_H & 1)

    def add(self, hour: int) -> bool:
        """Note an hour; returns whether it was new."""
        week, bit = hour // WEEK_H, 1 << hour % WEEK_H
        before = self.weeks.get(week, 0)
        self.weeks[week] = before | bit
        return not before & bit


@dataclass(frozen=True, slots=True)
class Missed:
    """How much of the time in which a device is usually heard of has gone by without it.

    allowed_s: what it has missed before without anything being wrong.
    """

    expected_s: float
    allowed_s: float

    @property
    def too_much(self) -> bool:
        """Whether somebody should look."""
        return self.expected_s >= self.allowed_s


def knows_pattern(device: Heard, now_hour: int) -> bool:
    """Tell whether there is a whole week to go by."""
    return any(week < now_hour // WEEK_H - 1 for week in device.weeks)


def is_expected(device: Heard, aggregator: Heard, hour: int) -> bool:
    """Tell whether the device is usually heard of in this hour of the week."""
    before = [hour - WEEK_H * weeks for weeks in range(1, WEEKS + 1)]
    first = min(device.weeks, default=hour) * WEEK_H
    listened = [each for each in before if each >= first and aggregator.holds(each)]
    heard = sum(device.holds(each) for each in listened)
    return bool(listened) and heard >= USUAL_SHARE * len(listened)


def missed(device: Heard, aggregator: Heard, since_ns: int, now_ns: int, listening_since_ns: int) -> Missed:
    """Return what was missed between since_ns, when the device was last heard of, and now.

    Time in which the aggregator did not listen does not count; listening_since_ns: since its start.
    """
    now_hour, first_hour = now_ns // HOUR_NS, since_ns // HOUR_NS
    expected_ns = 0
    for hour in range(max(first_hour, now_hour - LOOK_BACK_H), now_hour + 1):
        if not is_expected(device, aggregator, hour):
            continue
        begins_ns, ends_ns = max(hour * HOUR_NS, since_ns), min((hour + 1) * HOUR_NS, now_ns)
        if not aggregator.holds(hour):
            begins_ns = max(begins_ns, listening_since_ns)
        expected_ns += max(0, ends_ns - begins_ns)
    expected_s = expected_ns / 1e9
    if expected_s < LEAST_MISSED_S:
        return Missed(
            expected_s, LEAST_MISSED_S
        )  # a device that is away for the night costs no more than this
    usual_s = _second_longest_gap(device, aggregator, first_hour) * HOUR_S
    return Missed(expected_s, max(LEAST_MISSED_S, FACTOR * usual_s))


def _second_longest_gap(device: Heard, aggregator: Heard, before_hour: int) -> int:
    """Return how many expected hours in a row it missed in the weeks before: the longest but one.

    One long outage is no habit; two are.
    """
    gaps, gap = [0, 0], 0
    for hour in range(before_hour - WEEKS * WEEK_H, before_hour):
        if device.holds(hour):
            gaps.append(gap)
            gap = 0
        elif aggregator.holds(hour) and is_expected(device, aggregator, hour):
            gap += 1
    return sorted(gaps)[-2]
