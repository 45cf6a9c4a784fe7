"""DeviceLinkService and devices that break its rules: a real server, a real client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import zstandard

from aggregator.link.service import Limits
from aidpost.v1 import batch_pb2, event_pb2, link_pb2
from tests.kit.aggregator_fixture import Running, running_aggregator
from tests.kit.link_device import (
    EPOCH,
    PATIENCE_S,
    Chained,
    LinkDevice,
    check_in,
    dialled,
    hello,
)

SETTINGS, PING, GOAWAY, ACK = 4, 6, 7, 1
"""Types of frames, and the flag of an answer (RFC 9113, 6)."""


def batch(*events: event_pb2.Event) -> link_pb2.ConnectRequest:
    return link_pb2.ConnectRequest(batch=Chained("bad-1", EPOCH).pack(events))


def spoilt(spoil: Callable[[event_pb2.Event], object]) -> link_pb2.ConnectRequest:
    event = check_in(1)
    spoil(event)
    return batch(event)


def packed(content: bytes, chain_head: bytes = bytes(32)) -> link_pb2.ConnectRequest:
    return link_pb2.ConnectRequest(batch=batch_pb2.EventBatch(packed=content, chain_head=chain_head))


def zipped(content: bytes, *, sized: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=sized).compress(content)


SHORT_COLUMN = batch_pb2.PackedEvents(seq_steps=[1, 1], boots=[0]).SerializeToString()

BAD_TALK: dict[str, tuple[list[link_pb2.ConnectRequest | bytes], str]] = {
    "no hello": ([batch(check_in(1))], "first message must be a hello"),
    "nothing in the message": ([link_pb2.ConnectRequest()], "neither a hello nor a batch"),
    "no protobuf": ([b"\xff\xff\xff\xff"], "not protobuf"),
    "hello twice": ([hello(), hello()], "second hello"),
    "device id empty": ([hello(device_id="")], "device_id"),
    "device id overlong": ([hello(device_id="x" * 64)], "device_id"),
    "device id with a line break": ([hello(device_id="desk\n{}")], "device_id"),
    "device id that reverses the text": ([hello(device_id="desk\u202eksed")], "device_id"),
    "epoch of 15 bytes": ([hello(epoch=EPOCH[1:])], "epoch must be 16 bytes"),
    "generation 0": ([hello(generation=0)], "generation"),
    "instance of 15 bytes": ([hello(instance=EPOCH[1:])], "instance"),
    "last_seq beyond 2^63": ([hello(last_seq=2**63)], "last_seq"),
    "batch without events": ([hello(), batch()], "no events"),
    "seq not rising": ([hello(), batch(check_in(2), check_in(2))], "rise"),
    "seq 0": ([hello(), batch(check_in(0))], "start at 1"),
    "seq beyond 2^63": ([hello(), spoilt(lambda event: setattr(event, "seq", 2**63))], "below 2^63"),
    "batch that is no zstd": ([hello(), packed(b"no zstd at all")], "not packed"),
    "batch that does not say its size": ([hello(), packed(zipped(bytes(99), sized=False))], "does not say"),
    "batch that unpacks to 2 MB": ([hello(), packed(zipped(bytes(2_000_000)))], "more than 1048576 bytes"),
    "batch with more after its end": ([hello(), packed(zipped(b"x") + b"more")], "not packed"),
    "columns of different length": ([hello(), packed(zipped(SHORT_COLUMN))], "differ in length"),
    "chain head of 31 bytes": ([hello(), packed(zipped(b""), chain_head=bytes(31))], "chain_head"),
    "too many events": ([hello(), batch(*(check_in(seq) for seq in range(1, 502)))], "500 events"),
    "event without body": ([hello(), spoilt(lambda event: event.ClearField("body"))], "no body"),
    "unknown outcome": ([hello(), spoilt(lambda event: setattr(event.check_in, "outcome", 99))], "outcome"),
    "mode not given": ([hello(), spoilt(lambda event: event.check_in.ClearField("mode"))], "mode"),
    "record id too short": (
        [hello(), spoilt(lambda event: setattr(event.check_in, "record_id", b"1"))],
        "16 bytes each",
    ),
    "reason with control characters": (
        [hello(), spoilt(lambda event: setattr(event.check_in, "reason", "\x1b[2J"))],
        "reason",
    ),
    "time beyond what a clock can say": (
        [hello(), spoilt(lambda event: setattr(event.moment, "wall_ms", 2**62))],
        "wall",
    ),
}


@pytest.mark.parametrize("name", BAD_TALK)
async def test_a_device_that_breaks_the_protocol_is_told_so_and_disturbs_nobody(
    name: str, server: Running, channel: grpc.aio.Channel
) -> None:
    messages, words = BAD_TALK[name]
    good = LinkDevice(channel)
    await good.hello()
    bad = LinkDevice(channel, "bad-1")
    for message in messages:
        await bad.write(message)

    ending = await bad.ending()

    assert ending.code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in ending.message
    assert ending.retry_s is None
    assert await good.report([check_in(1)]) == 1
    assert [event.device_id for event in server.events()] == ["desk-1"]


async def test_a_message_over_the_size_limit_ends_its_stream_alone(
    server: Running, channel: grpc.aio.Channel
) -> None:
    good = LinkDevice(channel)
    await good.hello()
    bad = LinkDevice(channel, "bad-1")
    await bad.hello()
    await bad.write(bytes(5 * 1024 * 1024))
    assert (await bad.ending()).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await good.report([check_in(1)]) == 1


async def test_good_batches_before_a_bad_one_are_acknowledged(
    server: Running, channel: grpc.aio.Channel
) -> None:
    device = LinkDevice(channel)
    await device.hello()
    await device.send([check_in(1)])
    await device.send([check_in(0)])
    assert await device.ack() == 1
    assert (await device.ending()).code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_that_says_nothing_is_closed(tmp_path: Path) -> None:
    async with (
        running_aggregator(tmp_path / "store.db", limits=Limits(hello_timeout_s=0.05)) as server,
        dialled(server.target) as channel,
    ):
        assert (await LinkDevice(channel).ending()).code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_bytes_that_are_no_http2_disturb_nobody(server: Running, channel: grpc.aio.Channel) -> None:
    host, port = server.target.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(range(256)) * 16)
    async with asyncio.timeout(PATIENCE_S):
        await reader.read()  # the server ends the connection
    writer.close()
    device = LinkDevice(channel)
    await device.hello()
    assert await device.report([check_in(1)]) == 1


async def test_a_device_that_only_pings_keeps_its_stream(server: Running) -> None:
    host, port = server.target.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(SETTINGS))
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(10):  # by default the fourth is answered with GOAWAY
            writer.write(http2_frame(PING, bytes(8)))
            kind, flags = 0, 0
            while (kind, flags) != (PING, ACK):
                head = await reader.readexactly(9)
                content = await reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags = head[3], head[4]
                assert kind != GOAWAY, content
    writer.close()


def http2_frame(kind: int, content: bytes = b"") -> bytes:
    """Return a frame of the connection itself (RFC 9113, 4.1)."""
    return len(content).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + content
