"""What thousands of idle streams over mutual TLS cost one worker whose store is on a server, with its bus.

Run as ``python -m tests.bench.streams`` (``--devices 5000 --processes 2 --commands 200``). The worker is the
real command; the devices are the appliance's own link in processes of their own (`firmware.simulate.fleet`),
on the same machine. They do not join by calls: their certificates are put into the store beforehand. Debian's
PostgreSQL and NATS. Every device holds its stream open, says nothing for a while, and then some get commands.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import uvloop
from google.protobuf.duration_pb2 import Duration

from aggregator.authority import Authority
from aggregator.holdings import EnrolmentState
from aggregator.store.database import open_reader, open_writer
from aggregator.store.place import Server
from aidpost.v1 import event_pb2, fleet_pb2, fleet_pb2_grpc
from firmware.simulate.fleet.identity import VirtualIdentity
from firmware.simulate.fleet.worker import Order
from firmware.simulate.fleet.workers import Workers
from firmware.uplink.channel import Target
from tests.kit.aggregator_fixture import apart
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.identities import first_administrator, shown
from tests.kit.link_device import PATIENCE_S
from tests.kit.nats import running_nats
from tests.kit.postgres import running_postgres
from trust import certificates
from trust.checking import public_key_der, read_request
from trust.names import DeviceName

IDLE_S = 20.0


def made(authority: Authority, store: Server, count: int) -> list[VirtualIdentity]:
    """Return so many devices, whose certificates the store knows."""
    now_ns = time.time_ns()
    devices, enrolments, issued = [], [], []
    for number in range(1, count + 1):
        named, key = DeviceName(f"kit-{number:05}", f"site-{number % 100:02}"), certificates.new_key()
        request = read_request(certificates.to_der(certificates.make_request(named, key)))
        certificate = authority.issue(request, now_ns, timedelta(days=30))
        enrolments.append(
            (
                number,
                *named_as(named),
                public_key_der(key.public_key()),
                EnrolmentState.APPROVED.value,
                now_ns,
            )
        )
        issued.append((certificate.serial.to_bytes(20, "big"), number, certificate.ends_ns))
        pem = certificates.to_pem(certificates.from_der(certificate.der))
        devices.append(VirtualIdentity(*named_as(named), certificates.key_to_pem(key), pem))

    def put() -> None:
        columns = ("enrolment", "device_id", "site", "public_key", "state", "requested_ns")
        with open_writer(store, None) as db, db.atomic():
            db.insert_many("enrolments", columns, enrolments)
            db.insert_many("certificates", ("serial", "enrolment", "ends_ns"), issued)

    apart(put)
    return devices


def named_as(named: DeviceName) -> tuple[str, str]:
    return named.device_id, named.site


def connections(store: Server) -> int:
    """Return how many sessions workers have at the database."""

    def count() -> int:
        asking = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aidpost-aggregator'"
        with open_reader(store) as db:
            return int(db.execute(asking).fetchone()[0]) - 1  # without this one

    return apart(count)


def delivered_ms(store: Server) -> list[float]:
    """Return how long each command took from its row to its stream, in ms, by the worker's clock."""
    with open_reader(store) as db:
        rows = db.execute("SELECT delivered_ns - asked_ns FROM commands WHERE delivered_ns IS NOT NULL")
        return [took_ns / 1e6 for (took_ns,) in rows]


async def measure(count: int, processes: int, commands: int, out: Path) -> None:
    """Connect all, wait, send commands, and print what was found."""
    with running_postgres() as postgres, running_nats() as nats:
        store, authority = postgres.new_store("streams"), Authority.create(out / "identity")
        administrator = first_administrator(authority, store, now_ns=time.time_ns())
        devices = made(authority, store, count)
        async with AggregatorProcess(
            store, f"--files={out / 'files'}", f"--bus={nats.url}", f"--connections={count + 64}",
            identity=out / "identity", log_file=out / "log",
        ) as server:  # fmt: skip
            target = Target.parse(server.target)
            pem = certificates.to_pem(authority.certificate)
            before_mb, before_s = server.memory_mb(), server.cpu_s()
            async with Workers.started(processes, target, pem, devices, seed=1) as fleet:
                began_s = time.monotonic()
                state = await fleet.order(Order(switch_on=True))
                took_s, cpu_s = time.monotonic() - began_s, server.cpu_s() - before_s
                await asyncio.sleep(IDLE_S / 2)
                idle_s, each_kb = server.cpu_s(), (server.memory_mb() - before_mb) * 1e3 / count
                await asyncio.sleep(IDLE_S)
                say(
                    f"{state.connected:,} streams at one worker, load {os.getloadavg()[0]:.1f}: connected in "
                    f"{took_s:.0f} s, {cpu_s / count * 1e3:.1f} ms of its processor each; "
                    f"{each_kb:.0f} kB each beyond {before_mb:.0f} MB, "
                    f"{server.open_files() / count:.2f} open files each, "
                    f"{connections(store)} connections to the database; "
                    f"idle, {(server.cpu_s() - idle_s) / IDLE_S * 100:.0f} % of a core"
                )
                async with shown(server.target, authority.certificate, administrator) as channel:
                    await send(fleet_pb2_grpc.FleetServiceStub(channel), count, commands)
                async with asyncio.timeout(PATIENCE_S):
                    while len(took_ms := await asyncio.to_thread(delivered_ms, store)) < commands:
                        pass  # the last are on their way
                cuts = statistics.quantiles(took_ms, n=100)
                still = (await fleet.state()).connected
                say(
                    f"{commands} commands among them, from the row to the stream: p50 {cuts[49]:.1f} ms, "
                    f"p95 {cuts[94]:.1f}; {still:,} streams afterwards"
                )


async def send(fleet: fleet_pb2_grpc.FleetServiceAsyncStub, count: int, commands: int) -> None:
    draw = random.Random(1)  # noqa: S311
    for number in draw.sample(range(1, count + 1), commands):
        request = fleet_pb2.SendCommandRequest(
            command_id=secrets.token_bytes(16),
            device_id=f"kit-{number:05}",
            kind=event_pb2.COMMAND_KIND_SELF_TEST,
            lifetime=Duration(seconds=3600),
        )
        await fleet.SendCommand(request, timeout=PATIENCE_S)


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=5_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--commands", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        uvloop.run(measure(options.devices, options.processes, options.commands, Path(folder)))


if __name__ == "__main__":
    main()
