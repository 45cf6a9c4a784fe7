"""Does what the aggregator asks for: each command once, its result as an event in the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from firmware.clock import Clock
from firmware.records import CommandKind, CommandOutcome, CommandResult
from firmware.store.errors import StoreError
from firmware.store.thread import RunInStore
from firmware.uplink.codec import Command
from firmware.uplink.time_hints import TimeHints

log = structlog.get_logger()

MAX_DETAIL = 200
LAST_WORD_S = 10.0  # how long a lock waits for the acknowledgement of its own result


class OrderFailed(Exception):
    """A command could not be done; the message is one sentence for the operator."""


Handler: TypeAlias = Callable[[], Awaitable[str]]
"""Does a command and returns one sentence; raises OrderFailed."""


class Orders:
    """Takes commands one after the other.

    handlers: what this appliance can do. lock: destroys the keys and does not return to service; it is called
    after the result has reached the aggregator, or after `LAST_WORD_S`: afterwards nothing can be said.
    acknowledged: waits until the aggregator holds everything that was committed.
    """

    def __init__(
        self,
        run_in_store: RunInStore,
        clock: Clock,
        hints: TimeHints,
        *,
        handlers: Mapping[CommandKind, Handler],
        lock: Callable[[], Awaitable[None]],
        committed: Callable[[], None],
        acknowledged: Callable[[], Awaitable[None]],
    ) -> None:
        self._run = run_in_store
        self._clock = clock
        self._hints = hints
        self._handlers = handlers
        self._lock = lock
        self._committed = committed
        self._acknowledged = acknowledged
        self._queue: asyncio.Queue[Command] = asyncio.Queue()

    def take(self, command: Command) -> None:
        """A command arrived; it is done in its turn."""
        self._queue.put_nowait(command)

    async def run(self) -> None:
        """Do commands until cancelled; first say what became of those that a power cut ended."""
        for command_id, kind in await self._run(lambda store: store.orders.unfinished()):
            await self._report(command_id, kind, CommandOutcome.INTERRUPTED, "it stopped while doing this")
        while True:
            command = await self._queue.get()
            try:
                await self._do(command)
            except StoreError as error:
                # Delivered again with the next stream, as long as it has not expired.
                log.warning("command not done", fault=type(error).__name__, reason=str(error))

    async def _do(self, command: Command) -> None:
        kind = command.kind
        if kind is None:
            log.warning("unknown command", command=command.command_id.hex())
            return
        if not await self._run(lambda store: store.orders.begin(command.command_id, kind)):
            return
        log.info("command", kind=kind.value, command=command.command_id.hex())
        if self._expired(command):
            await self._report(command.command_id, kind, CommandOutcome.EXPIRED, "it arrived after its time")
        elif kind is CommandKind.LOCK:
            await self._report(command.command_id, kind, CommandOutcome.DONE, "the keys are being destroyed")
            try:
                async with asyncio.timeout(LAST_WORD_S):
                    await self._acknowledged()
            except TimeoutError:
                log.warning("locked without an acknowledgement")
            await self._lock()
        else:
            await self._report(command.command_id, kind, *await self._handled(kind))

    async def _handled(self, kind: CommandKind) -> tuple[CommandOutcome, str]:
        handler = self._handlers.get(kind)
        if handler is None:
            return CommandOutcome.REFUSED, f"this appliance has no {kind.value}"
        try:
            return CommandOutcome.DONE, await handler()
        except OrderFailed as failed:
            return CommandOutcome.FAILED, str(failed)

    def _expired(self, command: Command) -> bool:
        server = self._hints.server_time(self._clock.monotonic_ns())
        # The earliest time that the aggregator's clock can show: a slow link alone makes nothing expire.
        return server is not None and server.earliest_ns >= command.expires_ns

    async def _report(
        self, command_id: bytes, kind: CommandKind, outcome: CommandOutcome, detail: str
    ) -> None:
        result = CommandResult(command_id, kind, outcome, detail[:MAX_DETAIL])
        moment = self._clock.now()
        await self._run(lambda store: store.orders.finish(moment, result))
        self._committed()
