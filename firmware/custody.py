"""When the keys go: the enclosure is opened, the lease lapses, or an operator says so. Then the work ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from firmware import lease
from firmware.clock import Clock
from firmware.lease import LeaseLimits, LeaseState, LeaseUse
from firmware.store.errors import StoreError
from firmware.store.thread import RunInStore
from sensors.board.port import BoardEvent, TamperEvent
from trust.keys.errors import GuardError, GuardUnavailable, KeysDestroyed
from trust.keys.guard import KeyGuard

log = structlog.get_logger()


class Custody:
    """Watches over one guard. Made and used in the event loop; `watch` alone may come from any thread."""

    def __init__(
        self,
        guard: KeyGuard,
        in_store: RunInStore,
        clock: Clock,
        *,
        limits: LeaseLimits | None,
        destroy_on_tamper: bool,
        on_lapsing: Callable[[str], None],
    ) -> None:
        """limits: None for an appliance without a lease. on_lapsing: told what is left, at each count."""
        self._guard = guard
        self._in_store = in_store
        self._clock = clock
        self._limits = limits
        self._destroy_on_tamper = destroy_on_tamper
        self._on_lapsing = on_lapsing
        self._loop = asyncio.get_running_loop()
        self._end: GuardError | None = None
        self.gone = asyncio.Event()
        """Set once the keys are destroyed."""
        self.over = asyncio.Event()
        """Set once they were to be destroyed, whether or not all of them could be: the work ends."""

    def watch(self, event: BoardEvent) -> None:
        """Destroy the keys at once when the enclosure is opened, in the thread that saw it."""
        if event is TamperEvent.OPENED and self._destroy_on_tamper:
            self._destroy("the enclosure was opened")

    async def destroy(self, reason: str) -> None:
        """Destroy the keys; `reason` is what each later start says."""
        await asyncio.to_thread(self._destroy, reason)

    async def renew(self) -> None:
        """The aggregator answered: the lease begins anew."""
        now = self._clock.now()
        await self._note(lambda _: lease.renewed(now))

    async def count(self) -> None:
        """Add what was used up; tell when little is left, and destroy the keys when nothing is."""
        now = self._clock.now()
        use = await self._note(lambda before: lease.used(before, now) if before else lease.renewed(now))
        if use is None or self._limits is None:
            return
        match lease.state(use, self._limits):
            case LeaseState.RUNNING:
                pass
            case LeaseState.LAPSING:
                self._on_lapsing(lease.left(use, self._limits))
            case LeaseState.LAPSED:
                await self.destroy("its lease lapsed: the aggregator was not heard of")

    def refuse_if_gone(self) -> None:
        """Raise KeysDestroyed once they are gone, GuardUnavailable where a part could not be reached."""
        if self._end is not None:
            raise self._end

    async def _note(self, change: Callable[[LeaseUse | None], LeaseUse]) -> LeaseUse | None:
        try:
            return await self._in_store(lambda store: store.note_lease(change))
        except StoreError as error:
            log.warning("lease not noted", kind=type(error).__name__, reason=str(error))
            return None

    def _destroy(self, reason: str) -> None:
        try:
            self._guard.destroy(reason)
        except (GuardError, OSError) as error:
            log.error("keys not wholly destroyed", kind=type(error).__name__, reason=str(error))  # noqa: TRY400
            self._end = GuardUnavailable(
                f"the keys of this appliance were to be destroyed ({reason}), and not all of them could be "
                f"reached: {error}. Run `aidpost lock`; each start goes on with it too"
            )
        else:
            log.error("keys destroyed", reason=reason)
            self._end = KeysDestroyed(f"the keys of this appliance were destroyed: {reason}")
            self._loop.call_soon_threadsafe(self.gone.set)
        self._loop.call_soon_threadsafe(self.over.set)
