"""Writes down how the appliance is, each period, within a number of bytes a day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from firmware.clock import Clock
from firmware.config import Telemetry as Settings
from firmware.meter.counting import count
from firmware.meter.machine import Machine, Readings
from firmware.meter.samples import PARTS, SampleCounts, SampleMeter
from firmware.records import Moment
from firmware.store.errors import StoreError
from firmware.store.telemetry import Since
from firmware.store.thread import RunInStore
from firmware.uplink.metering import LinkMeter
from inference.types import Modality
from sensors.worker import DeviceState
from trust.telemetry import LinkUse, SensorHealth, Telemetry

DAY_S = 86_400
SETTLE_S = 60.0
"""After a start: sensors open and the uplink connects first, so that the first one says how things are."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from.

    parts: the sensors that are fitted, each with a function that tells its state. dirty: the last phantom
    test saw something. queue: people who wait, None where nobody counts. certificate_ends_s: since 1970.
    """

    machine: Machine
    samples: SampleMeter
    link: LinkMeter
    parts: Mapping[Modality, Callable[[], DeviceState]]
    dirty: Callable[[], bool] = lambda: False
    queue: Callable[[], int | None] = lambda: None
    certificate_ends_s: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class _Told:
    """What the counters of the process were when they were last told."""

    samples: Mapping[Modality, SampleCounts]
    link: LinkUse


class Collector:
    """`run` is a task of the composition root. Used from the event loop."""

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        in_store: RunInStore,
        clock: Clock,
        committed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._in_store = in_store
        self._clock = clock
        self._committed = committed
        self._told = _Told({modality: SampleCounts() for modality in sources.parts}, LinkUse())

    async def run(self) -> None:
        """Write telemetry down whenever it is due, until cancelled."""
        await asyncio.sleep(SETTLE_S)
        while True:
            try:
                last, last_bytes = await self._in_store(lambda store: store.telemetry.last())
                due_s = wait_s(self._settings, self._clock.now(), last, last_bytes)
                if due_s == 0:
                    await self.collect()
                    continue
            except StoreError as error:
                log.warning("telemetry not written", kind=type(error).__name__, reason=str(error))
                due_s = self._settings.period_min * 60
            await asyncio.sleep(due_s)

    async def collect(self) -> None:
        """Measure, and write it down; raises StoreError. What finds no space is told the next time."""
        sources, now = self._sources, self._clock.now()
        readings = await asyncio.to_thread(sources.machine.read)
        ends_s = await asyncio.to_thread(sources.certificate_ends_s)
        counted = _Told(
            {modality: sources.samples.of(modality) for modality in sources.parts}, sources.link.used()
        )
        states = {modality: state() for modality, state in sources.parts.items()}
        seq = await self._in_store(
            lambda store: store.telemetry.commit(
                now, lambda since: self._telemetry(now, since, readings, counted, states, ends_s)
            )
        )
        if seq is not None:
            self._told = counted
            self._committed()

    def _telemetry(
        self,
        now: Moment,
        since: Since,
        readings: Readings,
        counted: _Told,
        states: Mapping[Modality, DeviceState],
        ends_s: int,
    ) -> Telemetry:
        events, uptime_s = count(since.bodies), now.monotonic_ns // 1_000_000_000
        same_boot = since.last is not None and since.last.boot_id == now.boot_id
        period_ns = now.monotonic_ns - (since.last.monotonic_ns if since.last and same_boot else 0)
        told = self._told
        return Telemetry(
            period_s=max(0, period_ns) // 1_000_000_000,
            uptime_s=uptime_s,
            memory_resident_mb=readings.memory_resident_mb,
            memory_available_mb=readings.memory_available_mb,
            disk_free_mb=readings.disk_free_mb,
            store_used_percent=round(100 * since.used_share),
            waiting=since.waiting,
            turned_to_people=events.turned_to_people,
            cpu_decidegrees=readings.cpu_decidegrees,
            throttled=readings.throttled,
            disk_written_mb=readings.disk_written_mb,
            disk_life_used_percent=readings.disk_life_used_percent,
            queue=self._sources.queue(),
            sensors=tuple(
                self._health(
                    modality,
                    states[modality],
                    counts.since(told.samples[modality]),
                    events.restarts.get(PARTS[modality], 0),
                )
                for modality, counts in counted.samples.items()
            ),
            outcomes=events.outcomes,
            stages=events.stages,
            link=LinkUse(
                counted.link.sent_bytes - told.link.sent_bytes,
                counted.link.received_bytes - told.link.received_bytes,
                counted.link.connects - told.link.connects,
            ),
            certificate_ends_s=ends_s,
        )

    def _health(
        self, modality: Modality, state: DeviceState, counts: SampleCounts, restarts: int
    ) -> SensorHealth:
        return SensorHealth(
            part=PARTS[modality],
            available=state is DeviceState.AVAILABLE,
            samples=counts.samples,
            poor=counts.poor,
            quality_sum_percent=counts.quality_sum_percent,
            not_acquired=counts.not_acquired,
            dirty=modality is Modality.FINGER and self._sources.dirty(),
            restarts=restarts,
        )


def wait_s(settings: Settings, now: Moment, last: Moment | None, last_bytes: int) -> float:
    """Return how long it is until telemetry is due, 0 for now; a day where it is turned off.

    The budget paces: after so many bytes the next comes no sooner than a day's share of them, so a day never
    takes more than `daily_kb` and one telemetry. After another boot its own time counts alone.
    """
    if not settings.enabled:
        return DAY_S
    if last is None:
        return 0.0
    began_ns = last.monotonic_ns if last.boot_id == now.boot_id else 0
    passed_s = max(0, now.monotonic_ns - began_ns) / 1e9
    spacing_s = last_bytes * DAY_S / (settings.daily_kb * 1000)
    period_s = settings.period_min * 60
    if last.boot_id != now.boot_id:
        period_s = min(period_s, SETTLE_S)  # the desk waits to hear that it is back
    return max(0.0, max(period_s, spacing_s) - passed_s)
