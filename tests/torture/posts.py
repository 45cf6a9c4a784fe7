"""Devices in this process, with the appliance's own store, uplink and book of commands, and mutual TLS."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import msgspec
from cryptography import x509

from firmware.clock import Clock, random_id
from firmware.orders import Orders
from firmware.records import CommandKind
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target, open_channel
from firmware.uplink.codec import Command
from firmware.uplink.link import Limits
from firmware.uplink.time_hints import TimeHints
from firmware.uplink.uplink import Uplink, UplinkState
from tests.kit.identities import DeviceIdentity
from tests.kit.store_values import check_in, open_store
from trust.certificates import key_to_pem, to_pem

RETRY_CAP_S = 1.0  # of the appliance it is a minute
ANSWER_TIMEOUT_S = 5.0  # of the appliance it is 30 s
DRAIN_S = 120.0


class _Shown:
    """The `Dialler` of a device whose certificate outlives the test."""

    def __init__(self, target: str, authority: x509.Certificate, identity: DeviceIdentity) -> None:
        self._target, self._authority, self._identity = Target.parse(target), authority, identity

    async def dial(self) -> grpc.aio.Channel:
        held = self._identity.held()
        tls = grpc.ssl_channel_credentials(to_pem(self._authority), key_to_pem(held.key), to_pem(*held.chain))
        return open_channel(self._target, tls)

    def told_time(self, server_ns: int) -> None:
        pass

    async def refused(self) -> None:
        raise AssertionError(f"the certificate of {self._identity.device_id} was refused")


class PostDevice:
    """One device that checks somebody in every `pause_s`.

    shown: record by sequence number, after its commit. acked_seq: what the aggregator acknowledged.
    arrived: how often each command came. done: how often it was done, which is once.
    """

    def __init__(self, store: StoreThread, identity: DeviceIdentity, pause_s: float) -> None:
        self.device_id = identity.device_id
        self.shown: dict[int, bytes] = {}
        self.acked_seq = 0
        self.connected = False
        self.arrived: Counter[bytes] = Counter()
        self.done: Counter[bytes] = Counter()
        self._store = store
        self._pause_s = pause_s
        self._changed = asyncio.Event()
        self.running: asyncio.Task[None] | None = None
        self._quiet, self._reported = False, asyncio.Event()
        self._uplink: Uplink | None = None

    async def until(self, condition: Callable[[PostDevice], bool]) -> None:
        """Wait until the condition holds; raises TimeoutError after two minutes."""
        async with asyncio.timeout(DRAIN_S):
            while not condition(self):
                if self.running is not None and self.running.done():
                    self.running.result()
                self._changed.clear()
                await self._changed.wait()

    @property
    def last_seq(self) -> int:
        """The last event that was shown as done."""
        return max(self.shown, default=0)

    def start(self, target: str, authority: x509.Certificate, identity: DeviceIdentity) -> None:
        """Report until `stop`."""
        self.running = asyncio.create_task(self._run(target, authority, identity))
        self.running.add_done_callback(lambda _: self._changed.set())

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def _run(self, target: str, authority: x509.Certificate, identity: DeviceIdentity) -> None:
        clock, hints = Clock(), TimeHints()
        orders = Orders(
            self._store.run, clock, hints,
            handlers={CommandKind.SELF_TEST: self._self_test}, last_acts={},
            committed=self._committed, acknowledged=self._drained,
        )  # fmt: skip
        self._uplink = uplink = Uplink(
            Target.parse(target),
            _Shown(target, authority, identity),
            self._store.run,
            clock,
            Backoff(random.Random(self.device_id), cap_s=RETRY_CAP_S),  # noqa: S311  (no secret)
            device_id=self.device_id,
            software_version="0.1.0",
            limits=Limits(answer_timeout_s=ANSWER_TIMEOUT_S),
            on_change=self._on_change,
            on_command=partial(self._take, orders),
            hints=hints,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(uplink.run())
            tasks.create_task(orders.run())
            tasks.create_task(self._report(clock))

    async def settle(self) -> None:
        """Report nothing new, and wait until the aggregator holds everything."""
        self._quiet = True
        async with asyncio.timeout(DRAIN_S):
            await self._reported.wait()
            await self._drained()

    async def _report(self, clock: Clock) -> None:
        number = 0
        while not self._quiet:
            number += 1
            body = msgspec.structs.replace(check_in(number), record_id=random_id())
            seq = await self._store.run(partial(_commit, clock.now(), body))
            self.shown[seq] = body.record_id
            self._committed()
            await asyncio.sleep(self._pause_s)
        self._reported.set()

    def _take(self, orders: Orders, command: Command) -> None:
        self.arrived[command.command_id] += 1
        orders.take(command)

    async def _self_test(self, command: Command) -> str:
        self.done[command.command_id] += 1
        return f"done {command.command_id.hex()}"

    def _committed(self) -> None:
        if self._uplink is not None:
            self._uplink.notify()

    async def _drained(self) -> None:
        while (await self._store.run(Store.counts)).waiting:
            self._changed.clear()
            if (await self._store.run(Store.counts)).waiting:
                await self._changed.wait()

    def _on_change(self, state: UplinkState) -> None:
        self.acked_seq = max(self.acked_seq, state.acked_seq)
        self.connected = state.connected
        self._changed.set()


def _commit(moment: object, body: object, store: Store) -> int:
    return store.commit_check_in(moment, body)  # type: ignore[arg-type]


@asynccontextmanager
async def reporting(
    folder: Path, target: str, authority: x509.Certificate, identities: list[DeviceIdentity], pause_s: float
) -> AsyncIterator[list[PostDevice]]:
    """Yield devices that report to the target until the end of the block."""
    devices, stores = [], []
    for identity in identities:
        home = folder / identity.device_id
        home.mkdir(parents=True)
        store = await StoreThread.open(partial(open_store, home, device_id=identity.device_id))
        device = PostDevice(store, identity, pause_s)
        stores.append(store)
        devices.append(device)
        device.start(target, authority, identity)
    try:
        yield devices
    finally:
        for device in devices:
            await device.stop()
        for store in stores:
            await store.close()
