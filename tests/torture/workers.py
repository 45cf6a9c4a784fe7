"""Several workers on one record: a worker, a NATS server or the primary is lost, a worker is cut off.

Devices report through a balancer all the time, and are sent commands. What is acknowledged must be on the
standby before it is promoted, and in the record exactly once at the end; each command is done once, and has
one result.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias

import grpc
import msgspec
from google.protobuf.duration_pb2 import Duration

from aggregator.authority import Authority
from aggregator.store.database import open_reader
from aggregator.store.place import Server
from aidpost.v1 import event_pb2, fleet_pb2, fleet_pb2_grpc
from firmware.clock import random_id
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.balancer import Balancer, balancer
from tests.kit.identities import DeviceIdentity, Held, claim_code, first_administrator, join, shown
from tests.kit.namespaces import Machine, Network, network, unavailable
from tests.kit.nats import NatsServer
from tests.kit.nats_cluster import NatsNode, running_cluster
from tests.kit.postgres_pair import Node, PostgresPair, running_pair
from tests.kit.store_values import SITE
from tests.torture.finding import Finding
from tests.torture.posts import PostDevice, reporting

PAUSE_S = 0.25
COMMAND_PAUSE_S = 0.5
CALL_S = 5.0
RECOVERED = "the fault to the next acknowledgement of the last device"
COMMANDED = "the fault to the end of a command that was sent to each device after it"


@dataclass(slots=True)
class Worker:
    process: AggregatorProcess
    machine: Machine | None


@dataclass(slots=True)
class Desk:
    """All that runs. buses: NATS servers by name. commands: the device of each command that was accepted.

    network: None on loopback.
    """

    folder: Path
    authority: Authority
    administrator: Held
    pair: PostgresPair
    buses: dict[str, NatsServer]
    door: Balancer
    network: Network | None
    workers: list[Worker] = field(default_factory=list)
    devices: list[PostDevice] = field(default_factory=list)
    commands: dict[bytes, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    asking: bool = True
    _numbers: Iterator[int] = field(default_factory=partial(itertools.count, 1))

    async def add_worker(self) -> None:
        number = next(self._numbers)
        machine = None if self.network is None else self.network.add(f"w{number}")
        address = "127.0.0.1" if machine is None else machine.address
        process = AggregatorProcess(
            self.pair.server,
            f"--files={self.folder / 'files'}",
            *(f"--bus={each.url}" for each in self.buses.values()),
            f"--listen={address}:0",
            identity=self.folder / "identity",
            prefix=() if machine is None else machine.prefix,
            log_file=self.folder / f"worker-{number}.log",
        )
        await process.start()
        self.workers.append(Worker(process, machine))
        self.door.workers.append(process.target)

    async def stop_workers(self) -> None:
        for worker in self.workers:
            await worker.process.__aexit__(None, None, None)

    async def joined(self, device_id: str) -> DeviceIdentity:
        device = DeviceIdentity(device_id, SITE)
        async with self.fleet() as fleet:
            code = await claim_code(fleet, SITE)
            await join(self.door.target, self.authority.certificate, device, code)
            request = fleet_pb2.ApproveDeviceRequest(device_id=device_id, key_words=device.words)
            await fleet.ApproveDevice(request, timeout=CALL_S)
            await join(self.door.target, self.authority.certificate, device, code)
        return device

    @asynccontextmanager
    async def fleet(self) -> AsyncIterator[fleet_pb2_grpc.FleetServiceAsyncStub]:
        async with shown(self.door.target, self.authority.certificate, self.administrator) as channel:
            yield fleet_pb2_grpc.FleetServiceStub(channel)

    async def command_for_ever(self) -> None:
        """Send commands to one device after the other, each until a worker has taken it."""
        for device in itertools.cycle(self.devices):
            if not self.asking:
                return
            await self._send(random_id(), device.device_id)
            await asyncio.sleep(COMMAND_PAUSE_S)

    async def _send(self, command_id: bytes, device_id: str) -> None:
        request = fleet_pb2.SendCommandRequest(
            command_id=command_id,
            device_id=device_id,
            kind=event_pb2.COMMAND_KIND_SELF_TEST,
            lifetime=Duration(seconds=3600),
        )
        while True:
            with suppress(grpc.aio.AioRpcError):
                async with self.fleet() as fleet:
                    await fleet.SendCommand(request, timeout=CALL_S)
                self.commands[command_id] = device_id
                return
            await asyncio.sleep(COMMAND_PAUSE_S)

    async def recovered(self, began_s: float) -> float:
        """Wait until each device has an acknowledgement of what it did after now; return the time since."""
        for device, seq in [(device, device.last_seq) for device in self.devices]:
            await device.until(lambda device, seq=seq: device.acked_seq > seq)  # type: ignore[misc]
        return time.monotonic() - began_s

    async def commanded(self, began_s: float) -> float:
        """Send each device a command, wait until all are done, and return the time since."""
        asked = [(device, random_id()) for device in self.devices]
        await asyncio.gather(*(self._send(command_id, device.device_id) for device, command_id in asked))
        for device, command_id in asked:
            await device.until(lambda device, command_id=command_id: device.done[command_id] > 0)  # type: ignore[misc]
        return time.monotonic() - began_s

    async def settle(self) -> None:
        """Ask for nothing more, and wait until all is delivered and each command has its result."""
        self.asking = False
        await asyncio.gather(*(device.settle() for device in self.devices))
        for device in self.devices:
            asked = {command for command, name in self.commands.items() if name == device.device_id}
            await device.until(lambda device, asked=asked: asked <= device.done.keys())  # type: ignore[misc]
            await device.settle()

    def judge(self) -> tuple[str, ...]:
        """Return what is wrong in the record after everything was delivered."""
        with open_reader(self.pair.server) as db:
            events = db.execute(
                "SELECT device_id, seq, kind, record_id, details ->> 'detail' FROM events"
                " JOIN outboxes USING (outbox)"
            ).fetchall()
            results = db.execute("SELECT command_id, device_id, outcome FROM commands").fetchall()
            (disputed,) = db.execute("SELECT count(*) FROM outboxes WHERE disputed_ns IS NOT NULL").fetchone()
            (spoilt,) = db.execute(
                "SELECT (SELECT count(*) FROM chain_breaks) + (SELECT count(*) FROM conflicts)"
            ).fetchone()
        wrong = list(self.wrong)
        for device in self.devices:
            held = {seq: record for name, seq, _, record, _ in events if name == device.device_id}
            wrong += [
                f"event {seq} of {device.device_id} was shown as done and is not held"
                for seq, record in device.shown.items()
                if held.get(seq) != record
            ]
            wrong += [f"{device.device_id} lacks an event" for _ in range(max(held, default=0) - len(held))]
        twice = Counter((name, seq) for name, seq, *_ in events)
        wrong += [f"event {key} is held {times} times" for key, times in twice.items() if times > 1]
        wrong += self._judge_commands(results, [row[4] for row in events if row[2] == "command_result"])
        if disputed or spoilt:
            wrong.append(f"{disputed} outboxes disputed, {spoilt} breaks of the chain and conflicts")
        return tuple(wrong)

    def _judge_commands(
        self, rows: Sequence[tuple[bytes, str, str | None]], details: Sequence[str]
    ) -> list[str]:
        asked = {command_id: (device_id, outcome) for command_id, device_id, outcome in rows}
        said, done = Counter(details), Counter[bytes]()
        for device in self.devices:
            done += device.done
        wrong = [
            f"command {command.hex()} of {device_id} is {asked.get(command)} in the record"
            for command, device_id in self.commands.items()
            if asked.get(command) != (device_id, "done")
        ]
        wrong += [
            f"command {command.hex()} was done {done[command]} times and told {said[told]} times"
            for command in asked
            if (told := f"done {command.hex()}") and not done[command] == said[told] == 1
        ]
        return wrong


Mend: TypeAlias = "Callable[[], Awaitable[None]]"
Fault: TypeAlias = "Callable[[Desk], Awaitable[Mend]]"
"""Does harm, and returns what mends it."""


async def kill_worker(desk: Desk) -> Mend:
    """SIGKILL of the worker that has stood longest; another one takes its place afterwards."""
    worker = desk.workers.pop(0)
    await worker.process.kill()
    await worker.process.__aexit__(None, None, None)
    desk.door.workers.remove(worker.process.target)
    return desk.add_worker


async def kill_bus(desk: Desk) -> Mend:
    """SIGKILL of the NATS server that has stood longest."""
    name = next(iter(desk.buses))
    server = desk.buses[name] = desk.buses.pop(name)
    server.stop()
    return partial(asyncio.to_thread, server.start)


async def lose_primary(desk: Desk) -> Mend:
    """SIGKILL of the primary, and promotion of the standby at once."""
    await asyncio.to_thread(desk.pair.kill_primary)
    await _promote(desk)
    return partial(asyncio.to_thread, desk.pair.rebuild)


async def pull_plug_of_primary(desk: Desk) -> Mend:
    """The primary's machine is silent from one packet to the next; the standby is promoted at once."""
    assert desk.network is not None
    machine = desk.network.machines[desk.pair.primary.name]
    desk.network.pull_plug(machine)
    await asyncio.to_thread(desk.pair.kill_primary)
    await _promote(desk)

    async def mend() -> None:
        assert desk.network is not None
        desk.network.plug_in(machine)
        await asyncio.to_thread(desk.pair.rebuild)

    return mend


