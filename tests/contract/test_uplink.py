"""The uplink against an aggregator over real gRPC: nothing lost, nothing held twice, whatever answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
import msgspec
import pytest
from structlog.testing import capture_logs

from aidpost.v1 import link_pb2
from firmware.clock import Clock
from firmware.records import Event
from firmware.store.errors import StoreFull
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink import codec
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target, open_channel
from firmware.uplink.errors import BadAnswer, LinkLost, NoAnswer
from firmware.uplink.link import Connection, Limits, Standing
from firmware.uplink.uplink import Uplink, UplinkState
from tests.kit.aggregator_stub import (
    AggregatorStub,
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
from tests.kit.store_values import check_in, moment, open_store

DEADLINE_S = 20.0
DEVICE = "post-1"
ResultT = TypeVar("ResultT")


def _random(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (delays are no secrets)


class Rig:
    """An uplink with a real store and a stub aggregator; its back-off takes no time."""

    def __init__(self, store: StoreThread) -> None:
        self.store = store
        self.aggregator = AggregatorStub()
        self.delays: list[float] = []
        self.states: list[UplinkState] = []
        self.store_faults: list[StoreFull] = []
        self._changed = asyncio.Event()
        self._uplink: Uplink | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def uplink(self) -> Uplink:
        assert self._uplink is not None
        return self._uplink

    async def run_in_store(self, work: Callable[[Store], ResultT], /) -> ResultT:
        return await self.store.run(work)

    def connect(
        self, *, answer_timeout_s: float = DEADLINE_S, port: int | None = None, batch_events: int = 100
    ) -> None:
        self._uplink = Uplink(
            Target("127.0.0.1", port or self.aggregator.port),
            self.run_in_store,
            Clock(),
            Backoff(_random(7)),
            device_id=DEVICE,
            software_version="0.1.0",
            limits=Limits(answer_timeout_s=answer_timeout_s, batch_events=batch_events),
            sleep=self._sleep,
            on_change=self._on_change,
        )
        self._task = asyncio.create_task(self._uplink.run())

    async def commit(self, count: int, reason: str = "") -> None:
        def commit_all(store: Store) -> None:
            for _ in range(count):
                body = check_in(store.last_seq() + 1)
                store.commit_check_in(moment(), msgspec.structs.replace(body, reason=reason))

        await self.store.run(commit_all)
        if self._uplink is not None:
            self._uplink.notify()

    async def until(self, condition: Callable[[UplinkState], bool]) -> UplinkState:
        async with asyncio.timeout(DEADLINE_S):
            while not condition(self.uplink.state):
                self._changed.clear()
                await self._changed.wait()
        return self.uplink.state

    async def close(self) -> None:
        if self._task is not None:
            await self.uplink.stop()
            await self._task
        await self.aggregator.stop()
        await self.store.close()

    def held(self) -> list[int]:
        epochs = {hello.epoch for hello in self.aggregator.hellos}
        assert {key[:2] for key in self.aggregator.held} <= {(DEVICE, epoch) for epoch in epochs}
        return sorted(seq for _, _, seq in self.aggregator.held)

    def arrivals(self) -> list[int]:
        return [seq for _, _, seq in self.aggregator.arrivals]

    async def _sleep(self, delay_s: float) -> None:
        self.delays.append(delay_s)
        self._changed.set()
        await asyncio.sleep(0)

    def _on_change(self, state: UplinkState) -> None:
        self.states.append(state)
        self._changed.set()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(await StoreThread.open(lambda: open_store(tmp_path)))
    await rig.aggregator.start()
    yield rig
    await rig.close()


async def test_a_thousand_waiting_events_arrive_once_and_in_order(rig: Rig) -> None:
    await rig.commit(1000)
    events = await rig.store.run(lambda store: store.pending(0, 1000))
    rig.connect()
    await rig.until(lambda state: state.acked_seq == 1000)
    assert rig.arrivals() == list(range(1, 1001))
    assert [rig.aggregator.held[key] for key in rig.aggregator.arrivals] == list(
        map(codec.to_message, events)
    )
    assert rig.aggregator.batch_sizes == [100] * 10
    assert await rig.store.run(Store.outbox_depth) == 0
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
    assert await rig.store.run(Store.outbox_depth) == 0


async def test_what_was_committed_before_a_cut_is_not_sent_again(rig: Rig) -> None:
    await rig.commit(25)
    rig.aggregator.script.append(aborts_after_commit(1))
    rig.connect(batch_events=10)
    await rig.until(lambda state: state.acked_seq == 25)
    arrived_again = rig.arrivals()[20:]
    assert arrived_again == list(range(21, 26))


BAD_ANSWERS: list[tuple[str, Play, str]] = [
    ("ack of an event never sent", answers(welcome(0), after_batch=(ack(10_000),)), "only 40 were sent"),
    ("ack backwards", answers(welcome(0), after_batch=(ack(30), ack(20))), "20 was acknowledged after 30"),
    ("ack below the welcome", answers(welcome(20), after_batch=(ack(10),)), "10 was acknowledged after 20"),
    ("ack beyond all numbers", answers(welcome(0), after_batch=(ack(2**64 - 1),)), "only 40 were sent"),
    ("no known message", answers(welcome(0), after_batch=(link_pb2.ConnectResponse(),)), "neither a welcome"),
    ("bytes that are no message", answers(b"\xff\xff\xff"), "cannot be read"),
    ("ack before the welcome", answers(ack(1)), "before the welcome"),
    ("two welcomes", answers(welcome(0), welcome(0)), "second welcome"),
    ("welcome beyond what was given", answers(welcome(41)), "has given only 40"),
    ("welcome without room", answers(welcome(0, max_batch_events=0)), "no events in a batch"),
]


@pytest.mark.parametrize(
    ("play", "reason"), [bad[1:] for bad in BAD_ANSWERS], ids=[bad[0] for bad in BAD_ANSWERS]
)
async def test_a_bad_answer_is_named_and_costs_nothing(rig: Rig, play: Play, reason: str) -> None:
    await rig.commit(40)
    rig.aggregator.script.append(play)
    rig.connect()
    state = await rig.until(lambda state: state.acked_seq == 40)
    assert isinstance(state.last_error, BadAnswer)
    assert reason in str(state.last_error)
    assert rig.held() == list(range(1, 41))


@pytest.mark.parametrize(
    ("play", "reason"),
    [(answers(), "no welcome"), (answers(welcome(0)), "no acknowledgement")],
    ids=["no welcome", "no acknowledgement"],
)
async def test_a_silent_aggregator_is_left_in_time(rig: Rig, play: Play, reason: str) -> None:
    await rig.commit(40)
    rig.aggregator.script.append(play)
    rig.connect(answer_timeout_s=0.2)
    state = await rig.until(lambda state: state.acked_seq == 40)
    assert isinstance(state.last_error, NoAnswer)
    assert reason in str(state.last_error)
    assert not any(earlier.connected for earlier in rig.states[: rig.states.index(_lost(rig))])


def _lost(rig: Rig) -> UplinkState:
    return next(state for state in rig.states if state.last_error is not None)


async def test_an_aggregator_that_never_reads_is_left_in_time(rig: Rig) -> None:
    async def stops_reading(stream: Stream) -> None:
        await stream.say(welcome(await stream.hello()))
        await asyncio.Event().wait()

    await rig.commit(60, reason="r" * 100_000)
    rig.aggregator.script.append(stops_reading)
    rig.connect(answer_timeout_s=0.2, batch_events=10)
    state = await rig.until(lambda state: state.last_error is not None)
    assert isinstance(state.last_error, NoAnswer)
    assert "no data was taken" in str(state.last_error)


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


class WatchedChannel:
    """A channel that shows the call that was made over it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.call: Any = None

    def stream_stream(self, *arguments: Any) -> Callable[[], Any]:
        connect: Callable[[], Any] = self._channel.stream_stream(*arguments)

        def watched() -> Any:
            self.call = connect()
            return self.call

        return watched

    async def close(self) -> None:
        await self._channel.close()


