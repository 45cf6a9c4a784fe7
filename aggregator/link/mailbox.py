"""A queue between two tasks of one stream: an asyncio.Queue takes 3 kB, for each of thousands of streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Keeps what one task puts for one other that gets. room: how much it holds before `put` waits."""

    __slots__ = ("_held", "_room", "_waiter")

    def __init__(self, room: int | None = None) -> None:
        self._room = room
        self._held: Sequence[T] = ()
        self._waiter: asyncio.Future[None] | None = (
            None  # of either side: one waits for the other, never both
        )

    def __bool__(self) -> bool:
        """Whether something is there."""
        return bool(self._held)

    def put_now(self, thing: T) -> None:
        """Put something, whether there is room or not."""
        self._held = (*self._held, thing)
        self._wake()

    async def put(self, thing: T) -> None:
        """Put something as soon as there is room."""
        while self._room is not None and len(self._held) >= self._room:
            await self._wait()
        self.put_now(thing)

    async def get(self) -> T:
        """Return what was put first, as soon as there is something."""
        while not self._held:
            await self._wait()
        first, *rest = self._held
        self._held = tuple(rest)
        self._wake()
        return first

    async def _wait(self) -> None:
        mine = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await mine
        finally:
            if self._waiter is mine:  # a task that was cancelled takes nobody else's place away
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
