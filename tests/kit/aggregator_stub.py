"""A small aggregator over real gRPC that plays well, or badly in a way that a test chooses.

Each connection takes the next `Play` of the script; when the script is empty it plays well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from aggregator.codec import parse_batch
from aidpost.v1 import artifact_pb2, event_pb2, link_pb2, state_pb2

SERVICE, METHOD = "aidpost.v1.DeviceLinkService", "Connect"
ARTIFACTS = "aidpost.v1.ArtifactService"
PIECE_BYTES = 4096
MAX_BATCH_EVENTS = 500

Key: TypeAlias = tuple[str, bytes, int]
Answer: TypeAlias = "link_pb2.ConnectResponse | bytes"
Play: TypeAlias = "Callable[[Stream], Awaitable[None]]"


def welcome(acked_seq: int, max_batch_events: int = MAX_BATCH_EVENTS) -> link_pb2.ConnectResponse:
    return link_pb2.ConnectResponse(
        welcome=link_pb2.Welcome(acked_seq=acked_seq, max_batch_events=max_batch_events)
    )


def ack(seq: int) -> link_pb2.ConnectResponse:
    return link_pb2.ConnectResponse(ack=link_pb2.Ack(seq=seq))


@dataclass(frozen=True)
class DownloadFault:
    """A download breaks off after so many bytes of the file."""

    after_bytes: int
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    retry_s: float | None = 0.0


async def refuse(context: Any, code: grpc.StatusCode, retry_s: float | None) -> None:
    metadata: tuple[tuple[str, bytes], ...] = ()
    if retry_s is not None:
        delay = AnyMessage()
        delay.Pack(RetryInfo(retry_delay=Duration(seconds=int(retry_s), nanos=int(retry_s % 1 * 1e9))))
        status = Status(code=code.value[0], details=[delay])
        metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, "as the test\nwants it", metadata)


@dataclass
class AggregatorStub:
    """held: what was committed, each key once; arrivals: every event in order of arrival, repeats too.

    reported: what devices said that they are; who has not heard of `desired` is told of it. commands: said
    after each welcome. files: by their digests; downloads: from which offsets they were asked for; the next
    download takes the first fault.
    said_hello is set by every hello. port 0: a free one is taken at the first start and kept.
    """

    script: deque[Play] = field(default_factory=deque)
    held: dict[Key, event_pb2.Event] = field(default_factory=dict)
    arrivals: list[Key] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)
    hellos: list[link_pb2.Hello] = field(default_factory=list)
    said_hello: asyncio.Event = field(default_factory=asyncio.Event)
    desired: state_pb2.DesiredState | None = None
    reported: list[state_pb2.ReportedState] = field(default_factory=list)
    files: dict[bytes, bytes] = field(default_factory=dict)
    downloads: list[int] = field(default_factory=list)
    download_faults: deque[DownloadFault] = field(default_factory=deque)
    commands: list[link_pb2.Command] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    _server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve, link_pb2.ConnectRequest.FromString, _serialised
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
        )
        download = grpc.unary_stream_rpc_method_handler(
            self._download, artifact_pb2.DownloadRequest.FromString, _serialised
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(ARTIFACTS, {"Download": download}),)
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def until_reported(
        self, matches: Callable[[state_pb2.ReportedState], bool]
    ) -> state_pb2.ReportedState:
        """Wait for a report that says this."""
        while True:
            self.changed.clear()
            if found := [each for each in self.reported if matches(each)]:
                return found[0]
            await self.changed.wait()

    async def result(self, command_id: bytes) -> event_pb2.CommandResult:
        """Wait for what became of a command."""
        while True:
            self.changed.clear()
            for event in self.held.values():
                if event.command_result.command_id == command_id:
                    return event.command_result
            await self.changed.wait()

    async def _download(
        self, request: artifact_pb2.DownloadRequest, context: Any
    ) -> AsyncIterator[artifact_pb2.DownloadResponse]:
        self.downloads.append(request.offset)
        content = self.files.get(request.digest)
        if content is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such file")
            return
        fault = self.download_faults.popleft() if self.download_faults else None
        end = len(content) if fault is None else fault.after_bytes
        for start in range(request.offset, end, PIECE_BYTES):
            yield artifact_pb2.DownloadResponse(data=content[start : min(start + PIECE_BYTES, end)])
        if fault is not None:
            await refuse(context, fault.code, fault.retry_s)

    async def _serve(self, _: object, context: Any) -> None:
        play = self.script.popleft() if self.script else plays_well
        await play(Stream(self, context))


@dataclass
class Stream:
    """One connection, as a play sees it."""

    stub: AggregatorStub
    context: Any
    device_id: str = ""
    epoch: bytes = b""

    async def hello(self) -> int:
        """Take the hello; returns up to which number everything is held."""
        hello = (await self.context.read()).hello
        self.stub.hellos.append(hello)
        self.stub.said_hello.set()
        self.device_id, self.epoch = hello.device_id, hello.epoch
        return self._acked()

    async def batch(self) -> list[event_pb2.Event] | None:
        """Take a batch without committing it; None when the device has hung up."""
        request = await self.context.read()
        while request is not grpc.aio.EOF and request.WhichOneof("message") == "reported":
            await self._reported(request.reported)
            request = await self.context.read()
        if request is grpc.aio.EOF:
            return None
        batch = parse_batch(request.batch, max_events=MAX_BATCH_EVENTS)
        events = [event_pb2.Event.FromString(event.content) for event in batch.events]
        self.stub.arrivals += [self._key(event) for event in events]
        self.stub.batch_sizes.append(len(events))
        return events

    async def _reported(self, reported: state_pb2.ReportedState) -> None:
        self.stub.reported.append(reported)
        self.stub.changed.set()
        desired = self.stub.desired
        if desired is not None and desired.generation > reported.generation:
            await self.say(link_pb2.ConnectResponse(desired=desired))

    def commit(self, events: list[event_pb2.Event] | None) -> int:
        """Keep events, each key once; returns up to which number everything is held."""
        for event in events or ():
            first = self.stub.held.setdefault(self._key(event), event)
            assert first == event, "a key came again with another content"
        self.stub.changed.set()
        return self._acked()

    async def say(self, answer: Answer) -> None:
        await self.context.write(answer)

    async def abort(self, code: grpc.StatusCode, retry_s: float | None = None) -> None:
        await refuse(self.context, code, retry_s)

    async def until_it_hangs_up(self) -> None:
        while await self.context.read() is not grpc.aio.EOF:
            pass

    def _acked(self) -> int:
        seq = 0
        while (self.device_id, self.epoch, seq + 1) in self.stub.held:
            seq += 1
        return seq

    def _key(self, event: event_pb2.Event) -> Key:
        return (self.device_id, self.epoch, event.seq)


async def plays_well(stream: Stream) -> None:
    await stream.say(welcome(await stream.hello()))
    for command in stream.stub.commands:
        await stream.say(link_pb2.ConnectResponse(command=command))
    while (events := await stream.batch()) is not None:
        await stream.say(ack(stream.commit(events)))


async def closes_at_once(_: Stream) -> None:
    """End before the hello is read."""


async def closes_after_hello(stream: Stream) -> None:
    await stream.hello()


async def closes_after_welcome(stream: Stream) -> None:
    await stream.say(welcome(await stream.hello()))


def aborts_before_commit(batches: int) -> Play:
    """Serve some batches, take one more and lose it."""

    async def play(stream: Stream) -> None:
        await _serve_some(stream, batches)
        await stream.batch()
        await stream.abort(grpc.StatusCode.UNAVAILABLE)

    return play


def aborts_after_commit(batches: int) -> Play:
    """Serve some batches, commit one more and lose its acknowledgement."""

    async def play(stream: Stream) -> None:
        await _serve_some(stream, batches)
        stream.commit(await stream.batch())
        await stream.abort(grpc.StatusCode.INTERNAL)

    return play


async def commits_half_of_a_batch(stream: Stream) -> None:
    """Commit the first half of a batch, acknowledge that, and close."""
    await stream.say(welcome(await stream.hello()))
    events = await stream.batch() or []
    await stream.say(ack(stream.commit(events[: len(events) // 2])))


def refuses(code: grpc.StatusCode, retry_s: float | None = None) -> Play:
    async def play(stream: Stream) -> None:
        await stream.hello()
        await stream.abort(code, retry_s)

    return play


def answers(*after_hello: Answer, after_batch: tuple[Answer, ...] = ()) -> Play:
    """Give exactly these answers and then stay silent until the device hangs up."""

    async def play(stream: Stream) -> None:
        await stream.hello()
        for answer in after_hello:
            await stream.say(answer)
        if after_batch:
            await stream.batch()
        for answer in after_batch:
            await stream.say(answer)
        await stream.until_it_hangs_up()

    return play


async def _serve_some(stream: Stream, batches: int) -> None:
    await stream.say(welcome(await stream.hello()))
    for _ in range(batches):
        await stream.say(ack(stream.commit(await stream.batch())))


def _serialised(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()
