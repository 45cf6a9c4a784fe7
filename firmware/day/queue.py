"""How many people wait, as staff said it: for the desk that looks after the fleet."""

from __future__ import annotations

from collections.abc import Callable

from firmware.records import Moment

HOLDS_NS = 3600 * 1_000_000_000
"""What staff saw an hour ago says nothing of the queue any more."""


class Queue:
    """Kept in memory: after a start nobody has looked yet. now: the clock."""

    def __init__(self, now: Callable[[], Moment]) -> None:
        self._now = now
        self._said: tuple[int, int] | None = None

    def say(self, people: int) -> None:
        """Staff see so many people waiting."""
        self._said = (people, self._now().monotonic_ns)

    def people(self) -> int | None:
        """Return how many were seen in the last hour, None where nobody looked."""
        if self._said is None or self._now().monotonic_ns - self._said[1] >= HOLDS_NS:
            return None
        return self._said[0]