class SlowOutbox:
    """An outbox whose first answer comes after the call has ended."""

    def __init__(self, channel: WatchedChannel) -> None:
        self._channel = channel

    async def standing(self) -> Standing:
        await self._channel.call.code()
        return Standing(bytes(16), "site-1", last_seq=0, acked_seq=0)

    async def pending(self, after_seq: int, limit: int) -> list[Event]:
        raise AssertionError("never reached")

    async def acknowledge(self, seq: int) -> None:
        raise AssertionError("never reached")

    async def rewind(self, acked_seq: int) -> None:
        raise AssertionError("never reached")


async def test_writing_to_a_stream_that_has_ended_is_a_lost_link(rig: Rig) -> None:
    rig.aggregator.script.append(closes_at_once)
    channel = WatchedChannel(open_channel(Target("127.0.0.1", rig.aggregator.port)))
    connection = Connection(
        channel,  # type: ignore[arg-type]
        SlowOutbox(channel),
        Limits(),
        device_id=DEVICE,
        software_version="0.1.0",
        on_through=lambda: None,
        on_ack=lambda _: None,
    )
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkLost, match="closed the stream"):
            await connection.run()


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
        await rig.until(lambda state: state.acked_seq == 120)
    assert [line["event"] for line in logs] == ["uplink_lost", "uplink_recovered"]
    assert "check that it runs" in logs[0]["reason"]
    assert rig.held() == list(range(1, 121))


