"""Days of a clinic in minutes, the clocks handed in: sessions, outages, restarts, purges, lease, renewals."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from aggregator.authority import Authority
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc
from firmware.clock import Clock, random_id
from firmware.custody import Custody
from firmware.lease import LeaseLimits
from firmware.records import ClockQuality, Outcome
from firmware.session.machine import (
    Compared,
    Concluded,
    Confirmed,
    Event,
    Goal,
    HelpPressed,
    NotConfirmed,
    PartUnavailable,
    Plan,
    Presentation,
    Progress,
    Ready,
    Record,
    SampleTaken,
    Show,
    Started,
    State,
    Weight,
    step,
)
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target
from firmware.uplink.identity_file import read_identity
from firmware.uplink.membership import Membership
from firmware.uplink.uplink import Uplink, UplinkState
from inference.types import FingerPosition, Modality
from sensors.board.signals import Signal
from tests.kit.aggregator_fixture import NOW_NS, running_aggregator
from tests.kit.identities import claim_code, first_administrator, shown
from tests.kit.store_values import DEVICE, SITE, check_in
from tests.torture.finding import Finding
from tests.torture.ledger import Ledger
from tests.torture.producer import guard_of, store_settings
from trust.claim import Claim
from trust.keys.guard import KeyGuard
from trust.names import DeviceName

HOUR_NS, DAY_NS = 3_600_000_000_000, 24 * 3_600_000_000_000
LIMITS = LeaseLimits(30 * DAY_NS, 200)
OPEN_HOURS = range(7, 17)
OUTAGE = 0.3  # of the hours are without a link
PATIENCE_S = 60.0
_PRESENTATIONS = (Presentation(Modality.FACE), Presentation(Modality.FINGER, FingerPosition.RIGHT_INDEX))
_EVENTS: tuple[Event, ...] = (
    SampleTaken(),
    SampleTaken(),
    *map(Compared, Weight),
    Confirmed(),
    NotConfirmed(),
    PartUnavailable(Modality.FACE),
    HelpPressed(),
)


@dataclass
class Time:
    """What all clocks show; a restart begins a boot, and the monotonic clock anew."""

    passed_ns: int = 0
    boot: bytes = field(default_factory=random_id)
    booted_ns: int = 0

    def wall_ns(self) -> int:
        return NOW_NS + self.passed_ns

    def monotonic_ns(self) -> int:
        return self.passed_ns - self.booted_ns

    def restart(self) -> None:
        self.boot, self.booted_ns = random_id(), self.passed_ns

    def clock(self) -> Clock:
        return Clock(self.boot, self.monotonic_ns, self.wall_ns, lambda: ClockQuality.SYNCHRONISED)


def session(rng: random.Random, wrong: list[str]) -> Outcome:
    """Play one session with random events to its end; returns its outcome."""
    goal = rng.choice((Goal.VERIFY, Goal.IDENTIFY))
    state: State = Ready(Progress(Plan(goal, _PRESENTATIONS)))
    state, effects = step(state, Started())
    seen = list(effects)
    while not isinstance(state, Concluded):
        state, effects = step(state, rng.choice(_EVENTS))
        seen += effects
    records = [place for place, effect in enumerate(seen) if isinstance(effect, Record)]
    done = [place for place, effect in enumerate(seen) if effect == Show(Signal.DONE)]
    if len(records) != 1 or any(place < records[0] for place in done):
        wrong.append("a session ended without one record, or showed done before it")
    assert state.outcome is not None
    return state.outcome


class Clinic:
    """One device over many days; `restart` does what a power cut and the next start do."""

    def __init__(self, folder: Path, guard: KeyGuard, target: str, time: Time, seed: int) -> None:
        self._folder = folder
        self._guard = guard
        self._target = Target.parse(target)
        self.time = time
        self.rng = random.Random(seed)  # noqa: S311  (a seeded experiment)
        self.ledger = Ledger()
        self.renewals = self.restarts = 0
        self._acked: list[tuple[int, int]] = []

    async def start(self) -> None:
        clock = self.time.clock()
        self.store = await StoreThread.open(self._open)
        self.membership = Membership(
            self._target,
            self._guard,
            DeviceName(DEVICE, SITE),
            self._folder,
            monotonic_ns=self.time.monotonic_ns,
        )
        self.custody = Custody(
            self._guard,
            self.store.run,
            clock,
            limits=LIMITS,
            destroy_on_tamper=False,
            on_lapsing=lambda left: self.ledger.faults.append(f"the lease lapses: {left}"),
        )
        await self.custody.count()

    async def restart(self) -> None:
        self.restarts += 1
        await self.store.close()
        self.time.restart()
        await self.start()

    async def serve(self, people: int, within_ns: int) -> None:
        """Let people come within this time, each with a session and a commit."""
        for _ in range(people):
            self.time.passed_ns += within_ns // people
            outcome, record = session(self.rng, self.ledger.faults), random_id()
            body = msgspec.structs.replace(check_in(1), record_id=record, outcome=outcome)
            moment = self.time.clock().now()
            seq = await self.store.run(lambda store, m=moment, b=body: store.commit_check_in(m, b))  # type: ignore[misc]
            self.ledger.hear(f"shown {seq} {record.hex()}")

    async def synchronise(self) -> None:
        """Let the uplink deliver everything, renew what is due, and hang up."""
        changed = asyncio.Event()

        def on_change(_state: UplinkState) -> None:
            changed.set()

        async def waits() -> bool:
            changed.clear()  # before the look, so that no change is missed between the two
            return not uplink.state.connected or (await self.store.run(Store.counts)).waiting > 0

        uplink = Uplink(
            self._target,
            self.membership,
            self.store.run,
            self.time.clock(),
            Backoff(self.rng, cap_s=0.2),
            device_id=DEVICE,
            software_version="0.1.0",
            on_change=on_change,
        )
        running = asyncio.create_task(uplink.run())
        async with asyncio.timeout(PATIENCE_S):
            while await waits():
                await changed.wait()
        await uplink.stop()
        await running
        last = await self.store.run(lambda store: store.outbox.last_seq())
        self._acked.append((self.time.passed_ns, last))
        self.ledger.hear(f"acked {last}")
        await self.custody.renew()
        self.renewals += await self.membership.renew_if_due()

    async def keep_house(self) -> None:
        """What the appliance does each hour; then look whether it was done."""
        now = self.time.clock().now()
        await self.store.run(lambda store: store.outbox.purge_acknowledged(now))
        await self.custody.count()
        if self.custody.gone.is_set():
            self.ledger.faults.append("the keys were destroyed though the lease was renewed in time")
        due = max((seq for at, seq in self._acked if self.time.passed_ns - at >= DAY_NS), default=0)
        kept = await self.store.run(_oldest_kept)
        if kept is not None and kept <= due:
            self.ledger.faults.append(f"event {kept} is kept, and up to {due} was due to be erased")

    def _open(self) -> Store:
        with self._guard.store_key() as key:
            return store_settings(self._folder).open(key)


def _oldest_kept(store: Store) -> int | None:
    (seq,) = store._db.execute("SELECT min(seq) FROM records").fetchone()
    return None if seq is None else int(seq)


async def days(folder: Path, count: int, people: int, seed: int) -> Finding:
    """Live through so many days, with so many people on each."""
    time, held = Time(), folder / "aggregator.db"
    authority = Authority.create(folder / "identity")
    administrator = first_administrator(authority, held, timedelta(days=800))
    device = folder / "device"
    device.mkdir()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_aggregator(held, authority=authority, clock=time.wall_ns)
        )
        channel = await stack.enter_async_context(shown(server.target, authority.certificate, administrator))
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        guard = stack.enter_context(guard_of(device))
        await _join(fleet, device, guard, server.target)
        first = read_identity(device)
        clinic = Clinic(device, guard, server.target, time, seed)
        await clinic.start()
        for hour in range(24 * count):
            ends_ns = (hour + 1) * HOUR_NS
            if hour % 24 in OPEN_HOURS:
                await clinic.serve(people // len(OPEN_HOURS), HOUR_NS)
            time.passed_ns = ends_ns
            if clinic.rng.random() < 1 / 24:
                await clinic.restart()
            if clinic.rng.random() > OUTAGE or hour == 24 * count - 1:
                await clinic.synchronise()
            await clinic.keep_house()
        await clinic.store.close()
        ledger = clinic.ledger
        identity = read_identity(device)
        if count > 20 and (identity is None or first is None or identity.ends <= first.ends):
            ledger.faults.append("the certificate was not renewed at two thirds of its life")
    wrong = ledger.judge(held, device)
    return Finding(
        fault="simulated hours of a clinic: outages, restarts, purges, renewals",
        tried=24 * count,
        shown=len(ledger.shown),
        wrong=wrong,
        note=f"{clinic.restarts} restarts, {clinic.renewals} renewals",
    )


async def _join(
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub, folder: Path, guard: KeyGuard, target: str
) -> None:
    async def approve(_delay_s: float) -> None:
        await fleet.ApproveDevice(
            fleet_pb2.ApproveDeviceRequest(device_id=DEVICE, key_words=membership.key_words)
        )

    named = DeviceName(DEVICE, SITE)
    membership = Membership(Target.parse(target), guard, named, folder, monotonic_ns=lambda: 0, sleep=approve)
    await membership.join(Claim.parse(await claim_code(fleet, SITE)), lambda: None)


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    """A busy day of 600 people, and 25 days of 200."""
    (folder / "day").mkdir()
    (folder / "month").mkdir()
    return [
        await days(folder / "day", 1, round(600 * share), seed),
        await days(folder / "month", 25, round(200 * share), seed),
    ]
