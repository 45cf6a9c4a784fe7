"""Passes log lines of devices on to whoever follows them; nothing is written down."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

KEPT_LINES = 500  # for who comes a moment later than the device
MAX_UNREAD = 64  # pieces of one who follows


class _Channel:
    """One command's lines; telling: streams of its device that are open."""

    def __init__(self) -> None:
        self.telling = 0
        self.kept: deque[str] = deque(maxlen=KEPT_LINES)
        self.followers: set[_Follower] = set()


class _Follower:
    """One who follows; what is not read in time is left out, and counted."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, ...] | None] = asyncio.Queue()
        self.left_out = 0

    def tell(self, lines: tuple[str, ...]) -> None:
        if self.queue.qsize() >= MAX_UNREAD:
            self.left_out += len(lines)
        else:
            self.queue.put_nowait(lines)

    def end(self) -> None:
        self.queue.put_nowait(None)

    async def next(self) -> tuple[str, ...] | None:
        lines = await self.queue.get()
        if self.left_out and lines is not None:
            lines = (*lines, f'{{"event": "lines left out", "lines": {self.left_out}}}')
            self.left_out = 0
        return lines


class LogRelay:
    """All in the event loop of the server."""

    def __init__(self) -> None:
        self._channels: dict[bytes, _Channel] = {}

    @contextmanager
    def telling(self, command_id: bytes) -> Iterator[None]:
        """Be the device that tells; at the end of its last stream whoever follows is told that it is over."""
        channel = self._channels.setdefault(command_id, _Channel())
        channel.telling += 1
        try:
            yield
        finally:
            channel.telling -= 1
            if not channel.telling:
                self._channels.pop(command_id, None)
                for follower in channel.followers:
                    follower.end()

    def tell(self, command_id: bytes, lines: tuple[str, ...]) -> None:
        """Pass lines on."""
        channel = self._channels[command_id]
        channel.kept.extend(lines)
        for follower in channel.followers:
            follower.tell(lines)

    async def follow(self, command_id: bytes) -> AsyncIterator[tuple[str, ...]]:
        """Yield what is kept and what comes until the device is done; waits for one that has not begun."""
        channel = self._channels.setdefault(command_id, _Channel())
        follower = _Follower()
        channel.followers.add(follower)
        try:
            if channel.kept:
                yield tuple(channel.kept)
            while (lines := await follower.next()) is not None:
                yield lines
        finally:
            channel.followers.discard(follower)
            if not channel.telling and not channel.followers:
                self._channels.pop(command_id, None)
