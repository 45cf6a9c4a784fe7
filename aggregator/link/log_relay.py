"""Passes log lines of devices on to whoever follows them, at any worker; nothing is written down.

Who follows at another worker than the device's has what comes from then on, and not what is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from aggregator.bus.port import Bus

KEPT_LINES = 500  # for who comes a moment later than the device
MAX_UNREAD = 64  # pieces of one who follows


class _Channel:
    """One command's lines; telling: streams of its device that are open."""

    def __init__(self) -> None:
        self.telling = 0
        self.kept: deque[str] = deque(maxlen=KEPT_LINES)
        self.followers: set[_Follower] = set()

    def pass_on(self, lines: tuple[str, ...]) -> None:
        self.kept.extend(lines)
        for follower in self.followers:
            follower.tell(lines)


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
    """All in the event loop of the server. bus: to the other workers."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
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
                self._end(command_id)
                self._bus.tell(command_id, None)

    def tell(self, command_id: bytes, lines: tuple[str, ...]) -> None:
        """Pass lines on."""
        self._channels[command_id].pass_on(lines)
        self._bus.tell(command_id, lines)

    def told(self, command_id: bytes, lines: tuple[str, ...] | None) -> None:
        """Pass on what a device tells at another worker, None at its end."""
        if (channel := self._channels.get(command_id)) is None:
            return
        if lines is not None:
            channel.pass_on(lines)
        elif not channel.telling:
            self._end(command_id)

    def _end(self, command_id: bytes) -> None:
        channel = self._channels.pop(command_id, None)
        for follower in channel.followers if channel else ():
            follower.end()

    async def follow(self, command_id: bytes) -> AsyncIterator[tuple[str, ...]]:
        """Yield what is kept and what comes until the device is done; waits for one that has not begun."""
        channel = self._channels.setdefault(command_id, _Channel())
        follower = _Follower()
        channel.followers.add(follower)
        try:
            with self._bus.following(command_id):
                if channel.kept:
                    yield tuple(channel.kept)
                while (lines := await follower.next()) is not None:
                    yield lines
        finally:
            channel.followers.discard(follower)
            if not channel.telling and not channel.followers:
                self._channels.pop(command_id, None)
