"""Thousands of connections that say nothing, or half of something, against the real server.

Run as ``python -m tests.torture.crowd`` (``--connections 10000 --json FILE``). A good device reports
meanwhile; exit status 1 when it does not get through, or when the server's memory grows beyond the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import uvloop

from aggregator.authority import Authority
from aidpost.v1 import fleet_pb2_grpc
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.identities import first_administrator, joined, shown
from tests.kit.link_device import LinkDevice, check_in
from tests.torture.finding import Finding

MEMORY_LIMIT_MB = 100.0
HALF_A_HELLO = bytes.fromhex("16030100c8010000c40303")  # a TLS record of 200 bytes, of which six come
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """reported: batches of the good device, which were acknowledged while the crowd stood there."""

    connections: int
    refused_connections: int
    reported: int
    slowest_report_s: float
    memory_before_mb: float
    memory_peak_mb: float
    log_lines: int

    @property
    def well(self) -> bool:
        """Whether the device was served, and memory stayed within the limit."""
        return self.reported > 0 and self.memory_peak_mb - self.memory_before_mb < MEMORY_LIMIT_MB


async def stand(target: str, number: int) -> asyncio.StreamWriter | None:
    """Connect and say nothing (every second one), or half a TLS hello."""
    host, _, port = target.rpartition(":")
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError):
        return None
    if number % 2:
        writer.write(HALF_A_HELLO)
    return writer


async def measure(connections: int) -> Found:
    """Let the crowd come in hundreds, and the device report after each."""
    with tempfile.TemporaryDirectory(prefix="aidpost-torture-") as name:
        folder = Path(name)
        authority = Authority.create(folder / "identity")
        store = folder / "store.db"
        now_ns = time.time_ns()
        administrator = first_administrator(authority, store, timedelta(days=1), now_ns)
        async with AggregatorProcess(store, identity=folder / "identity") as server:
            async with shown(server.target, authority.certificate, administrator) as channel:
                fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
                device = await joined(fleet, server.target, authority.certificate, "desk-1")
            before_mb, refused = server.memory_mb(), 0
            crowd: list[asyncio.StreamWriter] = []
            took: list[float] = []
            for first in range(0, connections, 200):
                came = await asyncio.gather(*(stand(server.target, first + offset) for offset in range(200)))
                refused += came.count(None)
                crowd += [writer for writer in came if writer is not None]
                began_s = time.monotonic()
                async with (
                    asyncio.timeout(PATIENCE_S),
                    shown(server.target, authority.certificate, device.held()) as channel,
                ):
                    link = LinkDevice(channel)
                    await link.hello()
                    await link.report([check_in(len(took) + 1)])
                took.append(time.monotonic() - began_s)
            peak_mb = server.memory_peak_mb()
            for writer in crowd:
                writer.transport.abort()
            await server.stop()
            lines = len(server.log().splitlines())
    return Found(connections, refused, len(took), max(took), before_mb, peak_mb, lines)


async def scenario(_folder: Path, _seed: int, share: float) -> list[Finding]:
    """Let ten thousand come."""
    _allow_files()
    found = await measure(max(200, round(10_000 * share)))
    grown_mb = found.memory_peak_mb - found.memory_before_mb
    finding = Finding(
        fault="connections that say nothing, or half a TLS hello",
        tried=found.connections,
        shown=found.reported,
        wrong=() if found.well else (f"{found.reported} reports, memory grew by {grown_mb:.0f} MB",),
        recoveries_s=(found.slowest_report_s,),
        recovered="the slowest report of a device meanwhile",
        note=f"memory grew by {grown_mb:.0f} MB",
    )
    return [finding]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    _allow_files()
    found = uvloop.run(measure(options.connections))
    line = json.dumps(asdict(found), indent=2)
    sys.stdout.write(line + "\n")
    if options.json is not None:
        options.json.write_text(line + "\n")
    sys.exit(0 if found.well else 1)


def _allow_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
