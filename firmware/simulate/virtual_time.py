"""An event loop whose time is a number: where it would wait, it jumps to what is due next."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from firmware.clock import Clock
from firmware.records import ClockQuality

T = TypeVar("T")
SECOND_NS = 1_000_000_000


class NothingIsDue(RuntimeError):
    """Everybody waits for somebody else: the simulated day would never end."""


class _Jumping(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise NothingIsDue
            self.now_s += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs what is due at once, in order, whatever it says it takes."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the simulated seconds since the loop was made."""
        return self._jumping.now_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in simulated time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def clock_of(loop: asyncio.AbstractEventLoop, began_wall_ns: int) -> Clock:
    """Return an appliance's clock that goes as the loop does."""
    return Clock(
        boot=bytes(range(16)),
        monotonic_ns=lambda: round(loop.time() * SECOND_NS),
        wall_ns=lambda: began_wall_ns + round(loop.time() * SECOND_NS),
        quality=lambda: ClockQuality.SYNCHRONISED,
    )
