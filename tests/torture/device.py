"""A producer in a process of its own, which can be killed; what it says is heard until its end."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.torture.ledger import Ledger
from tests.torture.producer import Producing, main

PATIENCE_S = 300.0

# A server that has everything imported forks each producer in milliseconds; it has no gRPC running yet.
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.torture.producer"])


class Device:
    """One life of a producer, from `start` to its end.

    said: how many lines of each kind. first_ns, latest_ns: when the first and the latest were said, and
    began_ns when it was started, all monotonic.
    """

    def __init__(self, order: Producing, ledger: Ledger) -> None:
        self._order = order
        self._ledger = ledger
        self._news = asyncio.Event()
        self.said: Counter[str] = Counter()
        self.first_ns: dict[str, int] = {}
        self.latest_ns: dict[str, int] = {}

    async def start(self) -> None:
        fifo = _fifo_at(Path(self._order.said))
        pipe = os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
        # Our own end for writing keeps the pipe from ending before the producer has opened it.
        self._holder = os.open(fifo, os.O_WRONLY)
        reader = asyncio.StreamReader()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self.began_ns = time.monotonic_ns()
        self._process = _forks.Process(target=main, args=(msgspec.json.encode(self._order).decode(),))
        await asyncio.to_thread(self._process.start)  # the first start takes the imports
        self._reading = asyncio.create_task(self._read(reader))
        self._ending = asyncio.create_task(self._end())

    async def until(self, condition: Callable[[Device], bool]) -> None:
        """Wait until it has said enough, or has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self) and not self._reading.done():
                self._news.clear()
                await self._news.wait()

    def kill(self) -> None:
        """SIGKILL, at once; `ended` waits for it."""
        self._process.kill()

    async def ended(self) -> int:
        """Wait until it has ended and its last words are heard; returns the exit code."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._ending

    async def _end(self) -> int:
        await asyncio.to_thread(self._process.join)
        code = self._process.exitcode
        os.close(self._holder)
        await self._reading
        self._transport.close()
        self._process.close()
        assert code is not None
        return code

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            at, _, said = line.decode().strip().partition(" ")
            word = said.partition(" ")[0]
            self._ledger.hear(said)
            self.said[word] += 1
            self.first_ns.setdefault(word, int(at))
            self.latest_ns[word] = int(at)
            self._news.set()
        self._news.set()


def _fifo_at(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path
