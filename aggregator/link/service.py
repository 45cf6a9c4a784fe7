"""DeviceLinkService: hello, batches, and acknowledgements after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, assert_never

import grpc
from google.protobuf.message import DecodeError
from structlog.typing import FilteringBoundLogger

from aggregator import codec, state_codec
from aggregator.holdings import Command
from aggregator.link import ending
from aggregator.link.admission import Admissions
from aggregator.link.desk import Desk
from aggregator.link.ending import LinkEnded
from aggregator.link.mailbox import Mailbox
from aggregator.link.presence import Presence
from aggregator.malformed import Malformed
from aggregator.records import Batch, Credit, Hello
from aggregator.store import commands, fleet_reports, streams
from aggregator.store.errors import StoreError
from aggregator.store.ingest import Admitted, Kept
from aggregator.store.writer import StoreWriter
from aidpost.v1 import link_pb2, link_pb2_grpc
from trust.state import DesiredState, ReportedState

Context: TypeAlias = "grpc.aio.ServicerContext[link_pb2.ConnectRequest, link_pb2.ConnectResponse]"
# What the acknowledging side works off, in order: a batch on its way to the disk, or why the stream ends.
_Pending: TypeAlias = "Mailbox[tuple[Batch, asyncio.Future[Kept]] | LinkEnded | None]"


CREDIT = Credit(events=2_000, bytes=1 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one stream may ask for.

    credit: what a device may have under way; more is refused. max_batches_waiting: batches of one stream that
    may wait for their commit; then it is not read further and HTTP/2 flow control holds the device back.
    hello_timeout_s: a stream that says nothing is closed. drain_timeout_s: how long a stream that has to end
    may take to send its last acknowledgements.
    """

    max_batch_events: int = 500
    credit: Credit = CREDIT
    max_batches_waiting: int = 8
    hello_timeout_s: float = 10.0
    drain_timeout_s: float = 5.0


class _Stream:
    """One device's stream, and what it has under way."""

    def __init__(
        self,
        context: Context,
        admitted: Admitted,
        ended: asyncio.Future[LinkEnded],
        asked: Mailbox[Command],
        desired: Mailbox[DesiredState],
        log: FilteringBoundLogger,
    ) -> None:
        self.context = context
        self.admitted = admitted
        self.ended = ended
        self.asked = asked
        self.desired = desired
        self.log = log
        self._writing = asyncio.Lock()  # gRPC takes one message at a time
        self._events = 0
        self._bytes = 0

    async def write(self, response: link_pb2.ConnectResponse) -> None:
        async with self._writing:
            await self.context.write(response)

    def take(self, batch: Batch, credit: Credit) -> bool:
        """Count a batch as under way; False for one that the credit does not cover."""
        self._events += len(batch.events)
        self._bytes += batch.size_bytes
        return self._events <= credit.events and self._bytes <= credit.bytes

    def finish(self, batch: Batch) -> None:
        """A batch is about to be acknowledged."""
        self._events -= len(batch.events)
        self._bytes -= batch.size_bytes


