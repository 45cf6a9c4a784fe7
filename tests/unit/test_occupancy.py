"""What waits for quiet: nobody is served, for long enough, and the window is open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from firmware.occupancy import LOOK_S, Occupancy


class Passing:
    """Time that passes with each look; `busy_until_s`: when the last person leaves."""

    def __init__(self, busy_until_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.busy_until_s = busy_until_s
        self.occupancy = Occupancy(lambda: int(self.now_s * 1e9), self._sleep, quiet_s=120.0)
        self.occupancy.watch(lambda: self.now_s < self.busy_until_s)

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


async def test_it_is_quiet_once_nobody_was_served_for_two_minutes() -> None:
    passing = Passing(busy_until_s=300.0)
    await passing.occupancy.until_quiet()
    assert 300 + 120 - LOOK_S <= passing.now_s <= 300 + 120 + LOOK_S


async def test_the_next_of_a_queue_is_not_kept_waiting() -> None:
    passing = Passing()
    served = iter([(60.0, 150.0), (200.0, 400.0)])
    current = next(served)

    def busy() -> bool:
        nonlocal current
        if passing.now_s >= current[1]:
            current = next(served, (1e9, 1e9))
        return current[0] <= passing.now_s < current[1]

    passing.occupancy.watch(busy)
    await passing.occupancy.until_quiet()
    assert passing.now_s >= 400 + 120 - LOOK_S


async def test_a_window_that_opens_later_is_awaited() -> None:
    passing = Passing()
    await passing.occupancy.until_quiet(lambda: passing.now_s >= 3600)
    assert passing.now_s == 3600


def test_while_it_is_kept_free_nobody_begins_and_what_is_gone_is_not_asked() -> None:
    passing, held = Passing(busy_until_s=-1.0), list[str]()

    @contextmanager
    def kept_free() -> Iterator[None]:
        held.append("held")
        yield
        held.append("free")

    forget = passing.occupancy.watch(lambda: True, kept_free)
    assert passing.occupancy.busy
    with passing.occupancy.kept_free():
        assert held == ["held"]
    assert held == ["held", "free"]
    forget()
    assert not passing.occupancy.busy
