"""Waits of the first boot: for a while, for what people bring, and for what a thread writes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Waiting:
    """One for the whole first boot. Used from the event loop."""

    def __init__(self) -> None:
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """End the wait of now, or the next one."""
        self._stirred.set()

    async def for_s(self, seconds: float) -> None:
        """Wait so long at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            pass
        self._stirred.clear()


class Inbox(Generic[T]):
    """What people brought. Waiting for it takes nothing, so that a wait that is cancelled loses nothing."""

    def __init__(self) -> None:
        self._brought: deque[T] = deque()
        self._some = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self._brought)

    def put(self, thing: T) -> None:
        """Leave it there."""
        self._brought.append(thing)
        self._some.set()

    async def filled(self) -> None:
        """Return once there is something."""
        await self._some.wait()

    def take(self) -> T:
        """Return what came first. Raises IndexError where there is nothing."""
        first = self._brought.popleft()
        if not self._brought:
            self._some.clear()
        return first


async def to_its_end(work: Callable[[], T]) -> T:
    """Do the work in a thread; a wait that is cancelled ends with it, so that none writes beside another.

    Raises what the work raises.
    """
    doing = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait({doing})
        if not doing.cancelled():
            doing.exception()  # told to nobody: whoever waited has gone
        raise
