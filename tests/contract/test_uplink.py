"""The uplink against an aggregator over real gRPC: nothing lost, nothing held twice, in order."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from aidpost.v1 import link_pb2
from firmware.event_message import to_message
from firmware.store.store import Store
from firmware.store.trail import Holds
from firmware.uplink.errors import LinkLost
from tests.kit.aggregator_fixture import running_aggregator
from tests.kit.aggregator_stub import (
    MAX_BATCH_EVENTS,
    Play,
    Stream,
    aborts_after_commit,
    aborts_before_commit,
    ack,
    answers,
    closes_after_hello,
    closes_after_welcome,
    closes_at_once,
    commits_half_of_a_batch,
    refuses,
    welcome,
)
from tests.kit.uplink_rig import DEVICE, Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig.opened(tmp_path) as rig:
        yield rig


async def test_a_thousand_waiting_events_arrive_once_and_in_order(rig: Rig) -> None:
    await rig.commit(1000)
    events = await rig.store.run(lambda store: store.outbox.pending(0, 1000))
    rig.connect()
    await rig.until(lambda state: state.acked_seq == 1000)
    assert rig.arrivals() == list(range(1, 1001))
    held = [rig.aggregator.held[key] for key in rig.aggregator.arrivals]
    assert held == [to_message(queued.event) for queued in events]
    assert rig.aggregator.batch_sizes == [100] * 10
    assert (await rig.store.run(Store.counts)).waiting == 0
    hello = rig.aggregator.hellos[0]
    assert (hello.device_id, hello.last_seq, hello.site) == (DEVICE, 1000, "site-1")


async def test_a_new_event_goes_out_at_once(rig: Rig) -> None:
    rig.connect()
    await rig.until(lambda state: state.connected)
    for number in (1, 2, 3):
        await rig.commit(1)
        await rig.until(lambda state, number=number: state.acked_seq == number)  # type: ignore[misc]
    assert rig.arrivals() == [1, 2, 3]
    assert len(rig.aggregator.hellos) == 1


CUTS: list[Play] = [
    closes_at_once,
    closes_after_hello,
    closes_after_welcome,
    aborts_before_commit(0),
    aborts_before_commit(1),
    aborts_after_commit(0),
    aborts_after_commit(1),
    commits_half_of_a_batch,
    refuses(grpc.StatusCode.UNAVAILABLE),
]


async def test_every_event_is_held_once_after_cuts_at_every_point(rig: Rig) -> None:
    await rig.commit(95)
    rig.aggregator.script.extend(CUTS)
    rig.connect(batch_events=10)
    await rig.until(lambda state: state.acked_seq == 95)
    assert rig.held() == list(range(1, 96))
    assert len(rig.aggregator.hellos) >= len(CUTS)
    assert len(rig.delays) == len(CUTS)
    assert (await rig.store.run(Store.counts)).waiting == 0


async def test_what_was_committed_before_a_cut_is_not_sent_again(rig: Rig) -> None:
    await rig.commit(25)
    rig.aggregator.script.append(aborts_after_commit(1))
    rig.connect(batch_events=10)
    await rig.until(lambda state: state.acked_seq == 25)
    arrived_again = rig.arrivals()[20:]
    assert arrived_again == list(range(21, 26))


async def test_a_stream_that_the_server_ends_by_its_age_is_resumed(rig: Rig) -> None:
    ended = asyncio.Event()

    async def ends_when_told(stream: Stream) -> None:
        await stream.say(welcome(await stream.hello()))
        await ended.wait()

    rig.aggregator.script.append(ends_when_told)
    rig.connect()
    await rig.until(lambda state: state.connected)
    ended.set()
    await rig.commit(3)
    state = await rig.until(lambda state: state.acked_seq == 3)
    assert isinstance(state.last_error, LinkLost)
    assert "closed the stream" in str(state.last_error)


async def test_a_certificate_that_is_called_expired_is_asked_for_again(rig: Rig) -> None:
    await rig.commit(1)
    rig.aggregator.script.extend(
        [refuses(grpc.StatusCode.UNAUTHENTICATED), refuses(grpc.StatusCode.PERMISSION_DENIED)]
    )
    rig.connect()
    state = await rig.until(lambda state: state.acked_seq == 1)
    assert rig.refused == [True]
    assert "ask its operator" in str(state.last_error)


async def test_the_delay_that_the_aggregator_names_wins(rig: Rig) -> None:
    await rig.commit(1)
    rig.aggregator.script.extend(
        [refuses(grpc.StatusCode.RESOURCE_EXHAUSTED, 7.5), refuses(grpc.StatusCode.UNAVAILABLE)]
    )
    rig.connect()
    state = await rig.until(lambda state: state.acked_seq == 1)
    assert rig.delays[0] == 7.5
    assert 0 <= rig.delays[1] <= 2.0
    assert "as the test wants it" in str(state.last_error)


async def test_an_aggregator_that_comes_back_gets_everything_and_one_line_each_is_logged(rig: Rig) -> None:
    await rig.aggregator.stop()
    await rig.commit(120)
    with capture_logs() as logs:
        rig.connect()
        await rig.until(lambda _: len(rig.delays) >= 5)
        assert not rig.uplink.state.connected
        await rig.aggregator.start()
        await rig.until(lambda state: state.connected and state.acked_seq == 120)
    assert [line["event"] for line in logs] == ["uplink_lost", "uplink_recovered"]
    assert "check that it runs" in logs[0]["reason"]
    assert rig.held() == list(range(1, 121))


async def test_nothing_is_left_of_an_attempt_that_failed(rig: Rig) -> None:
    # A closed channel whose call lives goes on connecting, and holds the connection that it gets.
    await rig.aggregator.stop()
    gc.disable()
    try:
        rig.connect()
        await rig.until(lambda _: len(rig.delays) >= 3)
        assert [channel() for channel in rig.channels[:3]] == [None] * 3
    finally:
        gc.enable()


async def test_an_aggregator_that_went_back_gets_the_kept_records_again(rig: Rig) -> None:
    await rig.commit(30)
    rig.connect()
    await rig.until(lambda state: state.acked_seq == 30)
    for key in [key for key in rig.aggregator.held if key[2] > 10]:
        del rig.aggregator.held[key]
    await rig.aggregator.stop()
    await rig.until(lambda state: not state.connected)
    await rig.aggregator.start()
    await rig.commit(1)
    await rig.until(lambda state: state.acked_seq == 31)
    assert rig.held() == list(range(1, 32))


async def test_stopping_in_the_middle_keeps_what_is_not_acknowledged(rig: Rig) -> None:
    await rig.commit(40)
    rig.aggregator.script.append(answers(welcome(0), after_batch=(ack(25),)))
    rig.connect()
    await rig.until(lambda state: state.acked_seq == 25)
    async with asyncio.timeout(2.0):
        await rig.uplink.stop()
    assert not rig.uplink.state.connected
    waiting = await rig.store.run(lambda store: store.outbox.pending(0, 100))
    assert [event.seq for event in waiting] == list(range(26, 41))


def credit(events: int, seq: int | None = None) -> link_pb2.ConnectResponse:
    """A welcome, or the acknowledgement of seq, that grants so many events."""
    granted = link_pb2.Credit(events=events, bytes=100_000)
    if seq is None:
        return link_pb2.ConnectResponse(
            welcome=link_pb2.Welcome(max_batch_events=MAX_BATCH_EVENTS, credit=granted)
        )
    return link_pb2.ConnectResponse(ack=link_pb2.Ack(seq=seq, credit=granted))


async def test_no_more_is_sent_than_the_aggregator_has_granted(rig: Rig) -> None:
    await rig.commit(40)
    taken: list[int] = []

    async def grants_little(stream: Stream) -> None:
        await stream.hello()
        await stream.say(credit(7))
        taken.append(stream.commit(await stream.batch()))
        await stream.say(credit(3, seq=taken[-1]))
        taken.append(stream.commit(await stream.batch()))
        await stream.say(credit(100, seq=taken[-1]))
        taken.append(stream.commit(await stream.batch()))
        await stream.say(ack(taken[-1]))
        await stream.until_it_hangs_up()

    rig.aggregator.script.append(grants_little)
    rig.connect()
    await rig.until(lambda state: state.acked_seq == 40)
    assert taken == [7, 10, 40]


async def test_while_something_is_under_way_events_are_gathered(rig: Rig) -> None:
    sizes: list[int] = []

    async def answers_late(stream: Stream) -> None:
        await stream.say(welcome(await stream.hello()))
        first = await stream.batch() or []
        # The first is under way: 5 wait, and with 20 more they are sent without an acknowledgement.
        await rig.commit(5)
        await rig.commit(20)
        second = await stream.batch() or []
        sizes.extend((len(first), len(second)))
        await stream.say(ack(stream.commit(first + second)))
        await stream.until_it_hangs_up()

    rig.aggregator.script.append(answers_late)
    await rig.commit(1)
    rig.connect()
    await rig.until(lambda state: state.acked_seq == 26)
    assert sizes[0] == 1
    assert sizes[1] >= 20


async def test_receipts_are_kept_and_the_audit_log_fits_them(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "aggregator").mkdir()
    async with running_aggregator(tmp_path / "aggregator" / "results.db") as server:
        await rig.commit(30)
        rig.connect(port=int(server.target.rpartition(":")[2]))
        await rig.until(lambda state: state.acked_seq == 30)
        await rig.commit(3)
        await rig.until(lambda state: state.acked_seq == 33)
    checked = await rig.store.run(lambda store: store.trail().check())
    assert checked == Holds(rows=33, receipts=1, covered=33)
