"""Telemetry at the device: what it counts, that each event counts once, and how much it may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import replace

from firmware.clock import Clock
from firmware.config import Telemetry as Settings
from firmware.event_message import canonical
from firmware.meter.collector import Collector, Sources, wait_s
from firmware.meter.machine import Machine
from firmware.meter.samples import SampleMeter
from firmware.records import DeviceFault, Event, Lane, Measured, Outcome
from firmware.session.machine import NO_DEVICE
from firmware.store.space import SpaceLimits
from firmware.store.store import Store
from firmware.uplink.metering import LinkMeter
from inference.types import Modality
from sensors.frames import RetryReason
from sensors.worker import DeviceState
from tests.kit.store_values import DEVICE, PURPOSE, SITE, check_in, moment, open_store, store_key
from tests.kit.telemetry_values import BUSY
from trust.service import ASKED_FOR_HELP
from trust.telemetry import LinkUse, OutcomeCount, SensorHealth, StageSummary, Telemetry

T = TypeVar("T")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


class Rig:
    """A collector whose clock stands at `hour`."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.hour = 1.0
        self.samples = SampleMeter()
        self.link = LinkMeter()
        self.told = 0

        async def in_store(work: Callable[[Store], T], /) -> T:
            return work(store)

        def monotonic_ns() -> int:
            return moment(self.hour).monotonic_ns

        self.collector = Collector(
            Settings(),
            Sources(
                machine=Machine(folder, root=folder / "no such machine"),
                samples=self.samples,
                link=self.link,
                parts={
                    Modality.FINGER: lambda: DeviceState.AVAILABLE,
                    Modality.FACE: lambda: DeviceState.UNAVAILABLE,
                },
                dirty=lambda: True,
                certificate_ends_s=lambda: 1_800_000_000,
            ),
            in_store,
            Clock(boot=moment().boot_id, monotonic_ns=monotonic_ns, wall_ns=lambda: 0),
            self._committed,
        )

    def _committed(self) -> None:
        self.told += 1

    async def collect(self) -> Telemetry:
        await self.collector.collect()
        body = self.store.outbox.pending(self.store.outbox.last_seq() - 1, 1)[0].event.body
        assert isinstance(body, Measured)
        return body.telemetry


@pytest.fixture
def rig(store: Store, tmp_path: Path) -> Rig:
    return Rig(store, tmp_path)


async def test_it_tells_what_happened_since_the_last_one_and_each_thing_once(store: Store, rig: Rig) -> None:
    store.commit_check_in(moment(), check_in(1))
    store.commit_check_in(moment(), replace(check_in(2), outcome=Outcome.UNAVAILABLE, reason=NO_DEVICE))
    store.commit_check_in(moment(), replace(check_in(3), outcome=Outcome.UNAVAILABLE, reason=ASKED_FOR_HELP))
    store.commit_fault(moment(), DeviceFault("camera", recovered=True, kind=""))
    rig.samples.good(Modality.FINGER, 80)
    rig.samples.missed(Modality.FACE, RetryReason.NO_FACE)
    rig.samples.missed(Modality.FACE, RetryReason.FACE_CAMERA)
    rig.samples.session_over()
    rig.link.connected()
    rig.link.sent(95)
    first = await rig.collect()
    assert first.outcomes == (
        OutcomeCount("identify", "suggestion", 1),
        OutcomeCount("identify", "unavailable", 2),
    )
    assert first.turned_to_people == 1, "who asked for a person was not turned away"
    assert first.stages == (StageSummary("capture", 3, 700, 700), StageSummary("compare", 3, 1, 1))
    assert first.sensors == (
        SensorHealth("fingerprint", True, samples=1, quality_sum_percent=80, dirty=True),
        SensorHealth("camera", False, samples=1, poor=1, not_acquired=1, restarts=1),
    )
    assert first.link == LinkUse(100, 0, 1)
    assert (first.waiting, first.certificate_ends_s, first.uptime_s) == (4, 1_800_000_000, 3600)
    store.commit_check_in(moment(), check_in(4))
    rig.hour += 0.25
    second = await rig.collect()
    assert second.outcomes == (OutcomeCount("identify", "suggestion", 1),)
    assert (second.period_s, second.link, second.sensors[0].samples) == (900, LinkUse(), 0)
    assert rig.told == 2
    assert store.outbox.lanes()[Lane.TELEMETRY] == 3


async def test_what_found_no_space_is_told_by_the_next_one(tmp_path: Path) -> None:
    with store_key() as key:
        store = Store.open(
            tmp_path / "full.db", key, device_id=DEVICE, purpose=PURPOSE, site=SITE,
            limits=SpaceLimits(waiting_events=10),
        )  # fmt: skip
    rig = Rig(store, tmp_path)
    rig.samples.good(Modality.FINGER, 70)
    for number in range(8):
        store.commit_check_in(moment(), check_in(number))
    await rig.collector.collect()
    assert (rig.told, store.outbox.last_seq()) == (0, 8)
    store.outbox.acknowledge(8, moment(1.0))
    told = await rig.collect()
    assert told.outcomes == (OutcomeCount("identify", "suggestion", 8),)
    assert told.sensors[0].samples == 1
    store.close()


def test_it_comes_each_period_and_never_takes_more_than_its_day() -> None:
    settings = Settings(period_min=15, daily_kb=10)
    last = moment(1.0)
    assert wait_s(settings, moment(1.125), None, 0) == 0
    assert wait_s(settings, moment(1.125), last, 80) == 450
    # 200 bytes of 10,000 a day are a fiftieth of it: 1,728 s.
    assert wait_s(settings, moment(1.0), last, 200) == 1728
    assert wait_s(settings, moment(1.5), last, 200) == 0
    # After another boot soon, but not sooner than the bytes allow.
    assert wait_s(settings, moment(0.0, boot=2), last, 10) == 86.4
    assert wait_s(Settings(enabled=False), moment(100.0), last, 80) > 0


def test_a_busy_quarter_of_an_hour_stays_small() -> None:
    assert len(canonical(Event(40_000, moment(200.0), Measured(BUSY)))) < 460
