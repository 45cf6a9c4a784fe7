"""Several workers on one store: a device is at one of them, and whoever asks may be at another."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import structlog
from google.protobuf.duration_pb2 import Duration

from aggregator.authority import Authority
from aggregator.leading import Duty, Leading
from aggregator.store.database import open_writer
from aggregator.store.place import Server
from aggregator.store.view import StoreView
from aidpost.v1 import event_pb2, fleet_pb2, fleet_pb2_grpc, inventory_pb2
from tests.kit.aggregator_fixture import NOW_NS, Running, apart, running_aggregator
from tests.kit.aggregator_process import START_TIMEOUT_S, AggregatorProcess
from tests.kit.identities import DeviceIdentity, first_administrator, joined, shown
from tests.kit.link_device import PATIENCE_S, LinkDevice, check_in, dialled, health
from tests.kit.nats import PROGRAM, NatsServer, running_nats
from tests.kit.postgres import PostgresServer, free_port

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's nats-server")


@dataclass(frozen=True)
class Workers:
    """Two workers, an administrator's desk at the second, and the channels of a device to each."""

    first: Running
    second: Running
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    to_first: grpc.aio.Channel
    to_second: grpc.aio.Channel
    device: DeviceIdentity

    async def ask(self, number: int) -> bytes:
        command_id = bytes([number]) * 16
        await self.fleet.SendCommand(
            fleet_pb2.SendCommandRequest(
                command_id=command_id,
                device_id="desk-1",
                kind=event_pb2.COMMAND_KIND_SELF_TEST,
                lifetime=Duration(seconds=60),
            ),
            timeout=PATIENCE_S,
        )
        return command_id


@pytest.fixture
def bus() -> Iterator[NatsServer]:
    with running_nats() as server:
        yield server


@pytest.fixture
async def workers(
    postgres: PostgresServer, bus: NatsServer, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Workers]:
    store = postgres.new_store(f"workers_{abs(hash(request.node.nodeid))}")
    authority = Authority.create(tmp_path / "identity")
    administrator = first_administrator(authority, store)
    async with AsyncExitStack() as stack:

        async def worker() -> Running:
            return await stack.enter_async_context(
                running_aggregator(store, files=tmp_path / "files", bus=(bus.url,), authority=authority)
            )

        async def channel(at: Running, who: object) -> grpc.aio.Channel:
            return await stack.enter_async_context(shown(at.target, authority.certificate, who))  # type: ignore[arg-type]

        first, second = await worker(), await worker()
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(
            await channel(second, administrator)
        )
        device = await joined(fleet, first.target, authority.certificate, "desk-1")
        yield Workers(
            first,
            second,
            fleet,
            await channel(first, device.held()),
            await channel(second, device.held()),
            device,
        )


async def test_a_command_reaches_a_device_at_another_worker_at_once(workers: Workers) -> None:
    device = LinkDevice(workers.to_first)
    await device.hello()
    asked = await workers.ask(1)
    assert (await device.read()).command.command_id == asked
    assert await device.report([check_in(1)]) == 1
    shown_at_second = await workers.fleet.GetDevice(
        inventory_pb2.GetDeviceRequest(device_id="desk-1"), timeout=PATIENCE_S
    )
    assert shown_at_second.device.device_id == "desk-1"
    device.break_off()


