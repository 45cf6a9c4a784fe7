"""Fetches files through ArtifactService, over a channel of its own, from where a broken link left off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from aidpost.v1 import artifact_pb2, artifact_pb2_grpc
from firmware.uplink.channel import Dialler, cleaned, retry_delay_s
from firmware.uplink.errors import CertificateRefused, LinkLost, NoAnswer

ANSWER_TIMEOUT_S = 60.0  # a piece of 64 KiB takes 13 s at the 40 kbit/s of GPRS


class NotOffered(LinkLost):
    """The aggregator has no such file for this device."""


class OtherSize(LinkLost):
    """The aggregator's file ends before what is here of it."""


async def download(dialler: Dialler, digest: bytes, offset: int) -> AsyncIterator[bytes]:
    """Yield the file's bytes from `offset` on, in pieces.

    digest: its SHA-256. Raises UplinkError; LinkLost has the wait that the aggregator asks for, as when the
    site's bytes of the day are spent.
    """
    async with _connected(dialler) as service:
        async for data in _pieces(service, artifact_pb2.DownloadRequest(digest=digest, offset=offset)):
            yield data


class RangeCalls:
    """Reads parts of files, one after the other over one channel, which is dialled when it is needed."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._channel: grpc.aio.Channel | None = None
        self._dialling = asyncio.Lock()

    async def read(self, digest: bytes, offset: int, count: int) -> bytes:
        """Return so many bytes of the file, fewer at its end. Raises UplinkError."""
        async with self._dialling:
            if self._channel is None:
                self._channel = await self._dialler.dial()
            channel = self._channel
        gathered = bytearray()
        request = artifact_pb2.DownloadRequest(digest=digest, offset=offset, limit=count)
        async for data in _pieces(artifact_pb2_grpc.ArtifactServiceStub(channel), request):
            gathered += data
        return bytes(gathered)

    async def close(self) -> None:
        """Give the channel back."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


async def _pieces(
    service: artifact_pb2_grpc.ArtifactServiceAsyncStub, request: artifact_pb2.DownloadRequest
) -> AsyncIterator[bytes]:
    call: Any = service.Download(request)  # grpc.aio.UnaryStreamCall; its stubs do not know EOF
    try:
        while (response := await _in_time(call)) is not grpc.aio.EOF:
            yield response.data
    except grpc.aio.AioRpcError as error:
        raise _fault(error) from error
    finally:
        call.cancel()


@asynccontextmanager
async def _connected(dialler: Dialler) -> AsyncIterator[artifact_pb2_grpc.ArtifactServiceAsyncStub]:
    channel = await dialler.dial()
    async with channel:
        yield artifact_pb2_grpc.ArtifactServiceStub(channel)


async def _in_time(call: Any) -> Any:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await call.read()
    except TimeoutError:
        raise NoAnswer(f"nothing of a file came within {ANSWER_TIMEOUT_S:g} s; it goes on later") from None


def _fault(error: grpc.aio.AioRpcError) -> LinkLost:
    details = cleaned(error.details())
    match error.code():
        case grpc.StatusCode.NOT_FOUND:
            return NotOffered(f"the aggregator offers this device no such file ({details}): add it anew")
        case grpc.StatusCode.OUT_OF_RANGE:
            return OtherSize(f"the aggregator's file is shorter ({details})")
        case grpc.StatusCode.UNAUTHENTICATED:
            return CertificateRefused(f"the aggregator asks this device to join again ({details})")
        case code:
            wait_s = retry_delay_s(error.trailing_metadata())
            return LinkLost(f"a file cannot be fetched now ({code.name}: {details})", wait_s)
