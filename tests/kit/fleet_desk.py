"""A desk that calls FleetService over mutual TLS, and devices that report to the same aggregator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from grpc_status import rpc_status

from aggregator.authority import Authority
from aggregator.link.rolling import TURN_S
from aggregator.store.place import Place
from aidpost.v1 import artifact_pb2_grpc, fleet_pb2_grpc, inventory_pb2
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.identities import DeviceIdentity, Held, first_administrator, joined, shown
from tests.kit.link_device import PATIENCE_S, LinkDevice

DetailT = TypeVar("DetailT", bound=Message)


@dataclass
class Clock:
    """The aggregator's clock, in the test's hands."""

    now_ns: int = NOW_NS

    def __call__(self) -> int:
        return self.now_ns


@dataclass
class FleetDesk:
    """A running aggregator, an administrator with the calls of one, and the clock."""

    server: Running
    authority: Authority
    administrator: Held
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    clock: Clock

    async def device(self, device_id: str) -> DeviceIdentity:
        """Let a device join, and let it report once so that it is known."""
        identity = await joined(self.fleet, self.server.target, self.authority.certificate, device_id)
        async with self.linked(identity) as link:
            await link.hello()
        return identity

    @asynccontextmanager
    async def linked(self, identity: DeviceIdentity) -> AsyncIterator[LinkDevice]:
        """Yield a stream of a device."""
        async with self.channel(identity.held()) as channel:
            link = LinkDevice(channel, identity.device_id)
            yield link
            link.break_off()

    @asynccontextmanager
    async def channel(self, held: Held) -> AsyncIterator[grpc.aio.Channel]:
        """Yield a channel of whoever holds this."""
        async with shown(self.server.target, self.authority.certificate, held) as channel:
            yield channel

    @asynccontextmanager
    async def artifacts(
        self, identity: DeviceIdentity
    ) -> AsyncIterator[artifact_pb2_grpc.ArtifactServiceAsyncStub]:
        """Yield a device's calls of ArtifactService."""
        async with self.channel(identity.held()) as channel:
            yield artifact_pb2_grpc.ArtifactServiceStub(channel)

    async def seen(self, device_id: str) -> inventory_pb2.Device:
        """Return all that is known of a device."""
        request = inventory_pb2.GetDeviceRequest(device_id=device_id)
        return (await self.fleet.GetDevice(request, timeout=PATIENCE_S)).device

    async def ids(self, filter: str) -> list[str]:  # noqa: A002 -- as the field is called
        """Return the devices that a filter matches."""
        request = inventory_pb2.ListDevicesRequest(filter=filter)
        return [
            each.device_id for each in (await self.fleet.ListDevices(request, timeout=PATIENCE_S)).devices
        ]


@asynccontextmanager
async def fleet_desk(
    folder: Path,
    *,
    place: Place | None = None,
    rollout_turn_s: float = TURN_S,
    before: FleetDesk | None = None,
) -> AsyncIterator[FleetDesk]:
    """Run an aggregator with an administrator at its desk.

    place: of its store, None for a file in the folder. before: the same one, before a restart.
    """
    store: Place = place or folder / "store.db"
    if before is None:
        authority, clock = Authority.create(folder / "identity"), Clock()
        administrator = first_administrator(authority, store)
    else:
        authority, clock, administrator = before.authority, before.clock, before.administrator
    async with (
        running_aggregator(
            store, files=folder / "files", authority=authority, clock=clock, rollout_turn_s=rollout_turn_s
        ) as server,
        shown(server.target, authority.certificate, administrator) as channel,
    ):
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        yield FleetDesk(server, authority, administrator, fleet, clock)


async def refused(call: Awaitable[Any], code: grpc.StatusCode, kind: type[DetailT]) -> DetailT:
    """Return the detail with which a call is refused; its code and that it has such a detail are checked."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(PATIENCE_S):
            await call
    assert caught.value.code() is code, caught.value.details()
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]  # a Call, which stubs do not know
    assert status is not None, caught.value.details()
    for packed in status.details:
        found = kind()
        if packed.Unpack(found):
            return found
    raise AssertionError(f"no {kind.__name__} in {status}")
