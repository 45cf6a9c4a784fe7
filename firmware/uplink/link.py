"""One stream to the aggregator: hello, welcome, batches out, acknowledgements in. Afterwards it is dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio

from aidpost.v1 import batch_pb2, link_pb2
from firmware.records import Queued, SignedReceipt
from firmware.uplink import codec
from firmware.uplink.channel import cleaned, retry_delay_s
from firmware.uplink.errors import BadAnswer, CertificateRefused, LinkLost, NoAnswer
from firmware.uplink.metering import LinkMeter
from firmware.uplink.state_message import Desired
from firmware.uplink.window import Sent, Window
from trust.state import ReportedState

STATUS_TIMEOUT_S = 1.0  # a call that has ended knows its status at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one stream allows itself.

    batch_events: events in one batch. gather_events: while something is under way, so many are gathered
    before more is sent; what finds the line idle goes at once (Nagle's algorithm, RFC 896).
    window_batches: batches under way without an acknowledgement; with the 600 ms of a satellite link 8 of 100
    send a backlog of 10,000 in 8 s, one at a time in a minute. answer_timeout_s: how long the welcome, an
    acknowledgement or the taking of a batch may take; a batch of 5 kB takes 1 s at the 40 kbit/s of GPRS.
    """

    batch_events: int = 100
    gather_events: int = 20
    window_batches: int = 8
    answer_timeout_s: float = 30.0


class Outbox(Protocol):
    """What a stream needs from the store; every method may raise StoreError."""

    async def standing(self) -> codec.Standing:
        """Return how far the outbox has counted, with a new generation."""

    async def pending(self, after_seq: int, limit: int) -> list[Queued]:
        """Return the first events after `after_seq` that wait, in order."""

    async def acknowledge(self, seq: int, receipt: SignedReceipt | None = None) -> None:
        """Take everything up to seq from the outbox, and keep the receipt if it holds."""

    async def synced(self) -> None:
        """The aggregator holds everything that this outbox has given."""

    async def rewind(self, acked_seq: int) -> None:
        """Queue again what is kept after `acked_seq`: the aggregator holds no more than that."""


