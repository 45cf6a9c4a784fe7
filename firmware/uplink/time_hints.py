"""What the aggregator's clock says of ours: bounds on its time, from when it was asked and when it answered.

The wall clock is never set by it; events are marked, and the aggregator can compute the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.records import ClockQuality

# A Pi's oscillator is specified to 20 ppm and drifts with heat; the aggregator's is no better when alone.
DRIFT = 100e-6
TOLERANCE_NS = 2_000_000_000  # events are minutes apart; a clock that is that right orders them


@dataclass(frozen=True, slots=True)
class Bounds:
    """The aggregator's time lies between the two, nanoseconds since 1970 UTC."""

    earliest_ns: int
    latest_ns: int


class TimeHints:
    """Narrows the bounds with each answer."""

    def __init__(self) -> None:
        # The aggregator's time minus ours since the boot, as of heard_ns.
        self._offset: Bounds | None = None
        self._heard_ns = 0

    def hear(self, server_ns: int, asked_ns: int, heard_ns: int) -> None:
        """The aggregator said `server_ns` after we asked and before we heard it, both in monotonic time."""
        said = Bounds(server_ns - heard_ns, server_ns - asked_ns)
        before = self._offset_at(heard_ns)
        self._heard_ns = heard_ns
        if before is None:
            self._offset = said
            return
        both = Bounds(max(before.earliest_ns, said.earliest_ns), min(before.latest_ns, said.latest_ns))
        # Bounds that exclude each other: its clock was set in between, and the newest word counts.
        self._offset = both if both.earliest_ns <= both.latest_ns else said

    def server_time(self, monotonic_ns: int) -> Bounds | None:
        """Return the bounds of the aggregator's time at a monotonic time, None before the first answer."""
        offset = self._offset_at(monotonic_ns)
        if offset is None:
            return None
        return Bounds(offset.earliest_ns + monotonic_ns, offset.latest_ns + monotonic_ns)

    def is_past(self, server_ns: int, monotonic_ns: int) -> bool:
        """Whether a time of the aggregator's clock is surely over: a slow link alone makes nothing expire."""
        server = self.server_time(monotonic_ns)
        return server is not None and server.earliest_ns >= server_ns

    def judge(self, monotonic_ns: int, wall_ns: int) -> ClockQuality | None:
        """Say whether the wall clock is right, None before the first answer."""
        server = self.server_time(monotonic_ns)
        if server is None:
            return None
        right = server.earliest_ns - TOLERANCE_NS <= wall_ns <= server.latest_ns + TOLERANCE_NS
        return ClockQuality.CHECKED if right else ClockQuality.WRONG

    def _offset_at(self, monotonic_ns: int) -> Bounds | None:
        if self._offset is None:
            return None
        drift_ns = int(abs(monotonic_ns - self._heard_ns) * DRIFT)
        return Bounds(self._offset.earliest_ns - drift_ns, self._offset.latest_ns + drift_ns)
