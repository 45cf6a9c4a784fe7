"""Does what the aggregator asks for: each command once, its result as an event in the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from firmware.clock import Clock
from firmware.records import CommandKind, CommandOutcome, CommandResult
from firmware.store.errors import StoreError
from firmware.store.orders import Begun
from firmware.store.thread import RunInStore
from firmware.uplink.channel import cleaned
from firmware.uplink.codec import Command
from firmware.uplink.time_hints import TimeHints

log = structlog.get_logger()

LAST_WORD_S = 10.0  # how long a last act waits for the acknowledgement of its own result


class OrderFailed(Exception):
    """A command could not be done; the message is one sentence for the operator."""


class OrderRefused(OrderFailed):
    """This appliance cannot do it, or may not."""


class OrderExpired(OrderFailed):
    """Its time was over before it could be done."""


Handler: TypeAlias = Callable[[Command], Awaitable[str | None]]
"""Does a command and returns one sentence, or None for a start anew: the next start says what came of it.

Raises OrderFailed and its kinds.
"""


@dataclass(frozen=True, slots=True)
class LastAct:
    """What does not return to service, so that its result is told before it.

    ready: waits until it may be done; raises OrderFailed and its kinds. said: its result.
    """

    ready: Callable[[Command], Awaitable[None]]
    said: str
    act: Callable[[], Awaitable[None]]


async def at_once(_command: Command) -> None:
    """Wait for nothing."""


class Orders:
    """Takes commands one after the other, and beside these the ones that wait or go on for long.

    handlers: what this appliance can do. beside: the kinds of these for which no other command waits.
    last_acts: done after the result has reached the aggregator, or after `LAST_WORD_S`: afterwards nothing
    can be said. acknowledged: waits until the aggregator holds everything that was committed.
    """

    def __init__(
        self,
        run_in_store: RunInStore,
        clock: Clock,
        hints: TimeHints,
        *,
        handlers: Mapping[CommandKind, Handler],
        last_acts: Mapping[CommandKind, LastAct],
        committed: Callable[[], None],
        acknowledged: Callable[[], Awaitable[None]],
        beside: frozenset[CommandKind] = frozenset(),
    ) -> None:
        self._run = run_in_store
        self._clock = clock
        self._hints = hints
        self._handlers = handlers
        self._last_acts = last_acts
        self._committed = committed
        self._acknowledged = acknowledged
        self._beside = beside
        self._queue: asyncio.Queue[Command] = asyncio.Queue()

    def take(self, command: Command) -> None:
        """A command arrived; it is done in its turn."""
        self._queue.put_nowait(command)

    async def run(self) -> None:
        """Do commands until cancelled; first say what became of those that a stop ended."""
        for begun in await self._run(lambda store: store.orders.unfinished()):
            await self._report(begun.command_id, begun.kind, *_after_start(begun, self._clock.boot))
        async with asyncio.TaskGroup() as beside:
            while True:
                command = await self._queue.get()
                if command.kind in self._beside:
                    beside.create_task(self._do(command))
                else:
                    await self._do(command)

    async def _do(self, command: Command) -> None:
        try:
            await self._begin(command)
        except StoreError as error:
            # Delivered again with the next stream, as long as it has not expired.
            log.warning("command not done", fault=type(error).__name__, reason=str(error))

    async def _begin(self, command: Command) -> None:
        kind, boot_id = command.kind, self._clock.boot
        if kind is None:
            log.warning("unknown command", command=command.command_id.hex())
            return
        if not await self._run(lambda store: store.orders.begin(command.command_id, kind, boot_id)):
            return
        log.info("command", kind=kind.value, command=command.command_id.hex())
        try:
            if self._hints.is_past(command.expires_ns, self._clock.monotonic_ns()):
                raise OrderExpired("it arrived after its time")
            last_act = self._last_acts.get(kind)
            if last_act is None:
                said = await self._handler(kind)(command)
            else:
                await last_act.ready(command)
                said = last_act.said
        except OrderFailed as failed:
            await self._report(command.command_id, kind, _outcome(failed), str(failed))
            return
        if said is None:
            return
        await self._report(command.command_id, kind, CommandOutcome.DONE, said)
        if last_act is not None:
            try:
                async with asyncio.timeout(LAST_WORD_S):
                    await self._acknowledged()
            except TimeoutError:
                log.warning("last act without an acknowledgement", kind=kind.value)
            await last_act.act()

    def _handler(self, kind: CommandKind) -> Handler:
        handler = self._handlers.get(kind)
        if handler is None:
            raise OrderRefused(f"this appliance has no {kind.value}")
        return handler

    async def _report(
        self, command_id: bytes, kind: CommandKind, outcome: CommandOutcome, detail: str
    ) -> None:
        # One line of 200 printable characters: the aggregator takes no other, and the outbox is in order.
        result = CommandResult(command_id, kind, outcome, cleaned(detail))
        moment = self._clock.now()
        await self._run(lambda store: store.orders.finish(moment, result))
        self._committed()


def _outcome(failed: OrderFailed) -> CommandOutcome:
    match failed:
        case OrderRefused():
            return CommandOutcome.REFUSED
        case OrderExpired():
            return CommandOutcome.EXPIRED
        case _:
            return CommandOutcome.FAILED


def _after_start(begun: Begun, boot_id: bytes) -> tuple[CommandOutcome, str]:
    """Say what became of a command that had no result when the appliance stopped."""
    match begun.kind:
        case CommandKind.RESTART:
            return CommandOutcome.DONE, "the service started anew"
        case CommandKind.REBOOT if begun.boot_id != boot_id:
            return CommandOutcome.DONE, "the machine started anew"
        case _:
            return CommandOutcome.INTERRUPTED, "it stopped while doing this"
