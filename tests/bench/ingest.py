"""How many events a second the aggregator takes, each acknowledged after its commit.

Run as ``python -m tests.bench.ingest`` (``--seconds 5 --streams 16 --in-flight 4 --runs 3 --json FILE``).
The server is the real command in a process of its own over mutual TLS, the devices are this process; both
share the machine. The devices pack their batches before the clock starts: what a device does is no cost of
the aggregator. Beside it, in the same run, the same bytes go to a bare grpc.aio stream that only answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import grpc
import uvloop

from aggregator.authority import Authority
from aidpost.v1 import event_pb2, fleet_pb2_grpc, link_pb2
from tests.kit.aggregator_process import AggregatorProcess, cpu_s
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


def packed(number: int, batch: int, events: int) -> list[bytes]:
    """Return the batches of one device as they are sent; they happened just now, one event a millisecond."""
    begin_ms = time.time_ns() // 1_000_000 - events

    def event(seq: int) -> event_pb2.Event:
        made = check_in(seq)
        made.moment.wall_ms = begin_ms + seq
        return made

    chained = Chained(f"bench-{number}", digest(f"{batch} {number}"))
    return [
        link_pb2.ConnectRequest(
            batch=chained.pack([event(seq) for seq in range(first, first + batch)])
        ).SerializeToString()
        for first in range(1, events + 1, batch)
    ]


async def report(
    device: LinkDevice, batches: Sequence[bytes], batch: int, in_flight: int, *, cumulative: bool
) -> None:
    """Report with so many batches unacknowledged; cumulative: an answer may stand for several."""
    sent = acked = 0
    while acked < len(batches):
        while sent < len(batches) and sent - acked < in_flight:
            await device.write(batches[sent])
            sent += 1
        seq = await device.ack()
        acked = seq // batch if cumulative else acked + 1
    await device.done_writing()


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


async def measure(work: Sequence[Sequence[bytes]], batch: int, in_flight: int, *, insecure: bool) -> Figures:
    """Report these batches, one sequence for each stream, into a new store."""
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        async with serving(Path(folder), len(work), insecure=insecure) as (server, dials):

            async def run_stream(number: int, ready: asyncio.Barrier) -> None:
                async with dials[number]() as channel:
                    device = LinkDevice(channel, f"bench-{number}", digest(f"{batch} {number}"))
                    await device.hello()
                    await ready.wait()
                    await report(device, work[number], batch, in_flight, cumulative=True)

            return await _timed(run_stream, work, batch, server.cpu_s)


async def measure_echo(work: Sequence[Sequence[bytes]], batch: int, in_flight: int) -> Figures:
    """Send these batches to the bare stream."""
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        identity, store = Path(folder) / "identity", Path(folder) / "store.db"
        authority = Authority.create(identity)
        held = first_administrator(authority, store, timedelta(days=1), time.time_ns())
        command = (sys.executable, "-m", "tests.bench.echo", str(identity))
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            assert process.stdout is not None
            target = (await process.stdout.readline()).decode().strip()

            async def run_stream(number: int, ready: asyncio.Barrier) -> None:
                async with shown(target, authority.certificate, held) as channel:
                    device = LinkDevice(channel, f"bench-{number}")
                    await device.send_hello()
                    await device.ack()
                    await ready.wait()
                    await report(device, work[number], batch, in_flight, cumulative=False)

            return await _timed(run_stream, work, batch, partial(cpu_s, process.pid))
        finally:
            process.kill()
            await process.wait()


async def _timed(
    run_stream: Callable[[int, asyncio.Barrier], Coroutine[None, None, None]],
    work: Sequence[Sequence[bytes]],
    batch: int,
    server_cpu_s: Callable[[], float],
) -> Figures:
    ready = asyncio.Barrier(len(work) + 1)
    async with asyncio.TaskGroup() as group:
        for number in range(len(work)):
            group.create_task(run_stream(number, ready))
        await ready.wait()
        start_s, start_cpu_s = time.monotonic(), server_cpu_s()
    events = batch * sum(len(each) for each in work)
    return Figures(
        events_per_s=events / (time.monotonic() - start_s),
        server_cpu_us=(server_cpu_s() - start_cpu_s) / events * 1e6,
    )


def best(runs: Sequence[Figures]) -> Figures:
    """Return the fastest rate and the least processor time: whatever else ran only ever took from them."""
    return Figures(max(each.events_per_s for each in runs), min(each.server_cpu_us for each in runs))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="At the rate of the trial.")
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--batch", type=int, action="append", choices=BATCHES)
    parser.add_argument("--insecure", action="store_true", help="Without TLS, to see what it costs.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    event_bytes, load = check_in(1).ByteSize(), os.getloadavg()[0]
    out = sys.stdout
    out.write(
        f"{options.streams} streams, {options.in_flight} batches in flight each, {event_bytes}-byte events, "
        f"best of {options.runs}\n"
        "batch   bytes/event   events/s   server µs/event   bare stream/s   µs/event   trial events/s\n"
    )
    measured: dict[int, dict[str, Figures]] = {}
    for batch in options.batch or BATCHES:
        each = max(1, int(TRIAL_PER_S[batch] * options.seconds / options.streams / batch)) * batch
        work = [packed(number, batch, each) for number in range(options.streams)]
        ingest, bare = [], []
        for _ in range(options.runs):
            ingest.append(uvloop.run(measure(work, batch, options.in_flight, insecure=options.insecure)))
            bare.append(uvloop.run(measure_echo(work, batch, options.in_flight)))
        measured[batch] = {"ingest": best(ingest), "bare": best(bare)}
        here, there = measured[batch].values()
        event_size = sum(map(len, work[0])) / each
        out.write(
            f"{batch:5}   {event_size:11.1f}   {here.events_per_s:8,.0f}   {here.server_cpu_us:15.1f}   "
            f"{there.events_per_s:13,.0f}   {there.server_cpu_us:8.1f}   {TRIAL_PER_S[batch]:14,}\n"
        )
        out.flush()
    if options.json is not None:
        batches = {batch: {name: asdict(f) for name, f in found.items()} for batch, found in measured.items()}
        about = {"date": datetime.now(UTC).date().isoformat(), "load": load, "runs": options.runs}
        options.json.write_text(json.dumps({**about, "event_bytes": event_bytes, "batches": batches}) + "\n")


if __name__ == "__main__":
    main()
