"""How many events a second the store takes on a file and on a PostgreSQL server, in one run.

Run as ``python -m tests.bench.engines`` (``--seconds 3 --streams 16 --in-flight 4 --runs 3 --json FILE``).
Each worker is a process with the store's writer alone: what devices and the link cost is in
`tests.bench.ingest`. Batches are read before the clock starts; each is acknowledged after its commit, on the
server with fsync, too. The server is Debian's, as `tests/kit/postgres.py` starts it, on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from aggregator.codec import parse_batch
from aggregator.records import Batch, Hello
from aggregator.store.database import open_reader
from aggregator.store.errors import StoreError
from aggregator.store.ingest import Admitted, Kept
from aggregator.store.place import Place, parse_place
from aggregator.store.writer import StoreWriter
from tests.kit.link_device import EPOCH, SITE, Chained, check_in
from tests.kit.postgres import running_postgres

BATCHES = (1, 20, 100)
EXPECTED_PER_S = {1: 1_500, 20: 10_000, 100: 20_000}  # sizes a run


def batches_of(device_id: str, batch: int, events: int) -> list[Batch]:
    """Return what one device hands in."""
    chained = Chained(device_id, EPOCH)
    return [
        parse_batch(chained.pack([check_in(seq) for seq in range(first, first + batch)]), max_events=500)
        for first in range(1, events + 1, batch)
    ]


def complain(fault: StoreError | None) -> None:
    """Say what went wrong: a rate with faults is none."""
    if fault is not None:
        raise fault


async def work(place: Place, number: int, streams: int, batch: int, events: int, in_flight: int) -> None:
    """Be one worker: say that it is ready, wait for a line, hand in everything, say how long it took."""
    names = [f"bench-{number}-{stream}" for stream in range(streams)]
    waiting = [(name, batches_of(name, batch, events)) for name in names]
    writer = StoreWriter(place, wall_ns=time.time_ns, max_bytes=None, on_fault=complain)
    await writer.open()

    async def report(name: str, batches: list[Batch], ready: asyncio.Barrier) -> None:
        admitted = await writer.admit(Hello(name, EPOCH, 0, "0.1.0", SITE, 1, EPOCH), None)
        assert isinstance(admitted, Admitted)
        await ready.wait()
        under_way: list[asyncio.Future[Kept]] = []
        for each in batches:
            if len(under_way) == in_flight:
                await under_way.pop(0)
            under_way.append(writer.keep(admitted, each))
        await asyncio.gather(*under_way)

    ready = asyncio.Barrier(streams + 1)
    async with asyncio.TaskGroup() as group:
        for name, batches in waiting:
            group.create_task(report(name, batches, ready))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        await ready.wait()
    await writer.close()


async def measure(dsn: str, workers: int, streams: int, batch: int, events: int, in_flight: int) -> float:
    """Return events a second from the first to the last of these workers."""
    running = []
    for number in range(workers):
        arguments = [str(each) for each in (number, streams // workers, batch, events, in_flight)]
        running.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bench.engines", "--worker", dsn, *arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )
        )  # fmt: skip
        assert running[-1].stdout is not None
        assert await running[-1].stdout.readline() == b"ready\n"
    start_s = time.monotonic()
    for each in running:
        assert each.stdin is not None
        each.stdin.write(b"\n")
    codes = await asyncio.gather(*(each.wait() for each in running))
    took_s = time.monotonic() - start_s
    assert codes == [0] * workers
    return (streams // workers) * workers * events / took_s


def check_held(place: Place, events: int) -> None:
    """See that all of them are in the record."""
    with open_reader(place) as db:
        held = db.execute("SELECT count(*) FROM events").fetchone()
        assert held == (events,), held


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--batch", type=int, action="append", choices=BATCHES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        place, *numbers = options.worker
        uvloop.run(work(parse_place(place), *map(int, numbers)))
        return
    out = sys.stdout
    out.write(
        f"{options.streams} streams, {options.in_flight} batches in flight each, best of {options.runs}\n"
    )
    out.write("batch   SQLite events/s   PostgreSQL, one worker   two workers\n")
    found: dict[int, dict[str, float]] = {}
    with running_postgres() as server, tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        for batch in options.batch or BATCHES:
            events = max(1, int(EXPECTED_PER_S[batch] * options.seconds / options.streams / batch)) * batch
            rates: dict[str, float] = {}
            for run in range(options.runs):
                for name, workers in (("sqlite", 1), ("one", 1), ("two", 2)):
                    label = f"{name}_{batch}_{run}"
                    dsn = str(Path(folder) / label) if name == "sqlite" else server.new_database(label).dsn
                    rate = asyncio.run(
                        measure(dsn, workers, options.streams, batch, events, options.in_flight)
                    )
                    check_held(parse_place(dsn), options.streams // workers * workers * events)
                    rates[name] = max(rates.get(name, 0.0), rate)
            found[batch] = rates
            out.write(
                f"{batch:5}   {rates['sqlite']:15,.0f}   {rates['one']:22,.0f}   {rates['two']:11,.0f}\n"
            )
            out.flush()
    if options.json is not None:
        options.json.write_text(json.dumps({"batches": found}) + "\n")


if __name__ == "__main__":
    main()
