"""Whether this worker can serve, as it tells whoever asks for its health."""

from __future__ import annotations

import asyncio

from structlog.typing import FilteringBoundLogger

from aggregator.link.server import LinkServer
from aggregator.settings import Settings
from aggregator.store.errors import StatementRefused, StoreError
from trust.tls.address import Address


class Health:
    """What is wrong just now; used from the event loop. Before `answer` there is nobody who asks."""

    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._troubles: frozenset[str] = frozenset()
        self._link: LinkServer | None = None
        self._reports: set[asyncio.Task[None]] = set()

    async def answer(self, link: LinkServer) -> Address | None:
        """Tell through the link from now on; returns where it is answered without TLS, None for nowhere."""
        self._link, where = link, self._settings.health
        await link.report_health(serving=not self._troubles)
        if where is None:
            return None
        return Address(where.host, await link.answer_health(where, shared=self._settings.shared_port))

    def clock_compared(self, agrees: bool) -> None:
        """Note whether the clock is that of the store's server."""
        if self._settings.compare_clock:
            self._note("clock", over=agrees)

    def store_changed(self, fault: StoreError | None) -> None:
        """Log what is wrong with the store, None for nothing; that it refuses a statement is not."""
        if isinstance(fault, StatementRefused):
            self._log.error("store.refused", why=str(fault))
            return
        if fault is None:
            self._log.info("store.recovered")
        else:
            self._log.error("store.unavailable", kind=type(fault).__name__, why=str(fault))
        self._note("store", over=fault is None)

    def _note(self, what: str, *, over: bool) -> None:
        self._troubles = self._troubles - {what} if over else self._troubles | {what}
        if self._link is None:
            return
        report = asyncio.create_task(self._link.report_health(serving=not self._troubles))
        self._reports.add(report)  # the loop itself keeps no task alive
        report.add_done_callback(self._reports.discard)