class Connection:
    """Serves one stream over a channel of its own, and is then dead.

    on_through is called when events get through: after the first acknowledgement, or after the welcome where
    nothing waits. on_ack is called with the number of the welcome and of each acknowledgement, after the
    store has it. on_hint is called with the aggregator's time and with the monotonic times before and after
    it was told, all in ns. on_command is called with each command. meter: counts what goes to and fro.
    it was told, all in ns. on_command is called with each command, on_desired with each desired state.
    reported: what is said of this appliance after the welcome, and whenever `report` was called.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        outbox: Outbox,
        limits: Limits,
        *,
        device_id: str,
        software_version: str,
        instance: bytes,
        on_through: Callable[[], None],
        on_ack: Callable[[int], None],
        on_hint: Callable[[int, int, int], None],
        on_command: Callable[[codec.Command], None],
        on_desired: Callable[[Desired], None],
        reported: Callable[[], ReportedState | None],
        monotonic_ns: Callable[[], int],
        meter: LinkMeter,
    ) -> None:
        self._channel = channel
        self._outbox = outbox
        self._limits = limits
        self._device_id = device_id
        self._software_version = software_version
        self._instance = instance
        self._on_through = on_through
        self._on_ack = on_ack
        self._on_hint = on_hint
        self._on_command = on_command
        self._on_desired = on_desired
        self._reported = reported
        self._report_due = True
        self._monotonic_ns = monotonic_ns
        self._meter = meter
        self._news = asyncio.Event()
        self._window = Window(limits.window_batches)
        self._receipt_key = b""
        self._batch_events = limits.batch_events
        self._sent = 0
        self._acked = 0
        self._ack_due: float | None = None  # in the event loop's time
        self._call: Any = None  # grpc.aio.StreamStreamCall; its stubs do not know EOF

    def notify(self) -> None:
        """There are new rows in the outbox."""
        self._news.set()

    def report(self) -> None:
        """What this appliance is has changed."""
        self._report_due = True
        self._news.set()

    async def run(self) -> None:
        """Stream until the link is lost, and say how: raises LinkLost and its kinds, and StoreError."""
        connect = self._channel.stream_stream(codec.CONNECT, self._packed, self._unpacked)
        self._meter.connected()
        self._call = connect()
        try:
            await self._greet()
            await _until_one_ends(self._receive(), self._send())
        finally:
            self._call.cancel()
            await self._channel.close()
            # A closed channel goes on connecting as long as its call lives, and the call knows this object.
            # With four such connections of earlier attempts the aggregator's gate dropped the stream.
            self._call = None

    def _packed(self, request: link_pb2.ConnectRequest) -> bytes:
        data = request.SerializeToString()
        self._meter.sent(len(data))
        return data

    def _unpacked(self, data: bytes) -> codec.Answer | codec.Malformed:
        self._meter.received(len(data))
        return codec.answer(data)

    async def _greet(self) -> None:
        standing = await self._outbox.standing()
        asked_ns = self._monotonic_ns()
        await self._write(codec.hello(self._device_id, standing, self._software_version, self._instance))
        async with _in_time("no welcome came", self._limits.answer_timeout_s):
            welcome = await self._read()
        if not isinstance(welcome, codec.Welcome):
            raise BadAnswer(_wrong("something came before the welcome"))
        if welcome.acked_seq > standing.last_seq:
            raise BadAnswer(
                f"the aggregator holds events up to {welcome.acked_seq} of this store, which has given only "
                f"{standing.last_seq}: the card was restored from a copy, or another aggregator answers; "
                "nothing is sent until that is settled"
            )
        if welcome.max_batch_events < 1:
            raise BadAnswer(_wrong("the welcome allows no events in a batch"))
        if welcome.acked_seq < standing.acked_seq:
            await self._outbox.rewind(welcome.acked_seq)
        elif welcome.acked_seq > standing.acked_seq:
            # It committed a batch whose acknowledgement got lost with the stream before.
            await self._outbox.acknowledge(welcome.acked_seq)
        if welcome.acked_seq == standing.last_seq:
            await self._outbox.synced()
        self._on_ack(welcome.acked_seq)
        if welcome.server_ns is not None:
            self._on_hint(welcome.server_ns, asked_ns, self._monotonic_ns())
        if welcome.credit is not None:
            self._window.grant(welcome.credit)
        self._receipt_key = welcome.receipt_key
        self._batch_events = min(self._limits.batch_events, welcome.max_batch_events)
        self._sent = self._acked = welcome.acked_seq

    async def _send(self) -> None:
        while True:
            self._news.clear()
            if self._report_due:
                self._report_due = False
                if (state := self._reported()) is not None:
                    await self._write(codec.reported(state))
            events = await self._gathered()
            batch = self._fitting(events) if events else None
            if batch is not None:
                await self._write(codec.request(batch))
                continue
            if not events and self._window.is_empty:
                self._on_through()
            await self._wait_for_news()

    async def _gathered(self) -> list[Queued]:
        """Return what may be sent now: nothing while a few events should wait for more."""
        limit = self._window.room_events(self._batch_events)
        if not limit:
            return []
        events = await self._outbox.pending(self._sent, limit)
        if not self._window.is_empty and len(events) < min(limit, self._limits.gather_events):
            return []
        return events

    def _fitting(self, events: list[Queued]) -> batch_pb2.EventBatch | None:
        """Pack as many of the events as the credit has bytes for, and count them as sent."""
        batch = codec.batch(events)
        while not self._window.fits(size_bytes := batch.ByteSize()):
            if len(events) == 1:
                return None
            events = events[: len(events) // 2]
            batch = codec.batch(events)
        # Counted before it is written: its acknowledgement may overtake the end of the write.
        self._sent = events[-1].seq
        self._window.send(Sent(self._sent, len(events), size_bytes, self._monotonic_ns()))
        self._ack_due = self._ack_due or self._now() + self._limits.answer_timeout_s
        return batch

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout_at(self._ack_due):
                await self._news.wait()
        except TimeoutError:
            raise self._unacknowledged() from None
        # News of new rows must not hide that nothing is acknowledged any more.
        if self._ack_due is not None and self._now() >= self._ack_due:
            raise self._unacknowledged()

    async def _receive(self) -> None:
        while True:
            match await self._read():
                case codec.Ack() as ack:
                    await self._take(ack)
                case codec.Command() as command:
                    self._on_command(command)
                case Desired() as desired:
                    self._on_desired(desired)
                case codec.Welcome():
                    raise BadAnswer(_wrong("a second welcome came"))

    async def _take(self, ack: codec.Ack) -> None:
        if ack.seq > self._sent:
            raise BadAnswer(_wrong(f"event {ack.seq} was acknowledged, but only {self._sent} were sent"))
        if ack.seq < self._acked:
            raise BadAnswer(_wrong(f"event {ack.seq} was acknowledged after {self._acked}"))
        if ack.credit is not None:
            self._window.grant(ack.credit)
            self._news.set()
        if ack.seq == self._acked:
            return  # the aggregator took a batch above a gap: no progress, and no fault of the protocol
        self._acked = ack.seq
        receipt = None
        if ack.receipt and ack.server_ns is not None:
            receipt = SignedReceipt(ack.seq, ack.server_ns, ack.receipt, self._receipt_key)
        await self._outbox.acknowledge(ack.seq, receipt)
        self._on_ack(ack.seq)
        self._on_through()
        newest = self._window.acknowledge(ack.seq)
        if newest is not None and ack.server_ns is not None:
            self._on_hint(ack.server_ns, newest.at_ns, self._monotonic_ns())
        self._ack_due = None if self._window.is_empty else self._now() + self._limits.answer_timeout_s
        self._news.set()

    async def _read(self) -> codec.Answer:
        try:
            response: object = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise await self._lost() from error
        match response:
            case codec.Welcome() | codec.Ack() | codec.Command() | Desired():
                return response
            case codec.Malformed():
                raise BadAnswer(_wrong(str(response)))
            case _:  # grpc.aio.EOF
                raise await self._lost()

    async def _write(self, request: link_pb2.ConnectRequest) -> None:
        async with _in_time("no data was taken", self._limits.answer_timeout_s):
            try:
                await self._call.write(request)
            # A stream that the server ended by its age raises InvalidStateError here, not AioRpcError.
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                raise await self._lost() from error

    async def _lost(self) -> LinkLost:
        """Return why the call ended."""
        async with _in_time("the stream ended without a status", STATUS_TIMEOUT_S):
            code: grpc.StatusCode = await self._call.code()
            details = cleaned(await self._call.details())
            metadata = await self._call.trailing_metadata()
        if code is grpc.StatusCode.OK:
            return LinkLost("the aggregator closed the stream; the appliance connects again by itself")
        if code is grpc.StatusCode.UNAUTHENTICATED:
            return CertificateRefused(f"the aggregator asks this device to join again ({details})")
        if code is grpc.StatusCode.PERMISSION_DENIED:
            what = "the aggregator lets this device in no longer; ask its operator"
        elif code is grpc.StatusCode.UNAVAILABLE:
            what = "the aggregator cannot be reached; check that it runs and that `uplink.target` names it"
        else:
            what = "the aggregator ended the stream; its log says why"
        return LinkLost(f"{what} ({code.name}: {details})", retry_delay_s(metadata))

    def _unacknowledged(self) -> NoAnswer:
        return NoAnswer(_silence("no acknowledgement came", self._limits.answer_timeout_s))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def _in_time(silence: str, timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise  # a NoAnswer from within, which says more exactly what was not answered
        raise NoAnswer(_silence(silence, timeout_s)) from None


def _silence(what: str, timeout_s: float) -> str:
    return f"{what} within {timeout_s:g} s; check that the aggregator runs and is well"


def _wrong(what: str) -> str:
    return f"what answers is no aggregator of this version: {what}; check `uplink.target` and its version"


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run them until one raises, end the others, and raise that fault."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            # One that timed out cancels the call, and the call then cancels the other: that is no fault.
            if task.done() and not task.cancelled():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
