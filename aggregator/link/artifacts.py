"""ArtifactService: files for devices, from where they left off, within their site's bytes of the day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import msgspec
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from aggregator.artifact_shelf import ArtifactShelf
from aggregator.fields import DIGEST_BYTES
from aggregator.link import ending
from aggregator.link.fleet.calls import Context, FleetCalls
from aggregator.link.refusing import Refused, bad_field, not_allowed, not_found, spent
from aggregator.store import fleet_artifacts, fleet_inventory, identities
from aggregator.store.identities import Standing
from aggregator.store.port import Database
from aidpost.v1 import artifact_pb2, artifact_pb2_grpc
from trust.names import DeviceName

PIECE_BYTES = 64 * 1024
PORTION_BYTES = 1 << 20
"""Taken from the day of the site at once: one commit for each, and a broken link gives its rest back."""
RETRY_MISSING_S = 3600


class _Granted(msgspec.Struct, frozen=True):
    """So many bytes of a file may be sent, taken from this day of the site."""

    count: int
    day: str


class ArtifactService(artifact_pb2_grpc.ArtifactServiceServicer):
    """Sends what is in a device's desired state, and nothing else."""

    def __init__(self, calls: FleetCalls, shelf: ArtifactShelf) -> None:
        self._calls = calls
        self._shelf = shelf

    async def Download(  # noqa: N802
        self, request: artifact_pb2.DownloadRequest, context: Context
    ) -> AsyncIterator[artifact_pb2.DownloadResponse]:
        """Send a file from an offset on, portion by portion."""
        if len(request.digest) != DIGEST_BYTES:
            raise bad_field("digest", f"write the {DIGEST_BYTES} bytes of a SHA-256")
        peer = self._calls.callers.of(context).peer
        if peer is None or not isinstance(peer.named, DeviceName):
            raise not_allowed("DEVICE_NEEDED", "devices alone fetch files")
        device, serial, digest, offset = peer.named, peer.serial, request.digest.hex(), request.offset
        left = request.limit or None
        while left is None or left > 0:
            want = PORTION_BYTES if left is None else min(left, PORTION_BYTES)
            granted = await self._grant(context, device, serial, digest, offset, want)
            if granted.count == 0:
                return
            sent = 0
            try:
                data = await self._read(digest, offset, granted.count)
                for start in range(0, len(data), PIECE_BYTES):
                    piece = data[start : start + PIECE_BYTES]
                    yield artifact_pb2.DownloadResponse(data=piece)
                    sent += len(piece)
            finally:
                if unsent := granted.count - sent:
                    await self._give_back(device.site, granted.day, unsent)
            offset += sent
            left = None if left is None else left - sent

    async def _grant(
        self, context: Context, device: DeviceName, serial: int, digest: str, offset: int, want: int
    ) -> _Granted:
        """Take the next portion from the site's day; raises Refused."""

        def take(db: Database, now_ns: int, _actor: str) -> _Granted:
            if (standing := identities.device_standing(db, serial, now_ns)) is not Standing.GOOD:
                raise ending.barred(standing)
            held = fleet_artifacts.find(db, digest)
            if held is None or not fleet_artifacts.is_desired(db, device.device_id, digest):
                raise not_found("file", digest, "it is not in what this device should be")
            size_bytes = held.artifact.size_bytes
            if offset > size_bytes:
                why = f"the file ends at {size_bytes}: begin again from 0"
                raise Refused(grpc.StatusCode.OUT_OF_RANGE, why)
            day, retry_s = fleet_inventory.day_of_site(db, device.site, now_ns)
            wanted = min(want, size_bytes - offset)
            budget = fleet_inventory.budget_bytes(db, device.site)
            count = fleet_artifacts.take(db, device.site, day, wanted, budget)
            if wanted and not count:
                raise spent(
                    f"the bytes of the site {device.site} are spent for {day}: go on tomorrow", retry_s
                )
            return _Granted(count, day)

        return await self._calls.do(context, take)

    async def _read(self, digest: str, offset: int, count: int) -> bytes:
        try:
            data = await asyncio.to_thread(self._shelf.read, digest, offset, count)
        except OSError as error:
            data, why = b"", error.strerror
        else:
            why = "it is shorter than it was"
        if len(data) < count:
            # The device waits, and does not refuse its whole state for what is mended here.
            retry = RetryInfo(retry_delay=Duration(seconds=RETRY_MISSING_S))
            raise Refused(
                grpc.StatusCode.UNAVAILABLE,
                f"the aggregator cannot read the file {digest} ({why}): an administrator adds it again",
                retry,
            )
        return data

    async def _give_back(self, site: str, day: str, count: int) -> None:
        await self._calls.store.submit(lambda db: fleet_artifacts.give_back(db, site, day, count))
