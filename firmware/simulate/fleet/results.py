"""What a simulation of a fleet found, as values for a file."""

from __future__ import annotations

import msgspec


class Connected(msgspec.Struct, frozen=True):
    """How the devices connected. memory_kb_a_device: of the server, idle, beyond what it had at its start."""

    seconds: float
    connects_per_s: float
    server_cpu_ms_a_device: float | None
    server_start_mb: float | None
    memory_kb_a_device: float | None


class Reported(msgspec.Struct, frozen=True):
    """How a backlog of all devices was reported.

    events_per_s_and_core: by the server's processor time. memory_kb_a_device: of the server after it.
    """

    events: int
    seconds: float
    events_per_s: float
    server_cpu_us_an_event: float | None
    events_per_s_and_core: float | None
    memory_kb_a_device: float | None
    devices_cpu_us_an_event: float


class Recovered(msgspec.Struct, frozen=True):
    """How the devices came back after the aggregator was killed, each with events written meanwhile.

    Times count from when it listened again: until half, nine tenths, and all of the devices were connected
    with nothing left to report. They wait as appliances do: up to 1 s at first, up to 60 s, full jitter.
    """

    down_s: float
    events: int
    half_s: float
    nine_tenths_s: float
    all_s: float
    server_cpu_s: float


class FleetResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """load: of the machine when it began (1 min). refused_receipts, lost_events: none are expected."""

    devices: int
    processes: int
    cores: int
    load: float
    join_s: float
    connected: Connected
    reported: Reported
    recovered: Recovered | None
    refused_receipts: int
    lost_events: int
