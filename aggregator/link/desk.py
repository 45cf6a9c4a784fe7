"""Brings what waits in the store for devices to their streams: commands, and what they should be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from aggregator.bus.port import Bus
from aggregator.link.mailbox import Mailbox
from aggregator.store.errors import StoreError

T = TypeVar("T")


class Desk(Generic[T]):
    """Looks for what waits, and hands each to its device's stream, once for each stream.

    due: returns what waits for these devices, in order. key: what tells one thing from another. name: for
    the log. bus: to workers that may hold the streams.
    """

    def __init__(
        self,
        due: Callable[[frozenset[str]], Awaitable[dict[str, tuple[T, ...]]]],
        key: Callable[[T], Hashable],
        name: str,
        log: FilteringBoundLogger,
        bus: Bus,
    ) -> None:
        self._due = due
        self._key = key
        self._name = name
        self._log = log
        self._bus = bus
        self._listening: dict[str, dict[Mailbox[T], set[Hashable]]] = {}
        self._asked: set[str] = set()
        self._look = asyncio.Event()

    @contextmanager
    def listening(self, device_id: str) -> Iterator[Mailbox[T]]:
        """Yield the queue of one stream; what waits already comes at once."""
        queue: Mailbox[T] = Mailbox()
        self._listening.setdefault(device_id, {})[queue] = set()
        self.look_here((device_id,))
        try:
            yield queue
        finally:
            del self._listening[device_id][queue]
            if not self._listening[device_id]:
                del self._listening[device_id]

    def look(self, *device_ids: str) -> None:
        """Say that something may wait for these devices; those that do not listen ask when they come."""
        self.look_here(device_ids)
        self._bus.wake(device_ids)

    def look_at_all(self) -> None:
        """Say that something may wait for any device."""
        self.look_here()
        self._bus.wake_all()

    def look_here(self, device_ids: Collection[str] | None = None) -> None:
        """Look for these devices, None for all, that listen at this worker."""
        listening = self._listening.keys()
        self._asked |= listening if device_ids is None else listening & set(device_ids)
        if self._asked:
            self._look.set()

    async def run(self) -> None:
        """Hand out until cancelled."""
        while True:
            await self._look.wait()
            self._look.clear()
            asked, self._asked = frozenset(self._asked), set()
            try:
                due = await self._due(asked)
            except StoreError as error:
                self._log.error(f"{self._name}.unread", kind=type(error).__name__, why=str(error))
                self._asked |= asked  # with the next look; the store's own fault is logged where it is
                continue
            for device_id, things in due.items():
                self._hand_out(device_id, things)

    def _hand_out(self, device_id: str, things: tuple[T, ...]) -> None:
        for queue, handed in self._listening.get(device_id, {}).items():
            for thing in things:
                if (key := self._key(thing)) not in handed:
                    handed.add(key)
                    queue.put_now(thing)
