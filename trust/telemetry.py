"""How an appliance is, as both ends hold it: counts and not rates, so that periods can be added up.

array_like: the aggregator keeps 3,000 of them of each device, and names would be three quarters of that. New
fields come last, so that older rows can still be read.
"""

from __future__ import annotations

import msgspec


class SensorHealth(msgspec.Struct, frozen=True, array_like=True):
    """One sensor over a period; part: fingerprint or camera.

    samples: assessed, poor: of these, too poor to use; quality_sum_percent: over the others. not_acquired:
    presentations without a usable sample in the tries allowed. dirty: the phantom test saw something.
    """

    part: str
    available: bool
    samples: int = 0
    poor: int = 0
    quality_sum_percent: int = 0
    not_acquired: int = 0
    dirty: bool = False
    restarts: int = 0


class OutcomeCount(msgspec.Struct, frozen=True, array_like=True):
    """Check-ins of a period that came to one outcome; mode and outcome as the records have them."""

    mode: str
    outcome: str
    count: int


class StageSummary(msgspec.Struct, frozen=True, array_like=True):
    """How long one stage took over a period."""

    stage: str
    count: int
    median_ms: int
    p95_ms: int


class LinkUse(msgspec.Struct, frozen=True, array_like=True):
    """What went over the link in a period."""

    sent_bytes: int = 0
    received_bytes: int = 0
    connects: int = 0


class Telemetry(msgspec.Struct, frozen=True, array_like=True):
    """How an appliance is, and what happened in the last `period_s`; None for what this board cannot tell.

    throttled: flags of the Pi's firmware as `vcgencmd get_throttled` gives them: under-voltage, capped,
    throttled, soft limit now (bits 0 to 3) and since the boot (bits 16 to 19). certificate_ends_s: since
    1970, 0 without one.
    """

    period_s: int
    uptime_s: int
    memory_resident_mb: int
    memory_available_mb: int
    disk_free_mb: int
    store_used_percent: int
    waiting: int
    turned_to_people: int = 0
    cpu_decidegrees: int | None = None
    throttled: int | None = None
    disk_written_mb: int | None = None
    disk_life_used_percent: int | None = None
    queue: int | None = None
    sensors: tuple[SensorHealth, ...] = ()
    outcomes: tuple[OutcomeCount, ...] = ()
    stages: tuple[StageSummary, ...] = ()
    link: LinkUse = LinkUse()
    certificate_ends_s: int = 0
