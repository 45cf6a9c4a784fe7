"""DeviceLinkService when the store is full, at the stop, and as it shows its health."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import grpc
import pytest

from aggregator.authority import Authority
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.link_device import (
    LinkDevice,
    check_in,
    dialled,
    health,
    reflected_services,
)


async def report_until_refused(device: LinkDevice) -> int:
    acked_seq = 0
    try:
        while acked_seq < 5000:
            acked_seq = await device.report(check_in(acked_seq + step) for step in range(1, 101))
    except grpc.aio.AioRpcError:
        return acked_seq
    raise AssertionError("the store was never full")


async def test_a_full_store_acknowledges_nothing_and_serves_again_when_there_is_room(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    async with running_aggregator(store):
        pass
    with closing(sqlite3.connect(store)) as other_use:
        other_use.execute("CREATE TABLE ballast (filler BLOB)")
        other_use.execute("INSERT INTO ballast VALUES (zeroblob(400000))")
        other_use.commit()
    async with (
        running_aggregator(store, max_store_bytes=store.stat().st_size + 60_000) as server,
        dialled(server.target) as channel,
        dialled(server.health) as plain,
    ):
        device = LinkDevice(channel)
        await device.hello()
        acked_seq = await report_until_refused(device)
        ending = await device.ending()
        assert ending.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ending.retry_s == 60.0
        assert await health(channel) == "NOT_SERVING"
        assert await health(plain) == "NOT_SERVING"
        assert await health(plain, "alive") == "SERVING"

        with closing(sqlite3.connect(store)) as other_use:
            other_use.execute("DROP TABLE ballast")
            other_use.commit()
        again = LinkDevice(channel)
        assert (await again.hello()).acked_seq == acked_seq > 0
        assert [event.seq for event in server.events()] == list(range(1, acked_seq + 1))
        assert await again.report([check_in(acked_seq + 1)]) == acked_seq + 1
        assert await health(channel) == "SERVING"
        assert [len(server.logged(name)) for name in ("store.unavailable", "store.recovered")] == [1, 1]


async def test_stopping_loses_no_acknowledged_event_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with AsyncExitStack() as channels:
        async with running_aggregator(tmp_path / "store.db") as server:
            channel = await channels.enter_async_context(dialled(server.target))
            device = LinkDevice(channel)
            await device.hello()
            first_acked_seq = await device.report([check_in(1)])
            for seq in range(2, 52):
                await device.send([check_in(seq)])
        ending = await device.ending()
    assert ending.code is grpc.StatusCode.UNAVAILABLE
    assert ending.retry_s == 1.0
    acked_seq = ending.acked_seq or first_acked_seq
    held = [event.seq for event in server.events()]
    assert held[:acked_seq] == list(range(1, acked_seq + 1))


async def test_health_and_reflection_answer(channel: grpc.aio.Channel) -> None:
    assert await health(channel) == "SERVING"
    assert await health(channel, "aidpost.v1.DeviceLinkService") == "SERVING"
    assert "aidpost.v1.DeviceLinkService" in await reflected_services(channel)


async def test_without_a_certificate_health_alone_is_answered(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "authority")
    async with (
        running_aggregator(tmp_path / "store.db", authority=authority) as server,
        dialled(server.health) as plain,
    ):
        assert await health(plain) == await health(plain, "alive") == "SERVING"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await LinkDevice(plain).hello()
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
