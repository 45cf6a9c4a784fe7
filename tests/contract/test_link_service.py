"""DeviceLinkService as devices meet it: a real server, a real client, good devices and bad ones."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import zstandard

from aggregator.link.service import Limits
from aggregator.records import Credit
from aggregator.store.database import open_reader
from aggregator.store.reader import read_missing
from aidpost.v1 import batch_pb2, event_pb2, ingest_pb2, ingest_pb2_grpc, link_pb2
from firmware.uplink.packing import pack
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.link_device import (
    EPOCH,
    PATIENCE_S,
    Chained,
    LinkDevice,
    check_in,
    device_fault,
    dialled,
    health,
    reflected_services,
    registration,
)
from trust.chain import Receipt


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_aggregator(tmp_path / "store.db") as running:
        yield running


@pytest.fixture
async def channel(server: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with dialled(server.target) as channel:
        yield channel


async def test_what_is_acknowledged_can_be_read_at_once(server: Running, channel: grpc.aio.Channel) -> None:
    device = LinkDevice(channel)
    welcome = await device.hello()
    assert (welcome.acked_seq, welcome.server_time.ToNanoseconds()) == (0, NOW_NS)

    assert await device.report([check_in(1), registration(2), device_fault(3)]) == 3

    held = server.events()
    assert [(event.seq, event.kind) for event in held] == [
        (1, "check_in"),
        (2, "registration"),
        (3, "device_fault"),
    ]
    assert held[0].record_id == check_in(1).check_in.record_id
    assert held[0].epoch == EPOCH


async def test_repeated_batches_are_held_once(server: Running, channel: grpc.aio.Channel) -> None:
    device = LinkDevice(channel)
    await device.hello()
    for batch in ((1, 2), (1, 2), (2, 3, 4), (1, 2, 3, 4)):
        await device.send(check_in(seq) for seq in batch)
    assert [await device.ack() for _ in range(4)] == [2, 2, 4, 4]
    assert [event.seq for event in server.events()] == [1, 2, 3, 4]


async def test_a_device_resumes_after_what_was_acknowledged(
    server: Running, channel: grpc.aio.Channel
) -> None:
    first = LinkDevice(channel)
    await first.hello()
    await first.report(check_in(seq) for seq in range(1, 21))
    first.break_off()

    again = LinkDevice(channel)
    assert (await again.hello(last_seq=25)).acked_seq == 20
    assert await again.report(check_in(seq) for seq in range(21, 26)) == 25
    assert [event.seq for event in server.events()] == list(range(1, 26))


async def test_acknowledgement_stops_at_a_gap_and_jumps_when_it_closes(
    server: Running, channel: grpc.aio.Channel
) -> None:
    device = LinkDevice(channel)
    await device.hello()
    assert await device.report([check_in(1), check_in(2)]) == 2
    assert await device.report([check_in(5), check_in(6), check_in(9)]) == 2
    assert server.device().outboxes[0].missing == ((3, 4), (7, 8))
    assert await device.report([check_in(3), check_in(4)]) == 6
    assert await device.report([check_in(7), check_in(8)]) == 9
    assert server.device().outboxes[0].missing == ()


async def test_what_is_held_is_signed_for(server: Running, channel: grpc.aio.Channel) -> None:
    device = LinkDevice(channel)
    welcome = await device.hello()
    events = [check_in(seq) for seq in range(1, 4)]
    batch = device.chained.pack(events)
    await device.write(link_pb2.ConnectRequest(batch=batch))
    ack = (await device.read()).ack
    receipt = Receipt("desk-1", EPOCH, 3, batch.chain_head, ack.server_time.ToNanoseconds())
    assert receipt.holds(welcome.receipt_key, ack.receipt)
    assert not replace(receipt, seq=4).holds(welcome.receipt_key, ack.receipt)
    assert not replace(receipt, link=bytes(32)).holds(welcome.receipt_key, ack.receipt)


async def test_a_chain_that_does_not_hold_is_an_alarm_and_the_data_is_kept(
    server: Running, channel: grpc.aio.Channel
) -> None:
    device = LinkDevice(channel)
    await device.hello()
    await device.report([check_in(1), check_in(2)])
    forged = pack([check_in(3), check_in(4)], bytes(32))
    await device.write(link_pb2.ConnectRequest(batch=forged))
    ack = (await device.read()).ack
    assert (ack.seq, ack.receipt) == (4, b"")
    assert [entry["ranges"] for entry in server.logged("link.chain_broken")] == [((3, 4),)]
    assert len(server.events()) == 4


async def test_the_chain_is_followed_once_a_gap_has_closed(
    server: Running, channel: grpc.aio.Channel
) -> None:
    device = LinkDevice(channel)
    welcome = await device.hello()
    await device.report([check_in(3), check_in(4)])
    await device.send([check_in(1), check_in(2)])
    ack = (await device.read()).ack
    head = device.chained.pack([check_in(4)]).chain_head
    receipt = Receipt("desk-1", EPOCH, 4, head, ack.server_time.ToNanoseconds())
    assert receipt.holds(welcome.receipt_key, ack.receipt)
    assert not server.logged("link.chain_broken")


async def test_a_single_report_is_checked_and_held_like_a_batch_of_the_stream(
    server: Running, channel: grpc.aio.Channel
) -> None:
    chained = Chained("desk-1", EPOCH)
    report = ingest_pb2_grpc.IngestServiceStub(channel).ReportResults
    request = ingest_pb2.ReportResultsRequest(
        hello=hello(device_id="desk-1", last_seq=2).hello, batch=chained.pack([check_in(1), check_in(2)])
    )
    for _ in range(2):
        assert (await report(request)).ack.seq == 2
    assert [event.seq for event in server.events()] == [1, 2]
    request.batch.packed = b"no zstd"
    with pytest.raises(grpc.aio.AioRpcError, match="not packed"):
        await report(request)


async def test_a_device_that_exceeds_its_credit_is_refused(tmp_path: Path) -> None:
    limits = Limits(credit=Credit(events=5, bytes=10_000))
    async with (
        running_aggregator(tmp_path / "store.db", limits=limits) as server,
        dialled(server.target) as channel,
    ):
        device = LinkDevice(channel)
        assert (await device.hello()).credit.events == 5
        assert await device.report(check_in(seq) for seq in range(1, 6)) == 5
        await device.send(check_in(seq) for seq in range(6, 12))
        ending = await device.ending()
        assert "credit" in ending.message
        assert len(server.events()) == 5


async def test_what_a_lost_device_took_with_it_is_known_to_the_number(
    server: Running, channel: grpc.aio.Channel
) -> None:
    device = LinkDevice(channel)
    await device.hello(last_seq=12)
    await device.report([check_in(1), check_in(2), check_in(5), check_in(9)])
    device.break_off()
    other = LinkDevice(channel, "desk-2")
    await other.hello(last_seq=1)
    await other.report([check_in(1)])
    with open_reader(server.store) as db:
        (missing,) = read_missing(db)
    assert (missing.device_id, missing.told_seq, missing.held, missing.count) == ("desk-1", 12, 4, 8)
    assert missing.ranges == ((3, 4), (6, 8), (10, 12))


async def test_two_devices_and_two_epochs_do_not_mix(server: Running, channel: grpc.aio.Channel) -> None:
    one = LinkDevice(channel, "desk-1")
    two = LinkDevice(channel, "desk-2")
    await asyncio.gather(one.hello(), two.hello())
    acks = await asyncio.gather(
        one.report([check_in(1), check_in(2)]), two.report([check_in(1, salt="of another device")])
    )
    assert list(acks) == [2, 1]

    replaced_card = LinkDevice(channel, "desk-1", epoch=b"another 16 bytes")
    assert (await replaced_card.hello()).acked_seq == 0
    assert await replaced_card.report([check_in(1, salt="of another card")]) == 1
    assert len(server.events(device_id="desk-1")) == 3
    assert len(server.events(device_id="desk-2")) == 1


async def test_the_newer_connection_of_a_device_wins(server: Running, channel: grpc.aio.Channel) -> None:
    older = LinkDevice(channel)
    await older.hello()
    newer = LinkDevice(channel)
    await newer.hello()
    ending = await older.ending()
    assert ending.code is grpc.StatusCode.ABORTED
    assert "newer connection" in ending.message
    assert await newer.report([check_in(1)]) == 1


async def test_batches_on_their_way_are_acknowledged_when_the_device_hangs_up(
    server: Running, channel: grpc.aio.Channel
) -> None:
    device = LinkDevice(channel)
    await device.hello()
    for seq in range(1, 101):
        await device.send([check_in(seq)])
    await device.done_writing()
    await device.acked(100)
    assert (await device.ending()).code is grpc.StatusCode.OK
    assert len(server.events()) == 100


async def test_other_content_under_a_held_number_is_kept_apart_and_logged_once(
    server: Running, channel: grpc.aio.Channel
) -> None:
    original = LinkDevice(channel)
    await original.hello()
    await original.report([check_in(1), check_in(2)])
    for _ in range(2):
        clone = LinkDevice(channel)
        await clone.hello()
        await clone.send([check_in(1), check_in(2, salt="of the clone"), check_in(3)])
        ending = await clone.ending()
        assert ending.code is grpc.StatusCode.FAILED_PRECONDITION
        assert "new epoch" in ending.message

    assert [event.record_id for event in server.events()] == [
        check_in(seq).check_in.record_id for seq in (1, 2, 3)
    ]
    assert server.device().outboxes[0].conflicts == 1
    assert [entry["seqs"] for entry in server.logged("link.conflict")] == [(2,)]


async def test_an_outbox_that_has_given_fewer_numbers_than_are_held_is_refused(
    server: Running, channel: grpc.aio.Channel
) -> None:
    device = LinkDevice(channel)
    await device.hello()
    await device.report([check_in(1), check_in(2)])
    for _ in range(2):
        restored = LinkDevice(channel)
        await restored.send_hello(last_seq=1)
        assert (await restored.ending()).code is grpc.StatusCode.FAILED_PRECONDITION
    assert len(server.logged("link.outbox_behind")) == 1
    assert server.device().outboxes[0].disputed


def hello(**fields: object) -> link_pb2.ConnectRequest:
    good = {
        "device_id": "bad-1",
        "epoch": EPOCH,
        "last_seq": 9,
        "site": "gate",
        "software_version": "1",
        "generation": 1,
        "instance": EPOCH,
    }
    return link_pb2.ConnectRequest(hello=link_pb2.Hello(**(good | fields)))  # type: ignore[arg-type]


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


async def report_until_refused(device: LinkDevice) -> int:
    acked_seq = 0
    try:
        while acked_seq < 5000:
            acked_seq = await device.report(check_in(acked_seq + step) for step in range(1, 101))
    except grpc.aio.AioRpcError:
        return acked_seq
    raise AssertionError("the store was never full")


async def test_a_full_store_acknowledges_nothing_and_serves_again_when_there_is_room(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    async with running_aggregator(store):
        pass
    with closing(sqlite3.connect(store)) as other_use:
        other_use.execute("CREATE TABLE ballast (filler BLOB)")
        other_use.execute("INSERT INTO ballast VALUES (zeroblob(400000))")
        other_use.commit()
    async with (
        running_aggregator(store, max_store_bytes=600_000) as server,
        dialled(server.target) as channel,
    ):
        device = LinkDevice(channel)
        await device.hello()
        acked_seq = await report_until_refused(device)
        ending = await device.ending()
        assert ending.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ending.retry_s == 60.0
        assert await health(channel) == "NOT_SERVING"

        with closing(sqlite3.connect(store)) as other_use:
            other_use.execute("DROP TABLE ballast")
            other_use.commit()
        again = LinkDevice(channel)
        assert (await again.hello()).acked_seq == acked_seq > 0
        assert [event.seq for event in server.events()] == list(range(1, acked_seq + 1))
        assert await again.report([check_in(acked_seq + 1)]) == acked_seq + 1
        assert await health(channel) == "SERVING"
        assert [len(server.logged(name)) for name in ("store.unavailable", "store.recovered")] == [1, 1]


async def test_stopping_loses_no_acknowledged_event_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with AsyncExitStack() as channels:
        async with running_aggregator(tmp_path / "store.db") as server:
            channel = await channels.enter_async_context(dialled(server.target))
            device = LinkDevice(channel)
            await device.hello()
            first_acked_seq = await device.report([check_in(1)])
            for seq in range(2, 52):
                await device.send([check_in(seq)])
        ending = await device.ending()
    assert ending.code is grpc.StatusCode.UNAVAILABLE
    assert ending.retry_s == 1.0
    acked_seq = ending.acked_seq or first_acked_seq
    held = [event.seq for event in server.events()]
    assert held[:acked_seq] == list(range(1, acked_seq + 1))


async def test_health_and_reflection_answer(channel: grpc.aio.Channel) -> None:
    assert await health(channel) == "SERVING"
    assert await health(channel, "aidpost.v1.DeviceLinkService") == "SERVING"
    assert "aidpost.v1.DeviceLinkService" in await reflected_services(channel)