async def cut_from_database(desk: Desk) -> Mend:
    return await _cut(desk, [desk.pair.primary.name, desk.pair.standby.name])


async def cut_from_bus(desk: Desk) -> Mend:
    return await _cut(desk, list(desk.buses))


async def _cut(desk: Desk, names: Sequence[str]) -> Mend:
    """Cut the worker that has stood longest off from these machines; devices still reach it."""
    assert desk.network is not None
    worker = desk.workers.pop(0)
    desk.workers.append(worker)
    assert worker.machine is not None
    others = [desk.network.machines[name] for name in names]
    desk.network.cut(worker.machine, others)

    async def mend() -> None:
        assert desk.network is not None
        assert worker.machine is not None
        desk.network.mend(worker.machine, others)

    return mend


async def _promote(desk: Desk) -> None:
    """Compare what the standby has with what was acknowledged, then promote it."""
    held = await asyncio.to_thread(_acked_at, desk.pair.caught_up())
    desk.wrong += [
        f"event {device.acked_seq} of {device.device_id} was acknowledged, the standby has {standing}"
        for device in desk.devices
        if (standing := held.get(device.device_id, 0)) < device.acked_seq
    ]
    await asyncio.to_thread(desk.pair.promote)


def _acked_at(place: Server) -> dict[str, int]:
    with open_reader(place) as db:
        return dict(
            db.execute("SELECT device_id, max(acked_seq) FROM outboxes GROUP BY device_id").fetchall()
        )


