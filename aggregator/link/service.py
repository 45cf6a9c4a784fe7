"""DeviceLinkService: hello, batches, and acknowledgements after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

import grpc
from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from aggregator import codec
from aggregator.codec import Batch, Malformed
from aggregator.link import ending
from aggregator.link.callers import Callers
from aggregator.link.ending import LinkEnded
from aggregator.link.presence import Presence
from aggregator.logs import clean
from aggregator.records import Hello
from aggregator.store.errors import StoreError
from aggregator.store.identities import Barred, Copied
from aggregator.store.ingest import Admitted, Kept, OutboxBehind
from aggregator.store.writer import StoreWriter
from aidpost.v1 import link_pb2, link_pb2_grpc
from trust.names import DeviceName

Context: TypeAlias = "grpc.aio.ServicerContext[link_pb2.ConnectRequest, link_pb2.ConnectResponse]"
# What the acknowledging side works off, in order: a batch on its way to the disk, or why the stream ends.
_Pending: TypeAlias = "asyncio.Queue[asyncio.Future[Kept] | LinkEnded | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one stream may ask for.

    max_batches_waiting: batches of one stream that may wait for their commit; then it is not read further
    and HTTP/2 flow control holds the device back. hello_timeout_s: a stream that says nothing is closed.
    drain_timeout_s: how long a stream that has to end may take to send its last acknowledgements.
    """

    max_batch_events: int = 500
    max_batches_waiting: int = 8
    hello_timeout_s: float = 10.0
    drain_timeout_s: float = 5.0


class DeviceLinkService(link_pb2_grpc.DeviceLinkServiceServicer):
    """Takes the devices' events; what it acknowledges is on the disk.

    callers: who is at the other end; None in a development server, which asks nobody for a certificate.
    """

    def __init__(
        self,
        store: StoreWriter,
        presence: Presence,
        callers: Callers | None,
        limits: Limits,
        wall_ns: Callable[[], int],
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._presence = presence
        self._callers = callers
        self._limits = limits
        self._wall_ns = wall_ns
        self._log = log

    async def Connect(self, request_iterator: object, context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Serve one device until it hangs up, or has to."""
        log = self._log.bind(peer=clean(context.peer()))
        try:
            hello = await self._hello(context)
            log = log.bind(device_id=hello.device_id)
            await self._converse(context, hello, log)
        except LinkEnded as ended:
            log.info("link.ended", code=ended.code.name, why=ended.message)
            await ended.abort(context)
        except asyncio.CancelledError:
            log.info("link.lost")
            raise

    async def _converse(self, context: Context, hello: Hello, log: FilteringBoundLogger) -> None:
        serial = self._serial(context, hello)
        try:
            admission = await self._store.admit(hello, serial)
        except StoreError as error:
            raise ending.not_stored(error) from error
        match admission:
            case OutboxBehind():
                if admission.first_time:
                    log.error("link.outbox_behind", last_seq=hello.last_seq, held_seq=admission.held_seq)
                raise ending.outbox_behind(admission.held_seq)
            case Barred():
                raise ending.barred(admission.standing)
            case Copied():
                log.error("link.copied", generation=hello.generation)
                self._presence.end(hello.device_id, ending.held())
                raise ending.held()
            case Admitted():
                pass
            case _:
                assert_never(admission)
        with self._presence.joined(hello.device_id) as ended:
            log.info("link.open", last_seq=hello.last_seq, acked_seq=admission.acked_seq)
            await context.write(
                codec.welcome(admission.acked_seq, self._wall_ns(), self._limits.max_batch_events)
            )
            await self._relay(context, admission.outbox, ended, log)
        log.info("link.closed")

    def _serial(self, context: Context, hello: Hello) -> int | None:
        """Return the serial number of the device's certificate; raises LinkEnded where it is another's."""
        if self._callers is None:
            return None
        peer = self._callers.of(context).peer
        if peer is None or peer.named != DeviceName(hello.device_id, hello.site):
            raise ending.other_device()
        return peer.serial

    async def _hello(self, context: Context) -> Hello:
        try:
            async with asyncio.timeout(self._limits.hello_timeout_s):
                first = await self._read(context)
        except TimeoutError:
            raise LinkEnded(grpc.StatusCode.DEADLINE_EXCEEDED, "no hello came in time") from None
        match first:
            case Hello():
                return first
            case None | tuple():
                raise ending.malformed(Malformed("the first message must be a hello"))
            case _:
                assert_never(first)

    async def _relay(
        self, context: Context, outbox: int, ended: asyncio.Future[LinkEnded], log: FilteringBoundLogger
    ) -> None:
        """Read and acknowledge side by side until the device hangs up or the stream has to end."""
        pending: _Pending = asyncio.Queue(self._limits.max_batches_waiting)
        reading = asyncio.create_task(self._receive(context, outbox, pending))
        acknowledging = asyncio.create_task(self._acknowledge(context, pending, log))
        try:
            anything: set[asyncio.Future[Any]] = {reading, acknowledging, ended}
            await asyncio.wait(anything, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() and not acknowledging.done():
                reading.cancel()
                async with asyncio.timeout(self._limits.drain_timeout_s):
                    await pending.put(ended.result())
                    await acknowledging
            elif reading.done():
                reading.result()
            await acknowledging
        except TimeoutError:
            raise ended.result() from None
        finally:
            reading.cancel()
            acknowledging.cancel()
            await asyncio.gather(reading, acknowledging, return_exceptions=True)

    async def _receive(self, context: Context, outbox: int, pending: _Pending) -> None:
        while True:
            try:
                message = await self._read(context)
            except LinkEnded as refused:
                await pending.put(refused)
                return
            match message:
                case None:
                    await pending.put(None)
                    return
                case Hello():
                    await pending.put(ending.malformed(Malformed("a second hello came")))
                    return
                case tuple():
                    await pending.put(self._store.keep(outbox, message))
                case _:
                    assert_never(message)

    async def _acknowledge(self, context: Context, pending: _Pending, log: FilteringBoundLogger) -> None:
        while (item := await pending.get()) is not None:
            if isinstance(item, LinkEnded):
                raise item
            try:
                kept = await item
            except StoreError as error:
                raise ending.not_stored(error) from error
            if kept.new_conflicts:
                log.error("link.conflict", seqs=kept.new_conflicts[:20], count=len(kept.new_conflicts))
            if kept.conflicts:
                raise ending.conflicting(kept.conflicts)
            await context.write(codec.ack(kept.acked_seq))

    async def _read(self, context: Context) -> Hello | Batch | None:
        """Return the next message, None when the device has hung up; raises LinkEnded."""
        try:
            request: object = await context.read()
            if not isinstance(request, link_pb2.ConnectRequest):  # grpc.aio.EOF, which the stubs do not know
                return None
            return codec.parse_request(request, max_events=self._limits.max_batch_events)
        except Malformed as error:
            raise ending.malformed(error) from error
        except DecodeError as error:
            raise ending.malformed(Malformed("a message is not protobuf")) from error
