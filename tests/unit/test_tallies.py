"""What is counted by hour: each event in the hour in which it happened."""

from __future__ import annotations

from collections import Counter

from aggregator.fleet.tallies import BELIEVED_PAST_NS, CHECK_INS, HOUR_NS, happened_ns, tally
from aggregator.records import CheckIn, ClockQuality, Event, Mode, Moment, Outcome

NOW_NS = 500_000 * HOUR_NS + HOUR_NS // 2
SECOND_NS = 1_000_000_000
MATCHED = CHECK_INS[Mode.VERIFY, Outcome.MATCH]
BODY = CheckIn(
    bytes(16), Mode.VERIFY, Outcome.MATCH, None, "", (), 1, None, None, "desk", 0, (), confirmed=False
)


def test_each_event_counts_in_its_own_hour_whatever_came_before_it() -> None:
    good, unset = ClockQuality.SYNCHRONISED, ClockQuality.UNSET
    hour_begins_ns = 500_000 * HOUR_NS
    times = [
        (NOW_NS - SECOND_NS, good),
        (hour_begins_ns, good),
        (hour_begins_ns - 1, good),
        (hour_begins_ns - 2, unset),
        (hour_begins_ns - 3, good),
        (NOW_NS - BELIEVED_PAST_NS, good),
        (NOW_NS - BELIEVED_PAST_NS - 1, good),
        (NOW_NS + SECOND_NS, good),
        (0, unset),
    ]
    events = [
        Event(seq, Moment(bytes(16), seq * HOUR_NS, wall_ns, quality), BODY, b"")
        for seq, (wall_ns, quality) in enumerate(times, 1)
    ]
    newest = events[-1].moment
    hours = [happened_ns(event.moment, newest, NOW_NS) // HOUR_NS for event in events]
    assert hours[:4] == [500_000, 500_000, 499_999, 499_995]
    assert tally(events, newest, NOW_NS) == Counter((MATCHED, hour) for hour in hours)
