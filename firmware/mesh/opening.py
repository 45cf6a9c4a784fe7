"""All of the mesh of one appliance: built from its settings, started and stopped together."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from firmware.clock import Clock
from firmware.mesh.book import InBook
from firmware.mesh.credential import SiteCredential
from firmware.mesh.neighbour import ANSWER_S, Neighbour
from firmware.mesh.server import SiteServer
from firmware.mesh.service import SiteService
from firmware.mesh.site import Site
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target
from firmware.uplink.errors import UplinkError
from trust.keys.errors import GuardError
from trust.keys.guard import KeyGuard
from trust.names import DeviceName
from trust.tls.address import Address, AddressInUse
from trust.tls.refusals import Refusals

RETRY_CAP_S = 5.0  # people wait at the desks of a neighbour that comes back


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """Where this appliance is heard by the others of its site, None for nowhere, and where they are."""

    listen: Address | None = None
    peers: Mapping[str, Target] = field(default_factory=dict)


class Mesh:
    """The mesh of one appliance; `site` is the workflow's `Ownership`. Use it as an async context manager.

    fault: why this appliance has no neighbours though it should, in a sentence for staff; people are served
    all the same, the households of other owners inside the loss cap.
    """

    site: Site

    def __init__(
        self,
        settings: SiteSettings,
        guard: KeyGuard,
        named: DeviceName,
        folder: Path,
        in_book: InBook,
        clock: Clock,
        *,
        uplink_connected: Callable[[], bool] = lambda: False,
        on_change: Callable[[], None] = lambda: None,
        answer_s: float = ANSWER_S,
        backoff: Callable[[], Backoff] = lambda: Backoff(random.SystemRandom(), cap_s=RETRY_CAP_S),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """folder: where `identity.pem` lies."""
        self._settings = settings
        self._guard = guard
        self._named = named
        self._folder = folder
        self._in_book = in_book
        self._clock = clock
        self._uplink_connected = uplink_connected
        self._on_change = on_change
        self._answer_s = answer_s
        self._backoff = backoff
        self._sleep = sleep
        self._log = structlog.get_logger()
        self._stack = AsyncExitStack()
        self.fault = ""
        self.address: Address | None = None

    async def __aenter__(self) -> Mesh:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        neighbours: dict[str, Neighbour] = {}
        self.site = Site(
            self._named.device_id,
            self._in_book,
            self._clock,
            neighbours,
            answer_s=self._answer_s,
            uplink_connected=self._uplink_connected,
            on_change=self._on_change,
        )
        if self._settings.listen is not None or self._settings.peers:
            try:
                await self._meet(neighbours)
            except (UplinkError, GuardError, AddressInUse) as error:
                self.fault = f"This appliance stands alone: {error}."
                self._log.error("no_neighbours", kind=type(error).__name__, reason=str(error))
        await self.site.take_up()
        for neighbour in neighbours.values():
            self._run(f"neighbour {neighbour.device}", neighbour.run())
        self._run("site", self.site.run())

    async def _meet(self, neighbours: dict[str, Neighbour]) -> None:
        credential = SiteCredential(self._guard, self._named, self._folder)
        # mkdtemp makes it for this user alone: nobody else on the machine speaks for this appliance.
        sockets = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="aidpost-site-")))
        for device, target in self._settings.peers.items():
            neighbours[device] = Neighbour(
                DeviceName(device, self._named.site),
                target,
                credential,
                sockets,
                self._backoff(),
                answer_s=self._answer_s,
                sleep=self._sleep,
                on_change=self.site.changed,
            )
        if self._settings.listen is None:
            return
        server = SiteServer(
            self._settings.listen,
            await credential.server_context(),
            credential.authority,
            sockets,
            Refusals(self._log, time.monotonic),
            lambda callers: SiteService(
                self._named,
                self._in_book,
                lambda: self.site.cycle,
                self._clock,
                callers,
                Refusals(self._log, time.monotonic),
                self.site.changed,
            ),
        )
        self._stack.push_async_callback(server.stop)
        self.address = await server.start()
        self._log.info("site_heard", address=str(self.address))

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(partial(_report_bug, self._log))
        self._stack.push_async_callback(asyncio.wait, {task})
        self._stack.callback(task.cancel)


def _report_bug(log: structlog.typing.FilteringBoundLogger, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task died", task=task.get_name(), exc_info=error)
