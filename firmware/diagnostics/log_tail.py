"""The newest lines of the log, kept in memory; whoever follows gets the next ones too."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

KEPT_LINES = 2_000
SHOWN_LINES = 100  # of these, to one who begins to follow
MAX_LINE_CHARACTERS = 4_000  # a trace back has some 3,000
MAX_UNREAD = 500  # of one who follows; what a slow link cannot take is left out, and counted


class Follower:
    """The lines since shortly before somebody began to follow, as long as they are read in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, before: list[str]) -> None:
        self._loop = loop
        self._lines = deque(before)
        self._left_out = 0
        self._news = asyncio.Event()
        self._news.set()

    async def next(self) -> list[str]:
        """Wait for lines and return them; what was left out is said in a line of its own."""
        await self._news.wait()
        self._news.clear()
        lines = list(self._lines)
        self._lines.clear()
        if self._left_out:
            lines.append(f'{{"event": "lines left out", "lines": {self._left_out}}}')
            self._left_out = 0
        return lines

    def tell(self, line: str) -> None:
        """Take a line, from whatever thread logs it."""
        self._loop.call_soon_threadsafe(self._take, line)

    def _take(self, line: str) -> None:
        if len(self._lines) < MAX_UNREAD:
            self._lines.append(line)
        else:
            self._left_out += 1
        self._news.set()


class LogTail:
    """A text stream beside the log's own: the log writes to both."""

    def __init__(self, beside: TextIO | None = None) -> None:
        self._beside = beside
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._followers: list[Follower] = []
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Write one line of the log, or a part of what is no line."""
        if self._beside is not None:
            self._beside.write(text)
        with self._lock:
            for line in text.splitlines():
                self._lines.append(line[:MAX_LINE_CHARACTERS])
                for follower in self._followers:
                    follower.tell(line[:MAX_LINE_CHARACTERS])
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        if self._beside is not None:
            self._beside.flush()

    def lines(self) -> list[str]:
        """Return what is kept, oldest first."""
        with self._lock:
            return list(self._lines)

    @contextmanager
    def followed(self) -> Iterator[Follower]:
        """Yield one who follows, in the running event loop."""
        with self._lock:
            follower = Follower(asyncio.get_running_loop(), list(self._lines)[-SHOWN_LINES:])
            self._followers.append(follower)
        try:
            yield follower
        finally:
            with self._lock:
                self._followers.remove(follower)