async def test_the_newest_stream_wins_whichever_worker_holds_it(workers: Workers, bus: NatsServer) -> None:
    older = LinkDevice(workers.to_first)
    await older.hello()
    newer = LinkDevice(workers.to_second)
    await newer.hello()
    assert (await older.ending()).code is grpc.StatusCode.ABORTED
    assert await newer.report([check_in(1)]) == 1

    # Without the bus nobody tells the older one: its next batch is refused, and nothing of it is stored.
    bus.stop()
    again = LinkDevice(workers.to_first)
    await again.hello(last_seq=1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await newer.report([check_in(2)])
    assert refused.value.code() is grpc.StatusCode.ABORTED
    assert [event.seq for event in workers.first.events()] == [1]
    again.break_off()


async def test_a_revoked_device_is_shut_out_at_a_worker_that_was_not_told(
    workers: Workers, bus: NatsServer
) -> None:
    device = LinkDevice(workers.to_first)
    await device.hello()
    assert await device.report([check_in(1)]) == 1
    bus.stop()
    await workers.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"), timeout=PATIENCE_S)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await device.report([check_in(2)])
    assert refused.value.code() is grpc.StatusCode.ABORTED
    assert [event.seq for event in workers.first.events()] == [1]
    assert (await LinkDevice(workers.to_first).ending()).code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_bus_that_was_down_is_healed_by_looking(workers: Workers, bus: NatsServer) -> None:
    device = LinkDevice(workers.to_first)
    await device.hello()
    bus.stop()
    asked = await workers.ask(1)
    bus.start()
    async with asyncio.timeout(PATIENCE_S):
        assert (await device.read()).command.command_id == asked
    for worker in (workers.first, workers.second):
        assert len(worker.logged("bus.lost")) == 1
    device.break_off()


async def test_one_worker_alone_leads_and_another_takes_over(workers: Workers) -> None:
    assert [len(worker.logged("worker.leads")) for worker in (workers.first, workers.second)] == [1, 0]


async def test_what_one_worker_does_for_all_is_done_by_the_next_when_its_session_ends(
    postgres: PostgresServer,
) -> None:
    store = postgres.new_store("leading")
    doing: asyncio.Queue[str] = asyncio.Queue()

    def duty(name: str) -> Duty:
        async def do() -> None:
            doing.put_nowait(f"{name} begins")
            try:
                await asyncio.Event().wait()
            finally:
                doing.put_nowait(f"{name} ends")

        return do

    async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:
        for name in ("ada", "bob"):
            view = StoreView(store, lambda: NOW_NS)
            await view.open()
            stack.push_async_callback(view.close)
            leading = Leading(view, structlog.get_logger(), look_s=0.02)
            task = asyncio.create_task(leading.run([duty(name)]))
            stack.push_async_callback(asyncio.wait, {task})
            stack.callback(task.cancel)
            if name == "ada":
                assert await doing.get() == "ada begins"
        # The server ends its session, as it does where a worker or its machine is gone.
        apart(lambda: _end_session_that_leads(store))
        after = {await doing.get() for _ in range(2)}
        assert "ada ends" in after
        assert after & {"ada begins", "bob begins"}  # whoever looks first


@pytest.mark.parametrize("alone", [True, False])
async def test_duties_begin_anew_where_one_of_them_fails(postgres: PostgresServer, alone: bool) -> None:
    doing: asyncio.Queue[None] = asyncio.Queue()

    async def fail() -> None:
        doing.put_nowait(None)
        raise ValueError("nobody expected it")

    view = None if alone else StoreView(postgres.new_store("failing_duties"), lambda: NOW_NS)
    async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:
        if view is not None:
            await view.open()
            stack.push_async_callback(view.close)
        task = asyncio.create_task(Leading(view, structlog.get_logger(), look_s=0.02).run([fail]))
        stack.push_async_callback(asyncio.wait, {task})
        stack.callback(task.cancel)
        for _ in range(3):
            await doing.get()


def _end_session_that_leads(store: Server) -> None:
    with open_writer(store, None) as db:
        db.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database
               WHERE datname = current_database() AND locktype = 'advisory' AND pid <> pg_backend_pid()"""
        ).fetchall()


async def _logged(server: AggregatorProcess, event: str) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while event not in server.log():  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.05)


async def test_processes_share_a_port_and_one_that_dies_is_replaced(
    postgres: PostgresServer, bus: NatsServer, tmp_path: Path
) -> None:
    store, health_at = postgres.new_store("processes"), f"127.0.0.1:{free_port()}"
    authority = Authority.create(tmp_path / "identity")
    administrator = first_administrator(authority, store, now_ns=time.time_ns())
    server = AggregatorProcess(
        store,
        f"--files={tmp_path / 'files'}",
        f"--bus={bus.url}",
        "--workers=2",
        f"--health={health_at}",
        identity=tmp_path / "identity",
        log_file=tmp_path / "log",
    )
    async with server:
        async with shown(server.target, authority.certificate, administrator) as desk:
            device = await joined(
                fleet_pb2_grpc.FleetServiceStub(desk), server.target, authority.certificate, "desk-1"
            )
        async with shown(server.target, authority.certificate, device.held()) as channel:
            link = LinkDevice(channel)
            await link.hello(last_seq=1)
            assert await link.report([check_in(1)]) == 1
        os.kill(server.workers[0], signal.SIGKILL)  # the system chose whether it had the device
        await _logged(server, "worker.ended")
        async with dialled(health_at) as channel:
            assert await health(channel) == "SERVING"  # of another worker
        await _logged(server, "worker.started")
        async with shown(server.target, authority.certificate, device.held()) as channel:
            link = LinkDevice(channel)
            await link.hello(last_seq=2)
            assert await link.report([check_in(2)]) == 2
        assert await server.stop() == 0
