"""What the subjects of many devices cost at NATS: until all are subscribed, memory, how fast a wake-up is.

Run as ``python -m tests.bench.subjects`` (``--subjects 20000 --wakes 2000``). The worker that holds the
streams is a process with `aggregator.bus.nats` alone; this process wakes devices at random, and waits for
each answer. The server is Debian's, as `tests/kit/nats.py` starts it, one node on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
import uvloop
from nats.aio.client import Client

from aggregator.bus.nats import WAKE, NatsBus, subject
from aggregator.bus.port import Ended
from tests.kit.aggregator_process import memory_mb
from tests.kit.nats import running_nats

FLEET = "0" * 16


@dataclass(frozen=True, slots=True)
class Figures:
    """Times of a wake-up are from the request to the answer of the worker that holds the stream."""

    subscribed_s: float
    worker_kb_a_subject: float
    server_kb_a_subject: float
    wake_ms: list[float]


class Deaf:
    """Does nothing with what it hears."""

    def woken(self, device_ids: Collection[str]) -> None: ...

    def woken_all(self) -> None: ...

    def ended(self, what: Ended) -> None: ...

    def told(self, command_id: bytes, lines: tuple[str, ...] | None) -> None: ...


def name(number: int) -> str:
    """Return a device's name."""
    return f"kit-{number:05}"


async def hold(url: str, count: int) -> None:
    """Be the worker: say that it is there, wait for a line, hold the streams until its input ends."""
    bus = NatsBus((url,), FLEET, structlog.get_logger())
    await bus.start(Deaf())
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    with_streams = AsyncExitStack()
    for number in range(count):
        with_streams.enter_context(bus.holding(name(number)))
        if number % 64 == 0:
            await asyncio.sleep(0)  # as hellos come in
    say("held")
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # thousands of streams that end are not measured


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def answered(client: Client, number: int) -> float:
    """Wake one device; returns how long it took, in ms."""
    began_s = time.perf_counter()
    await client.request(subject(FLEET, name(number)), WAKE, timeout=60)
    return (time.perf_counter() - began_s) * 1e3


async def measure(count: int, wakes: int) -> Figures:
    """Subscribe, and wake devices at random."""
    with running_nats() as server:
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.subjects", "--hold", server.url, "--subjects", str(count),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"ready\n"
        client = Client()
        await client.connect(server.url)
        before = memory_mb(holder.pid), memory_mb(server.pid)
        began_s = time.monotonic()
        holder.stdin.write(b"\n")
        assert await holder.stdout.readline() == b"held\n"
        while True:  # the last is heard of last
            try:
                await client.request(subject(FLEET, name(count - 1)), WAKE, timeout=60)
                break
            except Exception:  # noqa: BLE001 -- nobody holds it yet
                await asyncio.sleep(0.01)
        subscribed_s = time.monotonic() - began_s
        after = memory_mb(holder.pid), memory_mb(server.pid)
        draw = random.Random(1)  # noqa: S311
        wake_ms = [await answered(client, draw.randrange(count)) for _ in range(wakes)]
        await client.close()
        holder.stdin.close()
        await holder.wait()
    worker_kb, server_kb = ((now - then) * 1e3 / count for then, now in zip(before, after, strict=True))
    return Figures(subscribed_s, worker_kb, server_kb, wake_ms)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=20_000)
    parser.add_argument("--wakes", type=int, default=2_000)
    parser.add_argument("--hold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold is not None:
        uvloop.run(hold(options.hold, options.subjects))
        return
    found = uvloop.run(measure(options.subjects, options.wakes))
    cuts = statistics.quantiles(found.wake_ms, n=100)
    sys.stdout.write(
        f"{options.subjects:,} subjects at one node of NATS, load {os.getloadavg()[0]:.1f}: all in "
        f"{found.subscribed_s:.1f} s, {found.worker_kb_a_subject:.1f} kB each at the worker and "
        f"{found.server_kb_a_subject:.1f} kB at the node; a wake-up answered p50 {cuts[49]:.2f} ms, "
        f"p10 {cuts[9]:.2f}, p95 {cuts[94]:.2f}, of {options.wakes:,}\n"
    )


if __name__ == "__main__":
    main()
