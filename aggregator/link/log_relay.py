"""Passes log lines of devices on to whoever follows them; nothing is written down."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

KEPT_LINES = 500  # for who comes a moment later than the device
MAX_UNREAD = 64  # pieces of one who follows; who reads no more is left behind


class _Channel:
    """One command's lines."""

    def __init__(self) -> None:
        self.told = False
        self.kept: deque[str] = deque(maxlen=KEPT_LINES)
        self.followers: set[asyncio.Queue[tuple[str, ...] | None]] = set()


class LogRelay:
    """All in the event loop of the server."""

    def __init__(self) -> None:
        self._channels: dict[bytes, _Channel] = {}

    @contextmanager
    def telling(self, command_id: bytes) -> Iterator[None]:
        """Be the device that tells; at the end whoever follows is told that it is over."""
        channel = self._channels.setdefault(command_id, _Channel())
        channel.told = True
        try:
            yield
        finally:
            self._channels.pop(command_id, None)
            for queue in channel.followers:
                _end(queue)

    def tell(self, command_id: bytes, lines: tuple[str, ...]) -> None:
        """Pass lines on."""
        channel = self._channels[command_id]
        channel.kept.extend(lines)
        for queue in channel.followers:
            if not queue.full():
                queue.put_nowait(lines)

    async def follow(self, command_id: bytes) -> AsyncIterator[tuple[str, ...]]:
        """Yield what is kept and what comes until the device is done; waits for one that has not begun."""
        channel = self._channels.setdefault(command_id, _Channel())
        queue: asyncio.Queue[tuple[str, ...] | None] = asyncio.Queue(MAX_UNREAD)
        channel.followers.add(queue)
        try:
            if channel.kept:
                yield tuple(channel.kept)
            while (lines := await queue.get()) is not None:
                yield lines
        finally:
            channel.followers.discard(queue)
            if not channel.told and not channel.followers:
                self._channels.pop(command_id, None)


def _end(queue: asyncio.Queue[tuple[str, ...] | None]) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
