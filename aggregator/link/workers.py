"""One worker among several: its heartbeat, who is connected to the others, and streams that moved there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection

from structlog.typing import FilteringBoundLogger

from aggregator import clock_check
from aggregator.bus.port import Ended
from aggregator.link import ending
from aggregator.link.desks import Desks
from aggregator.link.log_relay import LogRelay
from aggregator.link.presence import Presence
from aggregator.store import streams
from aggregator.store.errors import StoreError
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter

LOOKS_AT_EVERY_BEAT = 6
"""A wake-up that was lost on the bus is made good after 30 s at the latest."""


def new_worker() -> str:
    """Return the name of a worker, another one at each start."""
    return secrets.token_hex(8)


class Hearing:
    """What a worker does with what the others say: a `aggregator.bus.port.Listener`."""

    def __init__(self, desks: Desks, presence: Presence, relay: LogRelay) -> None:
        self._desks = desks
        self._presence = presence
        self._relay = relay

    def woken(self, device_ids: Collection[str]) -> None:
        """Something may wait for these devices."""
        self._desks.look_here(device_ids)

    def woken_all(self) -> None:
        """Something may wait for any device."""
        self._desks.look_here()

    def ended(self, what: Ended) -> None:
        """Another worker ends a device's stream."""
        self._presence.ended(what)

    def told(self, command_id: bytes, lines: tuple[str, ...] | None) -> None:
        """A device at another worker tells lines of its log, None at their end."""
        self._relay.told(command_id, lines)


class Worker:
    """`run` is a task of the composition root.

    on_clock: told whether this worker's clock is the database's, whenever that changes.
    """

    def __init__(
        self,
        store: StoreWriter,
        view: StoreView,
        presence: Presence,
        desks: Desks,
        wall_ns: Callable[[], int],
        on_clock: Callable[[bool], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._view = view
        self._presence = presence
        self._desks = desks
        self._wall_ns = wall_ns
        self._on_clock = on_clock
        self._log = log
        self._differs = False

    async def run(self) -> None:
        """Beat until cancelled."""
        beats = 0
        while True:
            try:
                await self.beat()
            except StoreError as error:  # the store's own fault is logged where it is
                self._log.debug("worker.no_beat", kind=type(error).__name__)
            beats += 1
            if not beats % LOOKS_AT_EVERY_BEAT:
                self._desks.look_here()
            await asyncio.sleep(streams.BEAT_S)

    async def beat(self) -> float:
        """Say that this worker lives, end streams that others hold now, and learn who is connected.

        Returns how many seconds its clock is ahead of the database's, by which the others go too.
        """
        here = self._presence.streams()
        beat = await self._store.submit(lambda db: streams.beat(db, self._presence.worker, self._wall_ns))
        self._compare(beat.ahead_ns / 1e9)
        for device_id, number in here.items():
            if beat.streams.get(device_id) != number:
                self._presence.end_here(device_id, ending.superseded(), below=number + 1)
        self._presence.elsewhere = await self._view.read(
            lambda db: streams.connected(db, self._presence.worker)
        )
        return beat.ahead_ns / 1e9

    def _compare(self, ahead_s: float) -> None:
        if (differs := clock_check.differs(ahead_s)) is not self._differs:
            self._differs = differs
            if differs:
                self._log.error("worker.clock_differs", ahead_s=round(ahead_s, 1))
            else:
                self._log.info("worker.clock_agrees")
            self._on_clock(not differs)

    async def retire(self) -> None:
        """Say that this worker has ended; where that fails, the others see that it does not beat."""
        try:
            await self._store.submit(lambda db: streams.retire(db, self._presence.worker))
        except StoreError as error:
            self._log.debug("worker.not_retired", kind=type(error).__name__)
