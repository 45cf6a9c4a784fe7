"""How long each stage of one session took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from firmware.records import StageTime


class Stages:
    """Adds up the time of each stage; a stage that runs twice is counted once, with its sum."""

    def __init__(self, monotonic_ns: Callable[[], int]) -> None:
        self._monotonic_ns = monotonic_ns
        self._spent_ns: dict[str, int] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time of the block as `stage`, as `StageTime` names it."""
        begun_ns = self._monotonic_ns()
        try:
            yield
        finally:
            self._spent_ns[stage] = self._spent_ns.get(stage, 0) + self._monotonic_ns() - begun_ns

    def times(self) -> tuple[StageTime, ...]:
        """Return what was counted so far, in order of first appearance."""
        return tuple(StageTime(stage, spent_ns) for stage, spent_ns in self._spent_ns.items())
