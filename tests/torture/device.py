"""A producer in a process of its own, which can be killed; what it says is heard until its end."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

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
    began_ns when it was started, all monotonic. delays_s: of each event from when it was shown to when it was
    acknowledged.
    """

    def __init__(self, order: Producing, ledger: Ledger, prefix: Sequence[str] = ()) -> None:
        """prefix: a command that executes the one after it; then nothing is forked, and the start is slow."""
        self._order = order
        self._prefix = prefix
        self._ledger = ledger
        self._news = asyncio.Event()
        self.said: Counter[str] = Counter()
        self.first_ns: dict[str, int] = {}
        self.latest_ns: dict[str, int] = {}
        self.delays_s: list[float] = []
        self._unacked: dict[int, int] = {}

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
        text = msgspec.json.encode(self._order).decode()
        if self._prefix:
            words = (*self._prefix, sys.executable, "-m", "tests.torture.producer", text)
            launched = await asyncio.create_subprocess_exec(*words)
            self._kill, exit_code = launched.kill, launched.wait()
        else:
            forked = _forks.Process(target=main, args=(text,))
            await asyncio.to_thread(forked.start)  # the first start takes the imports
            self._kill, exit_code = forked.kill, asyncio.to_thread(_joined, forked)
        self._reading = asyncio.create_task(self._read(reader))
        self._ending = asyncio.create_task(self._end(exit_code))

    async def until(self, condition: Callable[[Device], bool]) -> None:
        """Wait until it has said enough, or has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self) and not self._reading.done():
                self._news.clear()
                await self._news.wait()

    def kill(self) -> None:
        """SIGKILL, at once; `ended` waits for it."""
        self._kill()

    async def ended(self) -> int:
        """Wait until it has ended and its last words are heard; returns the exit code."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._ending

    async def _end(self, exit_code: Coroutine[Any, Any, int]) -> int:
        code = await exit_code
        os.close(self._holder)
        await self._reading
        self._transport.close()
        return code

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            at, _, said = line.decode().strip().partition(" ")
            word = said.partition(" ")[0]
            self._ledger.hear(said)
            self.said[word] += 1
            self.first_ns.setdefault(word, int(at))
            self.latest_ns[word] = int(at)
            self._count(word, said, int(at))
            self._news.set()
        self._news.set()

    def _count(self, word: str, said: str, at_ns: int) -> None:
        if word == "shown":
            self._unacked[int(said.split()[1])] = at_ns
        elif word == "acked":
            acked = [seq for seq in self._unacked if seq <= int(said.split()[1])]
            self.delays_s += [max(0, at_ns - self._unacked.pop(seq)) / 1e9 for seq in acked]


def _joined(process: ForkServerProcess) -> int:
    process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return code


def _fifo_at(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path
