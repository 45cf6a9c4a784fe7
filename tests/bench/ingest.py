"""How many events a second the aggregator takes, each acknowledged after its commit.

Run as ``python -m tests.bench.ingest`` (``--seconds 5 --streams 16 --in-flight 4 --json FILE``). The server
is the real command in a process of its own, the devices are this process; both share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import grpc
import uvloop

from aggregator.authority import Authority
from aidpost.v1 import fleet_pb2_grpc, link_pb2
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.identities import first_administrator, joined, shown
from tests.kit.link_device import Chained, LinkDevice, check_in, dialled, digest

BATCHES = (1, 20, 100)
TRIAL_PER_S = {1: 1_900, 20: 25_600, 100: 55_900}  # the trial: mutual TLS, 81-byte events, two columns


@dataclass(frozen=True, slots=True)
class Figures:
    """server_cpu_us: the server's processor time for one event, which other load moves less."""

    events_per_s: float
    server_cpu_us: float


Dial = Callable[[], AbstractAsyncContextManager[grpc.aio.Channel]]


async def run_stream(dial: Dial, number: int, batch: int, in_flight: int, until_s: float) -> int:
    """Report until the time is up, with so many batches unacknowledged; return the events acknowledged."""
    chained = Chained(f"bench-{number}", digest(f"{batch} {number}"))
    async with dial() as channel:
        device = LinkDevice(channel, f"bench-{number}", digest(f"{batch} {number}"))
        await device.hello()
        seq = 0
        waiting: deque[int] = deque()
        acked = 0
        while time.monotonic() < until_s:
            while len(waiting) < in_flight:
                events = [check_in(number) for number in range(seq + 1, seq + batch + 1)]
                seq += batch
                await device.write(link_pb2.ConnectRequest(batch=chained.pack(events)))
                waiting.append(seq)
            acked = await device.ack()
            while waiting and waiting[0] <= acked:
                waiting.popleft()
        await device.done_writing()
        if waiting:
            await device.acked(waiting[-1])
        return seq


@asynccontextmanager
async def serving(
    folder: Path, streams: int, *, insecure: bool
) -> AsyncIterator[tuple[AggregatorProcess, list[Dial]]]:
    """Yield a server and, for each stream, what opens its channel."""
    store, identity = folder / "store.db", folder / "identity"
    if insecure:
        async with AggregatorProcess(store) as server:
            yield server, [partial(dialled, server.target)] * streams
        return
    authority = Authority.create(identity)
    administrator = first_administrator(authority, store, timedelta(days=1), time.time_ns())
    async with (
        AggregatorProcess(store, identity=identity) as server,
        shown(server.target, authority.certificate, administrator) as channel,
    ):
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        names = [f"bench-{number}" for number in range(streams)]
        devices = [await joined(fleet, server.target, authority.certificate, name) for name in names]
        yield server, [partial(shown, server.target, authority.certificate, each.held()) for each in devices]


async def measure(batch: int, seconds: float, streams: int, in_flight: int, *, insecure: bool) -> Figures:
    """Report batches of this size for so long."""
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        async with serving(Path(folder), streams, insecure=insecure) as (server, dials):
            start_s, start_cpu_s = time.monotonic(), server.cpu_s()
            running = [
                run_stream(dial, number, batch, in_flight, start_s + seconds)
                for number, dial in enumerate(dials)
            ]
            events = sum(await asyncio.gather(*running))
            return Figures(
                events_per_s=events / (time.monotonic() - start_s),
                server_cpu_us=(server.cpu_s() - start_cpu_s) / events * 1e6,
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--insecure", action="store_true", help="Without TLS, to see what it costs.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    event_bytes = check_in(1).ByteSize()
    packed = {
        batch: Chained("bench", digest("")).pack([check_in(seq) for seq in range(1, batch + 1)]).ByteSize()
        for batch in BATCHES
    }
    out = sys.stdout
    out.write(
        f"{options.streams} streams, {options.in_flight} batches in flight each, {event_bytes}-byte events\n"
    )
    out.write("batch   bytes/event   events/s   server µs/event   trial events/s (mTLS, 81-byte events)\n")
    measured: dict[int, Figures] = {}
    for batch in BATCHES:
        measured[batch] = uvloop.run(
            measure(batch, options.seconds, options.streams, options.in_flight, insecure=options.insecure)
        )
        figures = measured[batch]
        rate, trial = f"{figures.events_per_s:8,.0f}", f"{TRIAL_PER_S[batch]:14,}"
        out.write(
            f"{batch:5}   {packed[batch] / batch:11.1f}   {rate}   {figures.server_cpu_us:15.1f}   {trial}\n"
        )
    if options.json is not None:
        options.json.write_text(
            json.dumps({"event_bytes": event_bytes, "batches": {b: asdict(f) for b, f in measured.items()}})
            + "\n"
        )


if __name__ == "__main__":
    main()