class DeviceLinkService(link_pb2_grpc.DeviceLinkServiceServicer):
    """Takes the devices' events; what it acknowledges is on the disk."""

    def __init__(
        self,
        store: StoreWriter,
        presence: Presence,
        admissions: Admissions,
        command_desk: Desk[Command],
        desired_desk: Desk[DesiredState],
        limits: Limits,
        wall_ns: Callable[[], int],
        log: FilteringBoundLogger,
    ) -> None:
        self._store = store
        self._presence = presence
        self._admissions = admissions
        self._command_desk = command_desk
        self._desired_desk = desired_desk
        self._limits = limits
        self._wall_ns = wall_ns
        self._log = log

    async def Connect(self, request_iterator: object, context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Serve one device until it hangs up, or has to."""
        log = self._log.bind(peer=self._admissions.who(context))
        try:
            hello = await self._hello(context)
            log = log.bind(device_id=hello.device_id)
            await self._converse(context, hello, log)
        except LinkEnded as ended:
            self._admissions.note_end(ended, context, log)
            await ended.abort(context)
        except asyncio.CancelledError:
            log.info("link.lost")
            raise

    async def _converse(self, context: Context, hello: Hello, log: FilteringBoundLogger) -> None:
        admitted = await self._admissions.admit(hello, context, log, self._presence.worker)
        with (
            self._left(admitted),
            self._presence.joined(hello.device_id, admitted.stream) as ended,
            self._command_desk.listening(hello.device_id) as asked,
            self._desired_desk.listening(hello.device_id) as desired,
        ):
            log.info("link.open", last_seq=hello.last_seq, acked_seq=admitted.acked_seq)
            await context.write(self._admissions.welcome(admitted, self._limits.max_batch_events))
            await self._relay(_Stream(context, admitted, ended, asked, desired, log))
        log.info("link.closed")

    async def _hello(self, context: Context) -> Hello:
        try:
            async with asyncio.timeout(self._limits.hello_timeout_s):
                first = await self._read(context)
        except TimeoutError:
            raise LinkEnded(grpc.StatusCode.DEADLINE_EXCEEDED, "no hello came in time") from None
        match first:
            case Hello():
                return first
            case None | Batch() | ReportedState():
                raise ending.malformed(Malformed("the first message must be a hello"))
            case _:
                assert_never(first)

    async def _relay(self, stream: _Stream) -> None:
        """Read, acknowledge, command and tell side by side until the device hangs up or the stream ends."""
        pending: _Pending = Mailbox(self._limits.max_batches_waiting)
        reading = asyncio.create_task(self._receive(stream, pending))
        acknowledging = asyncio.create_task(self._acknowledge(stream, pending))
        commanding = asyncio.create_task(self._command(stream))
        telling = asyncio.create_task(self._tell(stream))
        ended = stream.ended
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
            tasks = (reading, acknowledging, commanding, telling)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, stream: _Stream, pending: _Pending) -> None:
        # A message is no variable here: while the next one is awaited, it would be kept.
        while await self._received(stream, pending):
            pass

    async def _received(self, stream: _Stream, pending: _Pending) -> bool:
        """Take the next message; False after the last."""
        try:
            message = await self._read(stream.context)
        except LinkEnded as refused:
            await pending.put(refused)
            return False
        match message:
            case None:
                await pending.put(None)
                return False
            case Hello():
                await pending.put(ending.malformed(Malformed("a second hello came")))
                return False
            case Batch():
                if not stream.take(message, self._limits.credit):
                    await pending.put(ending.malformed(Malformed("more is under way than the credit")))
                    return False
                await pending.put((message, self._store.keep(stream.admitted, message)))
            case ReportedState():
                try:
                    await self._note(stream, message)
                except StoreError as error:
                    await pending.put(ending.not_stored(error))
                    return False
            case _:
                assert_never(message)
        return True

    async def _acknowledge(self, stream: _Stream, pending: _Pending) -> None:
        """Acknowledge what was committed together at once: one signature and one message for all of it."""
        while await self._acknowledged(stream, pending):
            pass

    async def _acknowledged(self, stream: _Stream, pending: _Pending) -> bool:
        """Acknowledge what was committed next; False after the last. Raises LinkEnded."""
        newest: Kept | None = None
        item = await pending.get()
        try:
            while isinstance(item, tuple):
                newest = _newer(newest, await self._settled(stream, *item))
                if not pending:
                    await self._write_acknowledgement(stream, newest)
                    return True
                item = await pending.get()
                if isinstance(item, tuple) and not item[1].done():
                    await self._write_acknowledgement(stream, newest)
                    newest = None
        except LinkEnded:
            if newest is not None:
                await self._write_acknowledgement(stream, newest)
            raise
        if newest is not None:
            await self._write_acknowledgement(stream, newest)
        if isinstance(item, LinkEnded):
            raise item
        return False

    async def _settled(self, stream: _Stream, batch: Batch, keeping: asyncio.Future[Kept]) -> Kept:
        """Return what became of a batch, once it is committed; raises LinkEnded."""
        try:
            kept = await keeping
        except StoreError as error:
            raise ending.not_stored(error) from error
        stream.finish(batch)
        self._admissions.check(kept, stream.log)
        return kept

    async def _write_acknowledgement(self, stream: _Stream, kept: Kept) -> None:
        ack = self._admissions.acknowledge(stream.admitted, kept)
        await stream.write(link_pb2.ConnectResponse(ack=ack))

    async def _command(self, stream: _Stream) -> None:
        while True:
            command = await stream.asked.get()
            note = partial(
                commands.note_delivered,
                command_id=command.command_id,
                now_ns=self._wall_ns(),
                stream=stream.admitted.stream,
            )
            if await self._store.submit(note, of=stream.admitted.device_id):
                await stream.write(codec.command(command))
                stream.log.info("link.commanded", kind=command.kind, command=command.command_id.hex())

    @contextmanager
    def _left(self, admitted: Admitted) -> Iterator[None]:
        """Say at the end that the stream is over, where other workers want to know."""
        try:
            yield
        finally:
            if admitted.stream:
                over = partial(streams.leave, device_id=admitted.device_id, number=admitted.stream)
                self._store.submit(over, of=admitted.device_id)

    async def _note(self, stream: _Stream, report: ReportedState) -> None:
        """Keep what the device reports, before anything more is read; it may be told something for it."""
        device_id, now_ns = stream.admitted.device_id, self._wall_ns()
        noted = await self._store.submit(lambda db: fleet_reports.note(db, device_id, report, now_ns))
        if noted.newly_doubted:
            stream.log.error("link.report_doubted", why=noted.reported.doubt)
        stream.log.info("link.reported", generation=report.generation, result=report.result.value)
        self._desired_desk.look_here((device_id,))

    async def _tell(self, stream: _Stream) -> None:
        while True:
            desired = await stream.desired.get()
            await stream.write(link_pb2.ConnectResponse(desired=state_codec.desired(desired)))
            stream.log.info("link.told", generation=desired.generation)

    async def _read(self, context: Context) -> Hello | Batch | ReportedState | None:
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


def _newer(before: Kept | None, kept: Kept) -> Kept:
    """Return what acknowledges more; between equals, what a receipt can be made of."""
    if before is None or kept.chain_head is not None or kept.acked_seq > before.acked_seq:
        return kept
    return before
