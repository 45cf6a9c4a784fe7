"""The calls of DiagnosticsService, over a channel of their own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from aidpost.v1 import artifact_pb2, artifact_pb2_grpc
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler, cleaned, retry_delay_s
from firmware.uplink.errors import BadAnswer, LinkLost, UplinkError

CHUNK_BYTES = 32 * 1024  # 7 s at the 40 kbit/s of GPRS
ANSWER_TIMEOUT_S = 60.0
_FINAL = frozenset(
    {
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


class NotWanted(LinkLost):
    """The aggregator does not take it, and will not take it later either."""


class DiagnosticsCalls:
    """Hands in what was asked for; a link that breaks is taken up again where it broke."""

    def __init__(
        self,
        dialler: Dialler,
        backoff: Callable[[], Backoff],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dialler = dialler
        self._backoff = backoff
        self._sleep = sleep

    async def hand_in(self, command_id: bytes, bundle: bytes) -> None:
        """Hand in a bundle, trying until it is there; the caller ends it in time. Raises NotWanted."""
        digest = hashlib.sha256(bundle).digest()
        backoff = self._backoff()
        while True:
            try:
                async with self._connected() as service:
                    await _upload(service, command_id, bundle, digest)
                return
            except NotWanted:
                raise
            except UplinkError as error:
                await self._sleep(backoff.next_s(getattr(error, "retry_after_s", None)))

    async def tell_log(self, command_id: bytes, lines: AsyncIterator[list[str]]) -> None:
        """Send lines until there are no more. Raises UplinkError."""
        async with self._connected() as service:
            try:
                await service.TailLog(_tail(command_id, lines))
            except grpc.aio.AioRpcError as error:
                raise _fault(error) from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[artifact_pb2_grpc.DiagnosticsServiceAsyncStub]:
        channel = await self._dialler.dial()
        async with channel:
            service: artifact_pb2_grpc.DiagnosticsServiceAsyncStub
            service = artifact_pb2_grpc.DiagnosticsServiceStub(channel)
            yield service


async def _upload(
    service: artifact_pb2_grpc.DiagnosticsServiceAsyncStub, command_id: bytes, bundle: bytes, digest: bytes
) -> None:
    try:
        known = await service.GetUpload(
            artifact_pb2.GetUploadRequest(command_id=command_id), timeout=ANSWER_TIMEOUT_S
        )
        if known.held_bytes > len(bundle):
            raise BadAnswer("the aggregator holds more of the bundle than there is")
        answer = await service.Upload(_pieces(command_id, bundle, digest, known.held_bytes))
    except grpc.aio.AioRpcError as error:
        raise _fault(error) from error
    if answer.held_bytes != len(bundle):
        raise LinkLost("the bundle is not whole at the aggregator yet")


async def _pieces(
    command_id: bytes, bundle: bytes, digest: bytes, offset: int
) -> AsyncIterator[artifact_pb2.UploadRequest]:
    yield artifact_pb2.UploadRequest(
        command_id=command_id, offset=offset, total_bytes=len(bundle), digest=digest
    )
    for start in range(offset, len(bundle), CHUNK_BYTES):
        yield artifact_pb2.UploadRequest(data=bundle[start : start + CHUNK_BYTES])


async def _tail(
    command_id: bytes, lines: AsyncIterator[list[str]]
) -> AsyncIterator[artifact_pb2.TailLogRequest]:
    yield artifact_pb2.TailLogRequest(command_id=command_id)
    async for some in lines:
        yield artifact_pb2.TailLogRequest(lines=some)


def _fault(error: grpc.aio.AioRpcError) -> LinkLost:
    what = f"{cleaned(error.details())} ({error.code().name})"
    if error.code() in _FINAL:
        return NotWanted(what)
    return LinkLost(what, retry_delay_s(error.trailing_metadata()))
