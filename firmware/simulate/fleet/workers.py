"""The processes that hold a virtual fleet, as the simulation drives them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

import msgspec

from firmware.simulate.fleet.identity import VirtualIdentity
from firmware.simulate.fleet.worker import Assignment, Order, State
from firmware.uplink.channel import Target

STOP_TIMEOUT_S = 30.0


class WorkersFailed(Exception):
    """A process of the simulation ended before its time; what it wrote is above."""


class Workers:
    """All processes together."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    @classmethod
    @asynccontextmanager
    async def started(
        cls, count: int, target: Target, authority: bytes, devices: Sequence[VirtualIdentity], seed: int
    ) -> AsyncIterator[Self]:
        """Start so many processes and share the devices out among them; they end with the block."""
        command = (sys.executable, "-m", "firmware.simulate.fleet.worker")
        pipe = asyncio.subprocess.PIPE
        workers = cls(
            [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(count)]
        )
        try:
            share = [devices[number::count] for number in range(count)]
            assignments = [
                Assignment(target.host, target.port, authority, mine, seed + number * 1_000_000)
                for number, mine in enumerate(share)
            ]
            await workers._tell(assignments)
            yield workers
        finally:
            await workers._stop()

    async def order(self, order: Order) -> State:
        """Give all the same order; return the sum of their states when all have done it."""
        return await self._tell([order] * len(self._processes))

    async def state(self) -> State:
        """Return the sum of their states."""
        return await self.order(Order())

    async def _tell(self, messages: Sequence[Assignment | Order]) -> State:
        for process, message in zip(self._processes, messages, strict=True):
            assert process.stdin is not None  # noqa: S101 -- it is a pipe
            process.stdin.write(msgspec.json.encode(message) + b"\n")
        states = []
        for process in self._processes:
            assert process.stdout is not None  # noqa: S101 -- it is a pipe
            line = await process.stdout.readline()
            if not line:
                raise WorkersFailed("a process of the simulation ended before its time")
            states.append(msgspec.json.decode(line, type=State))
        return State(*(sum(values) for values in zip(*map(msgspec.structs.astuple, states), strict=True)))

    async def _stop(self) -> None:
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