async def struck(desk: Desk, name: str, fault: Fault, times: int) -> Finding:
    """Let the fault strike while devices report, mend it, and go on when all is as before."""
    before, recoveries, of_bus = _shown(desk), [], fault in (kill_bus, cut_from_bus)
    for _ in range(times):
        began_s = time.monotonic()
        mend = await fault(desk)
        recoveries.append(await (desk.commanded if of_bus else desk.recovered)(began_s))
        await mend()
        await desk.recovered(time.monotonic())
    return Finding(
        fault=name,
        tried=times,
        shown=_shown(desk) - before,
        wrong=(),
        recoveries_s=tuple(recoveries),
        recovered=COMMANDED if of_bus else RECOVERED,
    )


def _shown(desk: Desk) -> int:
    return sum(len(device.shown) for device in desk.devices)


@asynccontextmanager
async def opened(folder: Path, *, workers: int, devices: int, spread: bool) -> AsyncIterator[Desk]:
    """Yield workers, their database and bus, and devices that report; spread: over namespaces."""
    (folder / "files").mkdir(parents=True)
    async with AsyncExitStack() as stack:
        machines = stack.enter_context(network()) if spread else None
        pair = stack.enter_context(running_pair(_databases(machines)))
        buses = stack.enter_context(running_cluster(_buses(machines)))
        door = await stack.enter_async_context(balancer())
        authority = Authority.create(folder / "identity")
        administrator = first_administrator(authority, pair.server, timedelta(days=1), time.time_ns())
        desk = Desk(folder, authority, administrator, pair, buses, door, machines)
        stack.push_async_callback(desk.stop_workers)
        for _ in range(workers):
            await desk.add_worker()
        identities = [await desk.joined(f"post-{number}") for number in range(1, devices + 1)]
        desk.devices = await stack.enter_async_context(
            reporting(folder / "devices", door.target, authority.certificate, identities, PAUSE_S)
        )
        await desk.recovered(time.monotonic())
        commanding = asyncio.create_task(desk.command_for_ever())
        try:
            yield desk
        finally:
            commanding.cancel()


def _databases(machines: Network | None) -> tuple[Node, Node] | None:
    if machines is None:
        return None
    first, second = (
        Node(name, each.address, each.prefix) for name in ("db_1", "db_2") for each in [machines.add(name)]
    )
    return first, second


def _buses(machines: Network | None) -> list[NatsNode] | None:
    if machines is None:
        return None
    return [
        NatsNode(name, each.address, each.prefix)
        for name in ("nats_1", "nats_2", "nats_3")
        for each in [machines.add(name)]
    ]


FAULTS: tuple[tuple[str, Fault], ...] = (
    ("SIGKILL of one of several workers", kill_worker),
    ("SIGKILL of one of three NATS servers", kill_bus),
    ("SIGKILL of the PostgreSQL primary, its standby promoted", lose_primary),
)
CUTS: tuple[tuple[str, Fault], ...] = (
    ("the primary's machine falls silent, its standby is promoted", pull_plug_of_primary),
    ("a worker is cut off from the database", cut_from_database),
    ("a worker is cut off from NATS", cut_from_bus),
)


async def strike_all(
    folder: Path,
    faults: Sequence[tuple[str, Fault]],
    times: int,
    *,
    workers: int = 3,
    devices: int,
    spread: bool,
) -> list[Finding]:
    """Let each fault strike `times` times, one after the other; what is wrong is said of each."""
    async with opened(folder, workers=workers, devices=devices, spread=spread) as desk:
        found = [await struck(desk, name, fault, times) for name, fault in faults]
        await desk.settle()
        wrong = await asyncio.to_thread(desk.judge)
        again = sum(device.arrived.total() - len(device.arrived) for device in desk.devices)
    note = f"{len(desk.commands)} commands, each done once; {again} deliveries of them were repeats"
    return [msgspec.structs.replace(finding, wrong=wrong, note=note) for finding in found]


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    if (why := unavailable()) is not None:
        return [Finding(fault="several workers on one record", tried=0, shown=0, wrong=(), note=why)]
    return await strike_all(folder, (*FAULTS, *CUTS), round(5 * share) or 1, devices=8, spread=True)
