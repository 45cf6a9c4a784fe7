"""An uplink with a real store and a stub aggregator; its back-off takes no time."""

from __future__ import annotations

import asyncio
import random
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

import grpc.aio
import msgspec

from firmware.clock import Clock
from firmware.store.errors import StoreFull
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import InTheClear, Target
from firmware.uplink.link import Limits
from firmware.uplink.uplink import Uplink, UplinkState
from tests.kit.aggregator_stub import AggregatorStub
from tests.kit.store_values import check_in, moment, open_store

DEADLINE_S = 60.0
DEVICE = "post-1"
ResultT = TypeVar("ResultT")


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (delays are no secrets)


class Listening(InTheClear):
    """Notes what concerns the certificate, and the channels."""

    def __init__(
        self,
        target: Target,
        told: list[int],
        refused: list[bool],
        channels: list[weakref.ref[grpc.aio.Channel]],
    ) -> None:
        super().__init__(target)
        self._told, self._refused, self._channels = told, refused, channels

    async def dial(self) -> grpc.aio.Channel:
        channel = await super().dial()
        self._channels.append(weakref.ref(channel))
        return channel

    def told_time(self, server_ns: int) -> None:
        self._told.append(server_ns)

    async def refused(self) -> None:
        self._refused.append(True)


class Rig:
    """The three, wired; `delays` are what the back-off asked for, `states` what the uplink reported."""

    def __init__(self, store: StoreThread) -> None:
        self.store = store
        self.aggregator = AggregatorStub()
        self.delays: list[float] = []
        self.states: list[UplinkState] = []
        self.store_faults: list[StoreFull] = []
        self.told: list[int] = []
        self.refused: list[bool] = []
        self.channels: list[weakref.ref[grpc.aio.Channel]] = []
        self._changed = asyncio.Event()
        self._uplink: Uplink | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path) -> AsyncIterator[Self]:
        rig = cls(await StoreThread.open(lambda: open_store(folder)))
        await rig.aggregator.start()
        try:
            yield rig
        finally:
            await rig.close()

    @property
    def uplink(self) -> Uplink:
        assert self._uplink is not None
        return self._uplink

    async def run_in_store(self, work: Callable[[Store], ResultT], /) -> ResultT:
        return await self.store.run(work)

    def connect(
        self,
        *,
        answer_timeout_s: float = DEADLINE_S,
        port: int | None = None,
        batch_events: int = 100,
        gather_events: int = 20,
    ) -> None:
        self._uplink = Uplink(
            (target := Target("127.0.0.1", port or self.aggregator.port)),
            Listening(target, self.told, self.refused, self.channels),
            self.run_in_store,
            Clock(),
            Backoff(seeded(7)),
            device_id=DEVICE,
            software_version="0.1.0",
            limits=Limits(
                answer_timeout_s=answer_timeout_s, batch_events=batch_events, gather_events=gather_events
            ),
            sleep=self._sleep,
            on_change=self._on_change,
        )
        self._task = asyncio.create_task(self._uplink.run())

    async def commit(self, count: int, reason: str = "") -> None:
        def commit_all(store: Store) -> None:
            for _ in range(count):
                body = check_in(store.outbox.last_seq() + 1)
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
