"""Works off the queue: each hook by itself and in order, so that one that does not answer delays no other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

from structlog.typing import FilteringBoundLogger

from aggregator.fleet.hooks import Delivery, Hook
from aggregator.store import hooks
from aggregator.store.errors import StoreError
from aggregator.store.writer import StoreWriter
from aggregator.telling.ports import NotDelivered, Sender

SECOND_NS = 1_000_000_000
LOOK_S = 5.0
FIRST_S = 10.0
GIVE_UP_NS = 3 * 24 * 3600 * SECOND_NS
MAX_AT_ONCE = 16


class Deliverer:
    """senders: by kind of place, "url" and "email"; one that is not there refuses. `run` is a task."""

    def __init__(
        self,
        store: StoreWriter,
        senders: Mapping[str, Sender],
        wall_ns: Callable[[], int],
        random_source: random.Random,
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._senders = senders
        self._wall_ns = wall_ns
        self._random = random_source
        self._log = log
        self._working: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()

    def look(self) -> None:
        """Say that there is something new."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then is delivered again after the next start."""
        try:
            while True:
                self._news.clear()
                try:
                    await self.start_due()
                except StoreError as error:
                    self._log.error("deliveries.unread", kind=type(error).__name__, why=str(error))
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._news.wait()
                except TimeoutError:
                    continue
        finally:
            for task in tuple(self._working.values()):
                task.cancel()
            await asyncio.gather(*self._working.values(), return_exceptions=True)

    async def start_due(self) -> list[asyncio.Task[None]]:
        """Begin the first delivery of every hook that has none under way; raises StoreError."""
        now_ns, busy = self._wall_ns(), frozenset(self._working)
        waiting = await self._store.submit(lambda db: hooks.due(db, now_ns, busy))
        started = []
        for hook, key, delivery in waiting[: max(0, MAX_AT_ONCE - len(busy))]:
            task = asyncio.create_task(self._deliver(hook, key, delivery), name=f"deliver to {hook.name}")
            self._working[hook.name] = task
            started.append(task)
        return started

    async def _deliver(self, hook: Hook, key: bytes, delivery: Delivery) -> None:
        now_ns = self._wall_ns()
        try:
            sender = self._senders.get("url" if hook.url else "email")
            if sender is None:
                raise NotDelivered("the aggregator has no mail server: start it with --mail-server")
            await sender.send(hook, key, delivery, now_ns // SECOND_NS)
        except NotDelivered as fault:
            await self._note_fault(hook, delivery, fault, now_ns)
        else:
            await self._submit(lambda db: hooks.delivered(db, delivery))
            if hook.fault:
                self._log.info("hook.recovered", hook=hook.name)
            self._news.set()  # the next one of this hook
        finally:
            del self._working[hook.name]

    async def _note_fault(self, hook: Hook, delivery: Delivery, fault: NotDelivered, now_ns: int) -> None:
        why = str(fault)
        if not hook.fault:
            self._log.warning("hook.failing", hook=hook.name, why=why)
        if fault.gone or now_ns - delivery.made_ns >= GIVE_UP_NS:
            why = f"given up: {why}"
            self._log.warning("hook.given_up", hook=hook.name, delivery=delivery.number, why=why)
            await self._submit(lambda db: hooks.drop(db, delivery, why))
            self._news.set()
            return
        due_ns = now_ns + int(self.pause_s(delivery.tries) * SECOND_NS)
        await self._submit(lambda db: hooks.postpone(db, delivery, due_ns, why))

    def pause_s(self, tries: int) -> float:
        """Return how long to wait after so many tries: full jitter after the cap, at least a tenth of it."""
        cap_s = min(hooks.LONGEST_PAUSE_NS / SECOND_NS, FIRST_S * 2.0 ** min(tries, 16))
        return self._random.uniform(cap_s / 10, cap_s)

    async def _submit(self, work: Callable[..., None]) -> None:
        try:
            await self._store.submit(work)
        except StoreError as error:
            self._log.error("deliveries.not_noted", kind=type(error).__name__, why=str(error))