async def test_what_is_no_grpc_at_all_is_survived(rig: Rig) -> None:
    met = asyncio.Event()

    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        writer.write(_random(3).randbytes(4096))
        writer.close()

    server = await asyncio.start_server(noise, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await rig.commit(5)
    rig.connect(port=port)
    await asyncio.wait_for(met.wait(), DEADLINE_S)
    state = await rig.until(lambda state: state.last_error is not None)
    assert isinstance(state.last_error, LinkLost)
    server.close()
    await server.wait_closed()
    await rig.aggregator.stop()
    rig.aggregator.port = port
    await rig.aggregator.start()
    await rig.until(lambda state: state.acked_seq == 5)
    assert rig.held() == [1, 2, 3, 4, 5]


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


async def test_a_full_disk_at_the_acknowledgement_only_delays_it(tmp_path: Path) -> None:
    class FullOnce(Rig):
        async def run_in_store(self, work: Callable[[Store], Any], /) -> Any:
            if self.aggregator.held and not self.store_faults:
                self.store_faults.append(StoreFull("no space left"))
                raise self.store_faults[0]
            return await self.store.run(work)

    rig = FullOnce(await StoreThread.open(lambda: open_store(tmp_path)))
    await rig.aggregator.start()
    await rig.commit(10)
    rig.connect()
    state = await rig.until(lambda state: state.acked_seq == 10)
    assert state.last_error is rig.store_faults[0]
    assert rig.held() == list(range(1, 11))
    assert await rig.store.run(Store.outbox_depth) == 0
    await rig.close()


async def test_stopping_in_the_middle_keeps_what_is_not_acknowledged(rig: Rig) -> None:
    await rig.commit(40)
    rig.aggregator.script.append(answers(welcome(0), after_batch=(ack(25),)))
    rig.connect()
    await rig.until(lambda state: state.acked_seq == 25)
    async with asyncio.timeout(2.0):
        await rig.uplink.stop()
    assert not rig.uplink.state.connected
    waiting = await rig.store.run(lambda store: store.pending(0, 100))
    assert [event.seq for event in waiting] == list(range(26, 41))
