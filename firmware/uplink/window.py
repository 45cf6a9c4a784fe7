"""What is under way without an acknowledgement, held within what the appliance and the aggregator allow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from firmware.uplink.codec import Credit


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch that was sent: its last number, its size, and when, in monotonic time."""

    last_seq: int
    events: int
    bytes: int
    at_ns: int


class Window:
    """Counts the batches that are under way; the aggregator's newest credit counts."""

    def __init__(self, max_batches: int) -> None:
        self._max_batches = max_batches
        self._credit: Credit | None = None
        self._sent: deque[Sent] = deque()
        self._events = 0
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        """Nothing is under way."""
        return not self._sent

    def grant(self, credit: Credit) -> None:
        """The aggregator allows so much from now on."""
        self._credit = credit

    def room_events(self, wanted: int) -> int:
        """Return how many events the next batch may hold, `wanted` at most."""
        if len(self._sent) >= self._max_batches:
            return 0
        return wanted if self._credit is None else max(0, min(wanted, self._credit.events - self._events))

    def fits(self, size_bytes: int) -> bool:
        """Whether a batch of this size may be sent."""
        return self._credit is None or self._bytes + size_bytes <= self._credit.bytes

    def send(self, batch: Sent) -> None:
        """A batch is being sent."""
        self._sent.append(batch)
        self._events += batch.events
        self._bytes += batch.bytes

    def acknowledge(self, seq: int) -> Sent | None:
        """Everything up to seq is held; returns the newest batch that this ends, None for part of one."""
        newest = None
        while self._sent and self._sent[0].last_seq <= seq:
            newest = self._sent.popleft()
            self._events -= newest.events
            self._bytes -= newest.bytes
        return newest
