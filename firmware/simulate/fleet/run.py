"""The course of a simulated fleet: join, connect, report, and come back after the aggregator was killed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from aidpost.client import Credential, connect
from firmware.simulate.fleet.identity import VirtualIdentity, join_all
from firmware.simulate.fleet.own_server import OwnServer
from firmware.simulate.fleet.results import Connected, FleetResult, Recovered, Reported
from firmware.simulate.fleet.worker import Order, State
from firmware.simulate.fleet.workers import Workers
from firmware.uplink.channel import Target
from trust.names import DeviceName

SITES = 40
LOOK_EVERY_S = 0.1
SETTLE_S = 2.0  # after connecting, until the server's buffers are back to what an idle stream holds


class Plan(msgspec.Struct, frozen=True):
    """events: that each device reports in each of the two phases. down_s: how long the aggregator is away."""

    devices: int
    processes: int
    events: int
    down_s: float
    seed: int


class Watcher(Protocol):
    """Hears how far a phase is, of how much."""

    def __call__(self, phase: str, done: int, of: int) -> None:
        """Take it."""


async def simulate(
    plan: Plan, target: Target, credential: Credential, server: OwnServer | None, watch: Watcher
) -> FleetResult:
    """Run all phases; server: None for one that somebody else runs, which is not measured nor killed."""
    load = os.getloadavg()[0]
    names = [
        DeviceName(f"sim-{plan.seed}-{number:05}", f"site-{number % SITES:02}")
        for number in range(plan.devices)
    ]
    joined = 0

    def on_joined() -> None:
        nonlocal joined
        joined += 1
        watch("join", joined, plan.devices)

    began_s = time.monotonic()
    with connect(str(target), credential) as fleet:
        devices = await join_all(target, credential, fleet, names, on_joined)
    join_s = time.monotonic() - began_s
    if server is not None:  # so that what joining left in its memory is not counted as the devices'
        await server.stop()
        await server.start()
    return await _work(plan, target, credential, devices, server, join_s, load, watch)


async def _work(
    plan: Plan,
    target: Target,
    credential: Credential,
    devices: Sequence[VirtualIdentity],
    server: OwnServer | None,
    join_s: float,
    load: float,
    watch: Watcher,
) -> FleetResult:
    async with Workers.started(plan.processes, target, credential.authority, devices, plan.seed) as workers:
        start_kb = None if server is None else server.memory_kb()
        connected = await _connect(plan, workers, server, start_kb, watch)
        reported = await _report(plan, workers, server, start_kb, watch)
        recovered = None if server is None else await _recover(plan, workers, server, watch)
        last = await workers.state()
        return FleetResult(
            devices=plan.devices,
            processes=plan.processes,
            cores=os.cpu_count() or 1,
            load=load,
            join_s=join_s,
            connected=connected,
            reported=reported,
            recovered=recovered,
            refused_receipts=last.refused_receipts,
            lost_events=last.waiting,
        )


async def _connect(
    plan: Plan, workers: Workers, server: OwnServer | None, start_kb: float | None, watch: Watcher
) -> Connected:
    began_s, began_cpu_s = time.monotonic(), 0.0 if server is None else server.cpu_s()
    watch("connect", 0, plan.devices)
    state = await workers.order(Order(switch_on=True))
    seconds = time.monotonic() - began_s
    watch("connect", state.connected, plan.devices)
    cpu_s = None if server is None else server.cpu_s() - began_cpu_s
    await asyncio.sleep(SETTLE_S)
    return Connected(
        seconds=seconds,
        connects_per_s=plan.devices / seconds,
        server_cpu_ms_a_device=None if cpu_s is None else cpu_s / plan.devices * 1e3,
        server_start_mb=None if start_kb is None else start_kb / 1e3,
        memory_kb_a_device=_each(plan, server, start_kb),
    )


async def _report(
    plan: Plan, workers: Workers, server: OwnServer | None, start_kb: float | None, watch: Watcher
) -> Reported:
    before = await workers.state()
    events = plan.devices * plan.events
    began_s, began_cpu_s = time.monotonic(), 0.0 if server is None else server.cpu_s()
    state = await workers.order(Order(work=plan.events))
    while state.waiting:
        watch("report", events - state.waiting, events)
        await asyncio.sleep(LOOK_EVERY_S)
        state = await workers.state()
    seconds = time.monotonic() - began_s
    watch("report", events, events)
    cpu_s = None if server is None else server.cpu_s() - began_cpu_s
    return Reported(
        events=events,
        seconds=seconds,
        events_per_s=events / seconds,
        server_cpu_us_an_event=None if cpu_s is None else cpu_s / events * 1e6,
        events_per_s_and_core=events / cpu_s if cpu_s else None,  # it is told in steps of 10 ms
        memory_kb_a_device=_each(plan, server, start_kb),
        devices_cpu_us_an_event=(state.cpu_s - before.cpu_s) / events * 1e6,
    )


async def _recover(plan: Plan, workers: Workers, server: OwnServer, watch: Watcher) -> Recovered:
    await server.kill()
    went_s = time.monotonic()
    await workers.order(Order(work=plan.events))
    await asyncio.sleep(max(0.0, plan.down_s - (time.monotonic() - went_s)))
    await server.start()
    back_s = time.monotonic()
    marks = {share: -(-plan.devices * share // 100) for share in (50, 90, 100)}
    reached: dict[int, float] = {}

    def look(state: State) -> None:
        watch("come back", state.through, plan.devices)
        for share, enough in marks.items():
            if state.through >= enough:
                reached.setdefault(share, time.monotonic() - back_s)

    while 100 not in reached:
        look(await workers.state())
        await asyncio.sleep(LOOK_EVERY_S)
    return Recovered(
        down_s=back_s - went_s,
        events=plan.devices * plan.events,
        half_s=reached[50],
        nine_tenths_s=reached[90],
        all_s=reached[100],
        server_cpu_s=server.cpu_s(),
    )


def _each(plan: Plan, server: OwnServer | None, start_kb: float | None) -> float | None:
    if server is None or start_kb is None:
        return None
    return (server.memory_kb() - start_kb) / plan.devices
