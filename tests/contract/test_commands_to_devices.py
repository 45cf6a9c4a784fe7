"""What an operator asks of a device is written down, and delivered until its result has come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from aggregator.authority import Authority
from aggregator.store.place import Place
from aidpost.v1 import event_pb2, fleet_pb2, fleet_pb2_grpc, link_pb2
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.identities import DeviceIdentity, first_administrator, joined, shown
from tests.kit.link_device import PATIENCE_S, LinkDevice, moment

SELF_TEST = event_pb2.COMMAND_KIND_SELF_TEST


@dataclass
class Post:
    target: str
    authority: Authority
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    device: DeviceIdentity

    async def ask(self, number: int) -> bytes:
        command_id = bytes([number]) * 16
        request = fleet_pb2.SendCommandRequest(
            command_id=command_id, device_id="desk-1", kind=SELF_TEST, lifetime=Duration(seconds=60)
        )
        await self.fleet.SendCommand(request, timeout=PATIENCE_S)
        return command_id

    async def states(self) -> list[fleet_pb2.CommandState]:
        return list((await self.fleet.ListCommands(fleet_pb2.ListCommandsRequest())).commands)


@pytest.fixture
async def post(store: Place, tmp_path: Path) -> AsyncIterator[Post]:
    authority = Authority.create(tmp_path / "identity")
    administrator = first_administrator(authority, store)
    async with (
        running_aggregator(store, files=tmp_path / "files", authority=authority) as server,
        shown(server.target, authority.certificate, administrator) as channel,
    ):
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        device = await joined(fleet, server.target, authority.certificate, "desk-1")
        yield Post(server.target, authority, fleet, device)


def result(seq: int, command_id: bytes) -> event_pb2.Event:
    return event_pb2.Event(
        seq=seq,
        moment=moment(seq),
        command_result=event_pb2.CommandResult(
            command_id=command_id,
            kind=SELF_TEST,
            outcome=event_pb2.COMMAND_OUTCOME_DONE,
            detail="well",
        ),
    )


async def test_a_command_is_delivered_at_hello_and_while_connected_until_its_result_has_come(
    post: Post,
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="no such device"):
        await post.ask(1)
    async with shown(post.target, post.authority.certificate, post.device.held()) as channel:
        device = LinkDevice(channel)
        await device.hello()
        while_connected = await post.ask(1)
        assert (await device.read()).command.command_id == while_connected
        device.break_off()
        at_hello = await post.ask(2)

        again = LinkDevice(channel)
        await again.hello()
        commands: list[link_pb2.Command] = [(await again.read()).command for _ in range(2)]
        assert [each.command_id for each in commands] == [while_connected, at_hello]
        assert {each.kind for each in commands} == {SELF_TEST}
        assert await again.report([result(1, while_connected)]) == 1
        again.break_off()

        third = LinkDevice(channel)
        await third.hello()
        assert (await third.read()).command.command_id == at_hello

    states = {each.command_id: each for each in await post.states()}
    first, second = states[while_connected], states[at_hello]
    assert (first.outcome, first.detail) == (event_pb2.COMMAND_OUTCOME_DONE, "well")
    assert first.asked_by == "administrator root"
    assert second.outcome == event_pb2.COMMAND_OUTCOME_UNSPECIFIED
    assert second.HasField("delivered_at")


async def test_a_request_sent_twice_asks_once(post: Post) -> None:
    async with shown(post.target, post.authority.certificate, post.device.held()) as channel:
        await LinkDevice(channel).hello()
    await post.ask(1)
    await post.ask(1)
    assert len(await post.states()) == 1
    other = fleet_pb2.SendCommandRequest(
        command_id=bytes([1]) * 16,
        device_id="desk-1",
        kind=event_pb2.COMMAND_KIND_SYNC_NOW,
        lifetime=Duration(seconds=60),
    )
    with pytest.raises(grpc.aio.AioRpcError, match="used for another command"):
        await post.fleet.SendCommand(other, timeout=PATIENCE_S)
    audit = await post.fleet.ListAudit(fleet_pb2.ListAuditRequest())
    assert [entry.act for entry in audit.entries].count("command self-test") == 1
