"""The uplink against what is no good aggregator: a clear error, and nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from aidpost.v1 import link_pb2
from firmware.records import Queued, SignedReceipt
from firmware.store.errors import StoreFull
from firmware.store.store import Store
from firmware.uplink.channel import Target, open_channel
from firmware.uplink.codec import Standing
from firmware.uplink.errors import BadAnswer, LinkLost, NoAnswer
from firmware.uplink.link import Connection, Limits
from firmware.uplink.metering import LinkMeter
from firmware.uplink.uplink import UplinkState
from tests.kit.aggregator_stub import (
    Play,
    Stream,
    ack,
    answers,
    closes_at_once,
    welcome,
)
from tests.kit.uplink_rig import DEADLINE_S, DEVICE, Rig, seeded


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig.opened(tmp_path) as rig:
        yield rig


BAD_ANSWERS: list[tuple[str, Play, str]] = [
    ("ack of an event never sent", answers(welcome(0), after_batch=(ack(10_000),)), "only 40 were sent"),
    ("ack backwards", answers(welcome(0), after_batch=(ack(30), ack(20))), "20 was acknowledged after 30"),
    ("ack below the welcome", answers(welcome(20), after_batch=(ack(10),)), "10 was acknowledged after 20"),
    ("ack beyond all numbers", answers(welcome(0), after_batch=(ack(2**64 - 1),)), "only 40 were sent"),
    ("no known message", answers(welcome(0), after_batch=(link_pb2.ConnectResponse(),)), "of no kind"),
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

    await rig.commit(8, reason=seeded(5).randbytes(500_000).hex())  # what cannot be packed well
    rig.aggregator.script.append(stops_reading)
    rig.connect(answer_timeout_s=0.2, batch_events=1, gather_events=1)
    state = await rig.until(lambda state: state.last_error is not None)
    assert isinstance(state.last_error, NoAnswer)
    assert "no data was taken" in str(state.last_error)


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
        return Standing(bytes(16), "site-1", last_seq=0, acked_seq=0, generation=1)

    async def pending(self, after_seq: int, limit: int) -> list[Queued]:
        raise AssertionError("never reached")

    async def acknowledge(self, seq: int, receipt: SignedReceipt | None = None) -> None:
        raise AssertionError("never reached")

    async def synced(self) -> None:
        raise AssertionError("never reached")

    async def rewind(self, acked_seq: int) -> None:
        raise AssertionError("never reached")


async def test_writing_to_a_stream_that_has_ended_is_a_lost_link(rig: Rig) -> None:
    rig.aggregator.script.append(closes_at_once)
    channel = WatchedChannel(open_channel(Target("127.0.0.1", rig.aggregator.port), None))
    connection = Connection(
        channel,  # type: ignore[arg-type]
        SlowOutbox(channel),
        Limits(),
        device_id=DEVICE,
        software_version="0.1.0",
        instance=bytes(16),
        on_through=lambda: None,
        on_ack=lambda _: None,
        on_hint=lambda *_: None,
        on_command=lambda _: None,
        on_desired=lambda _: None,
        reported=lambda: None,
        monotonic_ns=lambda: 0,
        meter=LinkMeter(),
    )
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkLost, match="closed the stream"):
            await connection.run()


async def test_what_is_no_grpc_at_all_is_survived(rig: Rig) -> None:
    met = asyncio.Event()

    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        writer.write(seeded(3).randbytes(4096))
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


async def test_a_full_disk_at_the_acknowledgement_only_delays_it(tmp_path: Path) -> None:
    class FullOnce(Rig):
        async def run_in_store(self, work: Callable[[Store], Any], /) -> Any:
            if self.aggregator.held and not self.store_faults:
                self.store_faults.append(StoreFull("no space left"))
                raise self.store_faults[0]
            return await self.store.run(work)

    async with FullOnce.opened(tmp_path) as rig:
        await rig.commit(10)
        rig.connect()
        state = await rig.until(lambda state: state.acked_seq == 10)
        assert state.last_error is rig.store_faults[0]
        assert rig.held() == list(range(1, 11))
        assert (await rig.store.run(Store.counts)).waiting == 0
