"""A device that only commits events, as fast as it can: with the appliance's own keys, store and uplink.

Run as ``python -m tests.torture.producer ORDER``, ORDER being a `Producing` as JSON, or forked by
`tests.torture.device`. What staff would have seen is said on `said`, one line for each:

    TIME ready | connected | lost WHY | full WHY | shown SEQ RECORD | acked SEQ
         | kept ENTRY | erasing ENTRY | erased ENTRY | fault WHY
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import deque
from pathlib import Path

import msgspec

from firmware import log
from firmware.clock import Clock, random_id
from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.records import Moment
from firmware.store.errors import StoreError, StoreFull
from firmware.store.opening import StoreSettings, open_or_mend
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target
from firmware.uplink.link import Limits
from firmware.uplink.membership import Membership, Sleep
from firmware.uplink.uplink import Uplink, UplinkState
from tests.kit.store_values import DEVICE, PURPOSE, SITE, check_in, reference, registration
from trust.keys.guard import GuardKind, KeyGuard
from trust.names import DeviceName

STORE = "aidpost.db"
REGISTER_EVERY, ERASE_EVERY, PURGE_EVERY = 8, 24, 40  # of the events; erasing empties the write-ahead log
WHEN_FULL_S = 0.2


class Producing(msgspec.Struct, frozen=True, kw_only=True):
    """What one process does.

    folder: with the keys and `identity.pem`. events: after so many it waits until the aggregator holds
    everything, and ends; None for ever. keep_s: how long acknowledged records stay. loose: switch the flushes
    of the store off, to show that a check sees what that loses. The others are the uplink's and the store's.
    """

    folder: str
    said: str
    target: str
    seed: int
    events: int | None = None
    pause_s: float = 0.0
    keep_s: float = 24 * 3600.0
    retry_cap_s: float = 1.0
    answer_timeout_s: float = 30.0
    max_pages: int | None = None
    loose: bool = False


class Said:
    """Writes lines whole, also when the process is killed between two."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __call__(self, line: str) -> None:
        os.write(self._descriptor, f"{time.monotonic_ns()} {line}\n".encode())


def store_settings(folder: Path, max_pages: int | None = None) -> StoreSettings:
    return StoreSettings(folder / STORE, DEVICE, PURPOSE, SITE, max_pages)


def guard_of(folder: Path) -> KeyGuard:
    exists = (folder / STORE).exists()
    return open_guard(GuardSettings(GuardKind.FILE), folder, store_exists=exists)


def membership_of(folder: Path, guard: KeyGuard, target: str, sleep: Sleep = asyncio.sleep) -> Membership:
    clock, named = Clock(), DeviceName(DEVICE, SITE)
    return Membership(
        Target.parse(target), guard, named, folder, monotonic_ns=clock.monotonic_ns, sleep=sleep
    )


class Producer:
    """Commits events and says each afterwards, as the light turns green after the commit."""

    def __init__(self, order: Producing, store: StoreThread, say: Said) -> None:
        self._order = order
        self._store = store
        self._say = say
        self._kept: deque[bytes] = deque()
        self._state = UplinkState()
        self._changed = asyncio.Event()

    def on_change(self, state: UplinkState) -> None:
        before, self._state = self._state, state
        if state.connected is not before.connected:
            self._say("connected" if state.connected else f"lost {state.last_error}"[:300])
        if state.acked_seq > before.acked_seq:
            self._say(f"acked {state.acked_seq}")
        self._changed.set()

    async def work(self, uplink: Uplink) -> None:
        """Commit as many as were ordered; on a full disk try again, as staff would."""
        number = 0
        while number != self._order.events:
            try:
                await self._commit(number + 1)
                number += 1
            except StoreFull as fault:
                self._say(f"full {fault}"[:300])
                await asyncio.sleep(WHEN_FULL_S)
            uplink.notify()
            await asyncio.sleep(self._order.pause_s)
        while (await self._store.run(Store.counts)).waiting:
            self._changed.clear()
            if (await self._store.run(Store.counts)).waiting:
                await self._changed.wait()

    async def _commit(self, number: int) -> None:
        moment, record = Clock().now(), random_id()
        if number % REGISTER_EVERY == 0:
            await self._register(moment, record)
        else:
            body = msgspec.structs.replace(check_in(number), record_id=record)
            seq = await self._store.run(lambda store: store.commit_check_in(moment, body))
            self._say(f"shown {seq} {record.hex()}")
        if number % ERASE_EVERY == 0:
            entry_id = self._kept.popleft()
            self._say(f"erasing {entry_id.hex()}")
            if await self._store.run(lambda store: store.gallery.remove(moment, entry_id)):
                self._say(f"erased {entry_id.hex()}")
        if number % PURGE_EVERY == 0:
            keep_ns = int(self._order.keep_s * 1e9)
            await self._store.run(lambda store: store.outbox.purge_acknowledged(moment, keep_ns))

    async def _register(self, moment: Moment, record: bytes) -> None:
        entry = reference(int.from_bytes(random_id(), "big"))
        body = msgspec.structs.replace(registration(entry), record_id=record)
        seq = await self._store.run(lambda store: store.commit_registration(moment, body, entry))
        self._kept.append(entry.entry_id)
        self._say(f"shown {seq} {record.hex()}")
        self._say(f"kept {entry.entry_id.hex()}")


async def produce(order: Producing) -> None:
    """Do what was ordered; raises what the store and the keys raise."""
    folder, say = Path(order.folder), Said(Path(order.said))

    def opened() -> Store:
        with guard.store_key() as key:
            store, saved = open_or_mend(store_settings(folder, order.max_pages), key, Clock().now())
        if saved is not None:
            say(f"fault the store was damaged: {saved}")
        if order.loose:
            store._db.execute("PRAGMA synchronous = OFF")
        return store

    with guard_of(folder) as guard:
        store = await StoreThread.open(opened)
        producer = Producer(order, store, say)
        uplink = Uplink(
            Target.parse(order.target),
            membership_of(folder, guard, order.target),
            store.run,
            Clock(),
            Backoff(random.Random(order.seed), cap_s=order.retry_cap_s),  # noqa: S311  (no secret)
            device_id=DEVICE,
            software_version="0.1.0",
            limits=Limits(answer_timeout_s=order.answer_timeout_s),
            on_change=producer.on_change,
        )
        say("ready")
        running = asyncio.create_task(uplink.run())
        await producer.work(uplink)
        await uplink.stop()
        await running
        await store.close()


def main(text: str) -> None:
    """Run one order; what the appliance logs goes to `device.log` beside its store."""
    order = msgspec.json.decode(text, type=Producing)
    with Path(order.folder, "device.log").open("a", encoding="utf-8") as stream:
        log.configure(stream=stream)
        try:
            asyncio.run(produce(order))
        except StoreError as error:
            Said(Path(order.said))(f"fault {error}")
            sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
