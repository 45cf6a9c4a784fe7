"""DeviceLinkService as good devices meet it: a real server, a real client."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from aggregator.link.service import Limits
from aggregator.records import Credit
from aggregator.store.reader import read_missing
from aidpost.v1 import ingest_pb2, ingest_pb2_grpc, link_pb2
from firmware.uplink.packing import pack
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.link_device import (
    EPOCH,
    Chained,
    LinkDevice,
    check_in,
    device_fault,
    dialled,
    hello,
    registration,
)
from trust.chain import Receipt


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
    await device.acked(4)
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
    (missing,) = server.read(read_missing)
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
