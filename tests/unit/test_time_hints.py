"""The bounds on the aggregator's time that the appliance estimates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware.records import ClockQuality
from firmware.uplink.time_hints import Bounds, TimeHints

MS = 1_000_000
SERVER_NS = 1_800_000_000_000_000_000


def test_the_answer_lies_between_question_and_hearing() -> None:
    hints = TimeHints()
    assert hints.server_time(0) is None
    hints.hear(SERVER_NS, asked_ns=0, heard_ns=600 * MS)
    assert hints.server_time(600 * MS) == Bounds(SERVER_NS, SERVER_NS + 600 * MS)


@given(
    offset_ns=st.integers(0, 2**60),
    asks=st.lists(
        st.tuples(st.integers(0, 10**13), st.integers(0, 10**10), st.integers(0, 10**10)), min_size=1
    ),
)
def test_the_true_time_is_never_excluded(offset_ns: int, asks: list[tuple[int, int, int]]) -> None:
    hints, now_ns = TimeHints(), 0
    for wait_ns, there_ns, back_ns in asks:
        asked_ns = now_ns + wait_ns
        now_ns = asked_ns + there_ns + back_ns
        hints.hear(offset_ns + asked_ns + there_ns, asked_ns, now_ns)
        bounds = hints.server_time(now_ns)
        assert bounds is not None
        assert bounds.earliest_ns <= offset_ns + now_ns <= bounds.latest_ns


def test_an_aggregator_whose_clock_was_set_is_followed() -> None:
    hints = TimeHints()
    hints.hear(SERVER_NS, asked_ns=0, heard_ns=2 * MS)
    hints.hear(SERVER_NS // 2, asked_ns=10 * MS, heard_ns=12 * MS)
    assert hints.server_time(12 * MS) == Bounds(SERVER_NS // 2, SERVER_NS // 2 + 2 * MS)


def test_the_wall_clock_is_judged_and_never_set() -> None:
    hints = TimeHints()
    assert hints.judge(0, SERVER_NS) is None
    hints.hear(SERVER_NS, asked_ns=0, heard_ns=2 * MS)
    assert hints.judge(2 * MS, SERVER_NS + 1_500 * MS) is ClockQuality.CHECKED
    assert hints.judge(2 * MS, SERVER_NS + 5_000 * MS) is ClockQuality.WRONG
    assert hints.judge(2 * MS, 0) is ClockQuality.WRONG
