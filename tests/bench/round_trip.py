"""How long a command takes from the desk's call to the device: in one process, and through another worker.

    python -m tests.bench.round_trip [--commands 300]

Real servers: SQLite in a file; PostgreSQL, on one worker and on two with NATS between them. The figure is the
time from the call of SendCommand until the device, a client of this process, has the command. Two commits lie
in it, the command's own and that it is handed out; fsync is on.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from aggregator.authority import Authority
from aggregator.store.place import Place
from aidpost.v1 import event_pb2, fleet_pb2, fleet_pb2_grpc
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.identities import first_administrator, joined, shown
from tests.kit.link_device import PATIENCE_S, LinkDevice
from tests.kit.nats import running_nats
from tests.kit.postgres import running_postgres


async def measure(
    folder: Path, store: Place, options: tuple[str, ...], workers: int, count: int
) -> list[float]:
    """Return the times of `count` commands in ms; the desk is at the last worker, the device at the first."""
    authority = Authority.create(folder / "identity")
    administrator = first_administrator(authority, store, now_ns=time.time_ns())
    times_ms = []
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                AggregatorProcess(
                    store, *options, identity=folder / "identity", log_file=folder / f"log-{number}"
                )
            )
            for number in range(workers)
        ]
        desk = await stack.enter_async_context(
            shown(servers[-1].target, authority.certificate, administrator)
        )
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(desk)
        device = await joined(fleet, servers[-1].target, authority.certificate, "desk-1")
        channel = await stack.enter_async_context(
            shown(servers[0].target, authority.certificate, device.held())
        )
        link = LinkDevice(channel)
        await link.hello(last_seq=0)
        for _ in range(count):
            request = fleet_pb2.SendCommandRequest(
                command_id=secrets.token_bytes(16),
                device_id="desk-1",
                kind=event_pb2.COMMAND_KIND_SELF_TEST,
                lifetime=Duration(seconds=3600),
            )
            began = time.perf_counter()
            answering = asyncio.ensure_future(fleet.SendCommand(request, timeout=PATIENCE_S))
            assert (await link.read()).command.command_id == request.command_id
            times_ms.append((time.perf_counter() - began) * 1e3)
            await answering
        link.break_off()
    return times_ms


async def compare(count: int) -> None:
    with tempfile.TemporaryDirectory() as name, running_postgres() as postgres, running_nats() as nats:
        folder = Path(name)
        files = f"--files={folder / 'files'}"
        bus = (files, f"--bus={nats.url}")
        for what, store, options, workers in (
            ("SQLite, one process", folder / "store.db", (), 1),
            ("PostgreSQL, the device's own worker", postgres.new_database("one"), bus, 1),
            ("PostgreSQL, through another worker", postgres.new_database("two"), bus, 2),
        ):
            times_ms = await measure(folder / f"{workers}-{len(options)}", store, options, workers, count)
            cuts = statistics.quantiles(times_ms, n=100)
            print(  # noqa: T201
                f"{what}: p50 {cuts[49]:.2f} ms, p10 {cuts[9]:.2f}, p95 {cuts[94]:.2f}, of {count} commands"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--commands", type=int, default=300)
    asyncio.run(compare(parser.parse_args().commands))


if __name__ == "__main__":
    main()
