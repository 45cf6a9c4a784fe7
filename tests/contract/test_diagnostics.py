"""Bundles and logs of devices reach the desk where they were asked for, and nobody else's do."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.authority import Authority
from aggregator.beside import Beside
from aggregator.bus.in_process import InProcess
from aggregator.link.diagnostics import erase_old_bundles
from aggregator.link.log_relay import MAX_UNREAD, LogRelay
from aggregator.store import diagnostics
from aggregator.store.database import open_reader
from aggregator.store.diagnostics import KEPT_NS
from aggregator.store.fleet_artifacts import spent
from aggregator.store.writer import StoreWriter
from aidpost.v1 import (
    artifact_pb2,
    artifact_pb2_grpc,
    event_pb2,
    export_pb2,
    fleet_pb2,
    fleet_pb2_grpc,
    inventory_pb2,
)
from firmware.uplink.backoff import Backoff
from firmware.uplink.diagnostics_calls import CHUNK_BYTES, DiagnosticsCalls, NotWanted
from tests.kit.aggregator_fixture import NOW_NS, running_aggregator
from tests.kit.identities import DeviceIdentity, Held, first_administrator, joined, shown
from tests.kit.link_device import PATIENCE_S, SITE, LinkDevice
from tests.kit.shared_site import Showing

COLLECT, TAIL = event_pb2.COMMAND_KIND_COLLECT_DIAGNOSTICS, event_pb2.COMMAND_KIND_TAIL_LOG
BUNDLE = random.Random(7).randbytes(3 * CHUNK_BYTES + 5)  # noqa: S311
ASKED = b"asked-for-16byte"


@dataclass
class Post:
    """An aggregator with two devices, its desk, and the calls of each device."""

    authority: Authority
    target: str
    store: Path
    administrator: Held
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    first: DeviceIdentity
    second: DeviceIdentity

    async def ask(self, kind: event_pb2.CommandKind.ValueType, command_id: bytes = ASKED) -> None:
        request = fleet_pb2.SendCommandRequest(
            command_id=command_id,
            device_id="desk-1",
            kind=kind,
            lifetime=Duration(seconds=3600),
            duration=Duration(seconds=60) if kind == TAIL else None,
        )
        await self.fleet.SendCommand(request, timeout=PATIENCE_S)

    async def agree(self) -> None:
        """Let the site agree to be looked into."""
        site = inventory_pb2.Site(name=SITE, support_consent_until=Timestamp(seconds=NOW_NS // 10**9 + 3600))
        await self.fleet.UpdateSite(inventory_pb2.UpdateSiteRequest(site=site), timeout=PATIENCE_S)

    def calls(self, device: DeviceIdentity) -> DiagnosticsCalls:
        return DiagnosticsCalls(
            Showing(lambda: self.target, self.authority, device),
            lambda: Backoff(random.Random(1), cap_s=0.01),  # noqa: S311
        )

    async def bundles(self) -> list[export_pb2.DiagnosticBundle]:
        return list((await self.fleet.ListDiagnostics(export_pb2.ListDiagnosticsRequest())).bundles)

    async def fetch(self, offset: int = 0) -> bytes:
        request = export_pb2.FetchDiagnosticsRequest(command_id=ASKED, offset=offset)
        return b"".join([part.data async for part in self.fleet.FetchDiagnostics(request)])

    async def acts(self) -> list[str]:
        entries = (await self.fleet.ListAudit(fleet_pb2.ListAuditRequest())).entries
        return [f"{each.act} {each.subject}" for each in entries]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    authority = Authority.create(tmp_path / "identity")
    store = tmp_path / "store.db"
    administrator = first_administrator(authority, store)
    async with (
        running_aggregator(store, authority=authority) as server,
        shown(server.target, authority.certificate, administrator) as channel,
    ):
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        devices = [
            await joined(fleet, server.target, authority.certificate, name) for name in ("desk-1", "desk-2")
        ]
        async with shown(server.target, authority.certificate, devices[0].held()) as own:
            await LinkDevice(own).hello()  # a command is for a device that reported
        yield Post(authority, server.target, store, administrator, fleet, *devices)


async def test_a_bundle_that_was_asked_for_is_held_whole_and_fetched_from_anywhere(post: Post) -> None:
    await post.ask(COLLECT)
    await post.calls(post.first).hand_in(ASKED, BUNDLE)
    (held,) = await post.bundles()
    assert (held.device_id, held.bytes, held.complete) == ("desk-1", len(BUNDLE), True)
    assert await post.fetch() == BUNDLE
    assert await post.fetch(offset=50_000) == BUNDLE[50_000:]
    assert f"fetch diagnostics desk-1 {ASKED.hex()}" in await post.acts()
    with open_reader(post.store) as db:
        assert spent(db, SITE, "2026-01-01") == len(BUNDLE), "it counts in the day of its site"


async def test_bundles_of_one_moment_are_listed_each_once_page_by_page(post: Post) -> None:
    asked = [bytes([number]) * 16 for number in range(3)]
    for command_id in asked:
        await post.ask(COLLECT, command_id)
        await post.calls(post.first).hand_in(command_id, BUNDLE)
    request, found = export_pb2.ListDiagnosticsRequest(page_size=1), []
    while True:
        answer = await post.fleet.ListDiagnostics(request, timeout=PATIENCE_S)
        found += [bundle.command_id for bundle in answer.bundles]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert sorted(found) == asked
    other = export_pb2.ListDiagnosticsRequest(device_id="desk-1", page_token=request.page_token)
    with pytest.raises(grpc.aio.AioRpcError, match="another list or filter"):
        await post.fleet.ListDiagnostics(other, timeout=PATIENCE_S)


async def test_a_fetch_from_beyond_the_end_is_refused(post: Post) -> None:
    await post.ask(COLLECT)
    await post.calls(post.first).hand_in(ASKED, BUNDLE)
    assert await post.fetch(offset=len(BUNDLE)) == b""
    with pytest.raises(grpc.aio.AioRpcError) as beyond:
        await post.fetch(offset=2**64 - 1)
    assert beyond.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_upload_goes_on_where_the_link_broke(post: Post) -> None:
    await post.ask(COLLECT)

    async def half() -> AsyncIterator[artifact_pb2.UploadRequest]:
        yield artifact_pb2.UploadRequest(
            command_id=ASKED, total_bytes=len(BUNDLE), digest=hashlib.sha256(BUNDLE).digest()
        )
        yield artifact_pb2.UploadRequest(data=BUNDLE[:CHUNK_BYTES])

    async with shown(post.target, post.authority.certificate, post.first.held()) as channel:
        service: artifact_pb2_grpc.DiagnosticsServiceAsyncStub
        service = artifact_pb2_grpc.DiagnosticsServiceStub(channel)
        assert (await service.Upload(half(), timeout=PATIENCE_S)).held_bytes == CHUNK_BYTES
        known = await service.GetUpload(artifact_pb2.GetUploadRequest(command_id=ASKED), timeout=PATIENCE_S)
        assert known.held_bytes == CHUNK_BYTES
    (held,) = await post.bundles()
    assert not held.complete
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await post.fetch()
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND
    await post.calls(post.first).hand_in(ASKED, BUNDLE)
    assert await post.fetch() == BUNDLE


async def test_nobody_hands_in_what_was_not_asked_of_them(post: Post) -> None:
    with pytest.raises(NotWanted, match="was not asked"):
        await post.calls(post.first).hand_in(ASKED, BUNDLE)
    await post.ask(COLLECT)
    with pytest.raises(NotWanted, match="was not asked"):
        await post.calls(post.second).hand_in(ASKED, BUNDLE)
    with pytest.raises(NotWanted, match="was not asked"):
        await post.calls(post.first).tell_log(ASKED, _once(["line"]))
    assert await post.bundles() == []


async def test_a_bundle_that_is_not_what_it_says_is_not_kept(post: Post) -> None:
    await post.ask(COLLECT)

    async def other() -> AsyncIterator[artifact_pb2.UploadRequest]:
        yield artifact_pb2.UploadRequest(command_id=ASKED, total_bytes=4, digest=bytes(32))
        yield artifact_pb2.UploadRequest(data=b"evil")

    async with shown(post.target, post.authority.certificate, post.first.held()) as channel:
        service: artifact_pb2_grpc.DiagnosticsServiceAsyncStub
        service = artifact_pb2_grpc.DiagnosticsServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as damaged:
            await service.Upload(other(), timeout=PATIENCE_S)
        assert damaged.value.code() is grpc.StatusCode.DATA_LOSS
    await post.calls(post.first).hand_in(ASKED, BUNDLE)
    assert await post.fetch() == BUNDLE


async def test_a_bundle_is_erased_when_its_time_is_over(tmp_path: Path) -> None:
    shelf = Beside.of(tmp_path / "store.db", None, None).bundle_shelf()
    writer = StoreWriter(tmp_path / "store.db", wall_ns=lambda: 0, max_bytes=None, on_fault=lambda _: None)
    await writer.open()
    await writer.submit(lambda db: diagnostics.begin(db, ASKED, "desk-1", 4, bytes(32), NOW_NS))
    shelf.append(ASKED, 0, b"data")
    await erase_old_bundles(writer, shelf, lambda: NOW_NS + KEPT_NS - 1)
    assert shelf.held_bytes(ASKED) == 4
    await erase_old_bundles(writer, shelf, lambda: NOW_NS + KEPT_NS)
    assert shelf.held_bytes(ASKED) == 0
    assert await writer.submit(lambda db: diagnostics.read(db, "", b"", 1)) == ()
    await writer.close()


async def test_a_log_is_followed_while_its_device_tells_it(post: Post) -> None:
    await post.agree()
    await post.ask(TAIL)
    follow = post.fleet.FollowLog(export_pb2.FollowLogRequest(command_id=ASKED), timeout=PATIENCE_S)
    telling = asyncio.create_task(
        post.calls(post.first).tell_log(ASKED, _once(["first", "\x1b]0;second\x07\n"]))
    )
    lines = [line async for answer in follow for line in answer.lines]
    await telling
    assert lines == ["first", "\ufffd]0;second\ufffd\ufffd"], "no line steers a terminal"
    assert "follow log desk-1" in await post.acts()


async def test_a_log_that_no_device_was_asked_for_is_not_followed(post: Post) -> None:
    await post.ask(COLLECT)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        _ = [each async for each in post.fleet.FollowLog(export_pb2.FollowLogRequest(command_id=ASKED))]
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def _once(lines: list[str]) -> AsyncIterator[list[str]]:
    yield lines


async def test_two_streams_of_one_log_and_a_slow_follower_lose_nothing_silently() -> None:
    relay = LogRelay(InProcess())
    follow = relay.follow(ASKED)
    first = asyncio.ensure_future(anext(follow))
    await asyncio.sleep(0)  # it follows now
    with relay.telling(ASKED), relay.telling(ASKED):
        relay.tell(ASKED, ("begin",))
        assert await first == ("begin",)
        with relay.telling(ASKED):
            pass  # a stream that broke and came again
        for number in range(MAX_UNREAD + 3):
            relay.tell(ASKED, (str(number),))
    lines = [line async for lines in follow for line in lines]
    assert '{"event": "lines left out", "lines": 3}' in lines
    assert len(lines) == MAX_UNREAD + 1
