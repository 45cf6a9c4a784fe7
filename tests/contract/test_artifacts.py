"""Files from the desk to devices: whole or not, from where a link broke, within its site's bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import BadRequest, ResourceInfo, RetryInfo

from aggregator.link.artifacts import PORTION_BYTES
from aggregator.store.database import open_reader
from aggregator.store.fleet_artifacts import spent
from aidpost.v1 import artifact_pb2, artifact_pb2_grpc, fleet_pb2, inventory_pb2, state_pb2
from tests.kit.fleet_desk import FleetDesk, fleet_desk, refused
from tests.kit.link_device import SITE

BUNDLE = random.Random(7).randbytes(2 * PORTION_BYTES + 70_000)  # noqa: S311
POINT = state_pb2.Artifact(
    kind=state_pb2.ARTIFACT_KIND_OPERATING_POINT,
    version="strict",
    digest=hashlib.sha256(BUNDLE).digest(),
    bytes=len(BUNDLE),
)
INVALID = grpc.StatusCode.INVALID_ARGUMENT
DAY = "2026-01-01"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[FleetDesk]:
    async with fleet_desk(tmp_path) as made:
        yield made


async def pieces(
    content: bytes = BUNDLE, artifact: state_pb2.Artifact = POINT
) -> AsyncIterator[inventory_pb2.AddArtifactRequest]:
    stored = inventory_pb2.StoredArtifact(artifact=artifact, title="stricter")
    yield inventory_pb2.AddArtifactRequest(artifact=stored)
    for start in range(0, len(content), 65536):
        yield inventory_pb2.AddArtifactRequest(data=content[start : start + 65536])


async def desired(desk: FleetDesk, *artifacts: state_pb2.Artifact) -> None:
    scope = inventory_pb2.Scope(fleet=inventory_pb2.Fleet())
    await desk.fleet.UpdateDesire(
        inventory_pb2.UpdateDesireRequest(
            desire=inventory_pb2.Desire(scope=scope, artifacts=artifacts),
            update_mask=FieldMask(paths=["artifacts.operating_point"]),
        )
    )


async def download(
    calls: artifact_pb2_grpc.ArtifactServiceAsyncStub, offset: int = 0, limit: int = 0
) -> bytes:
    request = artifact_pb2.DownloadRequest(digest=POINT.digest, offset=offset, limit=limit)
    return b"".join([answer.data async for answer in calls.Download(request)])


async def gathered(calls: artifact_pb2_grpc.ArtifactServiceAsyncStub, taken: bytearray) -> None:
    """Download the file, and keep what came of it where it breaks off."""
    async for answer in calls.Download(artifact_pb2.DownloadRequest(digest=POINT.digest)):
        taken += answer.data


async def exhausted(answers: AsyncIterator[artifact_pb2.DownloadResponse]) -> None:
    async for _ in answers:
        pass


def spent_today(desk: FleetDesk, day: str = DAY) -> int:
    with open_reader(desk.server.file) as db:
        return spent(db, SITE, day)


async def test_a_device_fetches_what_it_should_have_from_where_it_left_off(desk: FleetDesk) -> None:
    stored = (await desk.fleet.AddArtifact(pieces())).artifact
    assert (stored.artifact, stored.title, stored.added_by) == (POINT, "stricter", "administrator root")
    assert list((await desk.fleet.ListArtifacts(inventory_pb2.ListArtifactsRequest())).artifacts) == [stored]
    async with desk.artifacts(await desk.device("desk-1")) as calls:
        found = await refused(download(calls), grpc.StatusCode.NOT_FOUND, ResourceInfo)
        assert found.resource_type == "file"
        await desired(desk, POINT)
        assert await download(calls, limit=100_000) == BUNDLE[:100_000]
        assert await download(calls, offset=100_000) == BUNDLE[100_000:]
        assert await download(calls, offset=len(BUNDLE)) == b""
        assert spent_today(desk) == len(BUNDLE)
        with pytest.raises(grpc.aio.AioRpcError, match="begin again from 0") as beyond:
            await download(calls, offset=len(BUNDLE) + 1)
        assert beyond.value.code() is grpc.StatusCode.OUT_OF_RANGE
        await desired(desk)
        await refused(download(calls), grpc.StatusCode.NOT_FOUND, ResourceInfo)


async def test_a_site_takes_no_more_in_a_day_than_it_may_by_its_own_clock(desk: FleetDesk) -> None:
    await desk.fleet.AddArtifact(pieces())
    site = inventory_pb2.Site(name=SITE, daily_budget_bytes=1_500_000)
    site.window.time_zone = "Asia/Kathmandu"  # 14:45 there at the test's 09:00
    await desk.fleet.UpdateSite(inventory_pb2.UpdateSiteRequest(site=site, allow_missing=True))
    await desired(desk, POINT)
    one, two = await desk.device("desk-1"), await desk.device("desk-2")
    async with desk.artifacts(one) as first, desk.artifacts(two) as second:
        assert len(await download(first, limit=1_000_000)) == 1_000_000
        taken = bytearray()
        await refused(gathered(second, taken), grpc.StatusCode.RESOURCE_EXHAUSTED, RetryInfo)
        assert taken == BUNDLE[:500_000]
        retry = await refused(download(second), grpc.StatusCode.RESOURCE_EXHAUSTED, RetryInfo)
        assert retry.retry_delay.seconds == 9 * 3600 + 15 * 60
        desk.clock.now_ns += retry.retry_delay.seconds * 10**9
        assert await download(second, offset=500_000, limit=1_000_000) == BUNDLE[500_000:1_500_000]
        desk.clock.now_ns -= 10 * 3600 * 10**9  # set back: that day is spent, and stays so
        await refused(download(second), grpc.StatusCode.RESOURCE_EXHAUSTED, RetryInfo)


async def test_a_device_that_is_shut_out_gets_no_further(desk: FleetDesk) -> None:
    await desk.fleet.AddArtifact(pieces())
    await desired(desk, POINT)
    async with desk.artifacts(await desk.device("desk-1")) as calls:
        answers = aiter(calls.Download(artifact_pb2.DownloadRequest(digest=POINT.digest)))
        await anext(answers)  # the rest waits for whoever reads it
        await desk.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"))
        with pytest.raises(grpc.aio.AioRpcError) as shut:
            await exhausted(answers)
        assert shut.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_what_came_otherwise_than_announced_is_not_kept(desk: FleetDesk) -> None:
    other = state_pb2.Artifact()
    other.CopyFrom(POINT)
    other.digest = bytes(32)
    nothing = state_pb2.Artifact()
    nothing.CopyFrom(POINT)
    nothing.bytes = 0
    for content, artifact, said in (
        (BUNDLE[:-1], POINT, f"{len(BUNDLE) - 1} of {len(BUNDLE)} bytes came"),
        (BUNDLE + b"x", POINT, "more came than"),
        (BUNDLE, other, "not what its digest says"),
        (b"", nothing, "a file has from 1 to"),
        (b"", state_pb2.Artifact(), "kind is not a value"),
    ):
        bad = await refused(desk.fleet.AddArtifact(pieces(content, artifact)), INVALID, BadRequest)
        assert said in bad.field_violations[0].description
    assert not (await desk.fleet.ListArtifacts(inventory_pb2.ListArtifactsRequest())).artifacts
    folder = desk.server.file.with_name(desk.server.file.name + ".artifacts")
    assert list(folder.iterdir()) == []


async def test_a_file_that_is_held_is_not_taken_for_another_kind(desk: FleetDesk) -> None:
    await desk.fleet.AddArtifact(pieces())
    other = state_pb2.Artifact()
    other.CopyFrom(POINT)
    other.kind = state_pb2.ARTIFACT_KIND_POLICY
    bad = await refused(desk.fleet.AddArtifact(pieces(artifact=other)), INVALID, BadRequest)
    assert "held as operating_point strict" in bad.field_violations[0].description
    assert (await desk.fleet.AddArtifact(pieces())).artifact.artifact == POINT


async def test_a_file_that_is_gone_makes_devices_wait_until_it_is_added_again(desk: FleetDesk) -> None:
    await desk.fleet.AddArtifact(pieces())
    await desired(desk, POINT)
    folder = desk.server.file.with_name(desk.server.file.name + ".artifacts")
    (folder / POINT.digest.hex()).unlink()
    async with desk.artifacts(await desk.device("desk-1")) as calls:
        retry = await refused(download(calls), grpc.StatusCode.UNAVAILABLE, RetryInfo)
        assert retry.retry_delay.seconds == 3600
        assert spent_today(desk) == 0, "nothing was sent"
        await desk.fleet.AddArtifact(pieces())
        assert await download(calls) == BUNDLE
