"""The composition root: everything that the server is made of, started in order and stopped in reverse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from structlog.typing import FilteringBoundLogger

from aggregator.address import Address
from aggregator.dashboard.app import create_app
from aggregator.dashboard.server import DashboardServer
from aggregator.link.presence import Presence
from aggregator.link.server import LinkServer
from aggregator.link.service import DeviceLinkService, Limits
from aggregator.store.errors import StoreError
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `serve` was told; max_store_bytes: the size that the store's file may reach, None for no limit."""

    store: Path
    listen: Address
    dashboard: Address
    max_store_bytes: int | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the server listens, with the ports that were really bound."""

    listen: Address
    dashboard: Address


class Aggregator:
    """The running server, as an asynchronous context; raises StoreError or AddressInUse at the start."""

    def __init__(
        self, settings: Settings, log: FilteringBoundLogger, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._settings = settings
        self._log = log
        self._wall_ns = wall_ns
        self._running = AsyncExitStack()
        self._reports: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Bound:
        async with AsyncExitStack() as starting:
            bound = await self._start(starting)
            self._running = starting.pop_all()
        self._log.info("server.ready", listen=str(bound.listen), dashboard=str(bound.dashboard))
        return bound

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.info("server.stopping")
        await self._running.aclose()
        self._log.info("server.stopped")

    async def _start(self, starting: AsyncExitStack) -> Bound:
        settings, wall_ns = self._settings, self._wall_ns
        store = StoreWriter(
            settings.store, wall_ns=wall_ns, max_bytes=settings.max_store_bytes, on_fault=self._on_store_fault
        )
        await store.open()
        starting.push_async_callback(store.close)
        view = StoreView(settings.store, wall_ns)
        starting.push_async_callback(view.close)
        await view.open()
        presence = Presence()
        service = DeviceLinkService(store, presence, settings.limits, wall_ns, self._log)
        self._link = LinkServer(settings.listen, service, presence)
        starting.push_async_callback(self._link.stop)
        listen = await self._link.start()
        app = create_app(view.overview, presence.connected, wall_ns)
        dashboard_server = DashboardServer(settings.dashboard, app)
        starting.push_async_callback(dashboard_server.stop)
        return Bound(listen, await dashboard_server.start())

    def _on_store_fault(self, fault: StoreError | None) -> None:
        if fault is None:
            self._log.info("store.recovered")
        else:
            self._log.error("store.unavailable", kind=type(fault).__name__, why=str(fault))
        report = asyncio.create_task(self._link.report_health(serving=fault is None))
        self._reports.add(report)  # the loop itself keeps no task alive
        report.add_done_callback(self._reports.discard)
