"""Puts the collector together from the parts of the appliance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from firmware.clock import Clock
from firmware.config import Config
from firmware.guard.mailbox import VcioMailbox, read_throttled
from firmware.meter.collector import Collector, Sources
from firmware.meter.machine import Machine
from firmware.meter.samples import SampleMeter
from firmware.store.thread import RunInStore
from firmware.uplink.errors import UplinkError
from firmware.uplink.identity_file import read_identity
from firmware.uplink.metering import LinkMeter
from inference.types import Modality
from sensors.worker import DeviceState, DeviceWorker


def build_collector(
    config: Config,
    in_store: RunInStore,
    clock: Clock,
    samples: SampleMeter,
    link: LinkMeter,
    workers: Mapping[Modality, DeviceWorker[Any] | None],
    *,
    dirty: Callable[[], bool],
    queue: Callable[[], int | None],
    committed: Callable[[], None],
) -> Collector:
    """Return the collector of these parts.

    workers: of the sensors, None where one is not fitted. dirty: what the last phantom test saw. queue: how
    many people wait, None where nobody said.
    """
    data = config.device.data
    sources = Sources(
        machine=Machine(data, throttled=partial(read_throttled, VcioMailbox())),
        samples=samples,
        link=link,
        parts={
            modality: partial(_state, worker) for modality, worker in workers.items() if worker is not None
        },
        dirty=dirty,
        queue=queue,
        certificate_ends_s=partial(_certificate_ends_s, data),
    )
    return Collector(config.telemetry, sources, in_store, clock, committed)


def _state(worker: DeviceWorker[Any]) -> DeviceState:
    return worker.state


def _certificate_ends_s(folder: Path) -> int:
    try:
        identity = read_identity(folder)
    except (UplinkError, OSError):
        return 0
    return 0 if identity is None else int(identity.certificate.not_valid_after_utc.timestamp())
