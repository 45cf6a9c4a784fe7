"""What the appliance does for itself each hour: erase what is due, close a forgotten day, count the lease."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping

import structlog

from firmware.clock import Clock
from firmware.custody import Custody
from firmware.day.day import Closing, Day
from firmware.link import AggregatorLink
from firmware.retention import Retention
from firmware.store import quarantine
from firmware.store.errors import StoreError
from firmware.store.store import Store
from firmware.store.thread import RunInStore

log = structlog.get_logger()

HOUSEKEEPING_S = 3600.0


class Housekeeping:
    """retention: None where no data policy is set. notices: for staff, by the part that they are about."""

    def __init__(
        self,
        in_store: RunInStore,
        clock: Clock,
        custody: Custody,
        link: AggregatorLink,
        day: Day,
        retention: Retention | None,
        notices: MutableMapping[str, str],
    ) -> None:
        self._in_store = in_store
        self._clock = clock
        self._custody = custody
        self._link = link
        self._day = day
        self._retention = retention
        self._notices = notices

    async def run(self) -> None:
        """Keep house every hour, until cancelled."""
        while True:
            await self._close_overdue()
            await asyncio.sleep(HOUSEKEEPING_S)
            await self.purge()
            if self._link.connected:
                await self._custody.renew()
            else:
                await self._custody.count()

    async def purge(self) -> None:
        """Erase what was acknowledged a day ago, and whom the policy keeps no longer."""
        now = self._clock.now()

        def work(store: Store) -> tuple[int, str | None]:
            store.space.note_uptime(now)
            purged = store.outbox.purge_acknowledged(now)
            quarantine.drop_old(store.path, now)
            return purged, store.space.registration_stopped(now)

        try:
            if self._retention is not None:
                await self._retention.expire()
            purged, stopped = await self._in_store(work)
        except StoreError as error:
            log.warning("not purged", kind=type(error).__name__, reason=str(error))
            return
        if purged:
            log.info("purged", records=purged)
        self._note_registration(stopped)

    async def _close_overdue(self) -> None:
        try:
            closing = await self._day.close_overdue()
        except StoreError as error:
            log.warning("day not closed", kind=type(error).__name__, reason=str(error))
            return
        if isinstance(closing, Closing) and closing.receipt is not None:
            log.warning("day closed by itself", cycle=closing.receipt.cycle, erased=closing.receipt.entries)
            self._notices["day"] = (
                f"Nobody closed {closing.receipt.cycle}: its list was erased a day after its end. Its counts "
                "are in the records."
            )

    def _note_registration(self, stopped: str | None) -> None:
        if stopped is None:
            self._notices.pop("registration", None)
        elif "registration" not in self._notices:
            log.warning("registration stopped", reason=stopped)
            self._notices["registration"] = f"{stopped.capitalize()}."
