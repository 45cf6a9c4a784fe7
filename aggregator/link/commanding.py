"""Brings commands from their rows to the streams of the devices that they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from structlog.typing import FilteringBoundLogger

from aggregator.holdings import Command
from aggregator.store.errors import StoreError

Due = Callable[[], Awaitable[tuple[Command, ...]]]


class CommandDesk:
    """Looks for rows without a result, and hands each to its device's stream, once for each stream."""

    def __init__(self, due: Due, log: FilteringBoundLogger) -> None:
        self._due = due
        self._log = log
        self._listening: dict[asyncio.Queue[Command], tuple[str, set[bytes]]] = {}
        self._look = asyncio.Event()

    @contextmanager
    def listening(self, device_id: str) -> Iterator[asyncio.Queue[Command]]:
        """Yield the queue of the commands for one stream; those that wait already come at once."""
        queue: asyncio.Queue[Command] = asyncio.Queue()
        self._listening[queue] = (device_id, set())
        self.look()
        try:
            yield queue
        finally:
            del self._listening[queue]

    def look(self) -> None:
        """Say that there is a new row."""
        self._look.set()

    async def run(self) -> None:
        """Hand out commands until cancelled."""
        while True:
            await self._look.wait()
            self._look.clear()
            if self._listening:
                try:
                    self._hand_out(await self._due())
                except StoreError as error:
                    self._log.error("commands.unread", kind=type(error).__name__, why=str(error))

    def _hand_out(self, due: tuple[Command, ...]) -> None:
        for queue, (device_id, handed) in self._listening.items():
            for command in due:
                if command.device_id == device_id and command.command_id not in handed:
                    handed.add(command.command_id)
                    queue.put_nowait(command)
