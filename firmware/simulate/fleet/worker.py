"""One process of a virtual fleet: it holds some of the devices, and does what its standard input says.

Run as ``python -m firmware.simulate.fleet.worker``. The first line is an `Assignment`, each later one an
`Order`; each is answered with a `State` when it is done. All are JSON, one a line. It ends with its input.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
import time
from collections.abc import Sequence

import msgspec
import structlog
import uvloop

from firmware.clock import Clock
from firmware.records import ClockQuality
from firmware.simulate.fleet.device import VirtualDevice
from firmware.simulate.fleet.identity import VirtualIdentity
from firmware.uplink.channel import Target

CONNECTS_AT_A_TIME = 24
BREATH_S = 0.002  # lets acknowledgements in while thousands of events are drawn


class Assignment(msgspec.Struct, frozen=True):
    """Which devices this process holds; authority: PEM; port 0 stands for none. seed: of what is drawn."""

    host: str
    port: int
    authority: bytes
    devices: Sequence[VirtualIdentity]
    seed: int


class Order(msgspec.Struct, frozen=True):
    """switch_on: connect those that are off. work: how many events each device writes down."""

    switch_on: bool = False
    work: int = 0


class State(msgspec.Struct, frozen=True):
    """waiting: events that the aggregator does not hold. through: devices of which it holds everything."""

    connected: int
    through: int
    waiting: int
    refused_receipts: int
    cpu_s: float


async def main() -> None:
    """Read, act, answer."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    assigned = msgspec.json.decode(await _line(), type=Assignment)
    target, clock = Target(assigned.host, assigned.port), Clock(quality=lambda: ClockQuality.SYNCHRONISED)
    devices = [
        VirtualDevice(target, identity, assigned.authority, clock, assigned.seed + number)
        for number, identity in enumerate(assigned.devices)
    ]
    _answer(devices)
    while line := await _line():
        order = msgspec.json.decode(line, type=Order)
        if order.switch_on:
            await _switch_on(devices)
        if order.work:
            for device in devices:
                device.work(order.work)
                await asyncio.sleep(BREATH_S)
        _answer(devices)
    await asyncio.gather(*(device.stop() for device in devices))


async def _switch_on(devices: Sequence[VirtualDevice]) -> None:
    """Connect a few at a time: the first connections of a fleet are made over days."""
    for start in range(0, len(devices), CONNECTS_AT_A_TIME):
        group = devices[start : start + CONNECTS_AT_A_TIME]
        for device in group:
            device.start()
        await asyncio.gather(*(device.until_connected() for device in group))


def _answer(devices: Sequence[VirtualDevice]) -> None:
    state = State(
        connected=sum(device.connected for device in devices),
        through=sum(device.connected and not device.store.waiting for device in devices),
        waiting=sum(device.store.waiting for device in devices),
        refused_receipts=sum(device.store.refused for device in devices),
        cpu_s=time.process_time(),
    )
    sys.stdout.buffer.write(msgspec.json.encode(state) + b"\n")
    sys.stdout.buffer.flush()


async def _line() -> bytes:
    return await asyncio.to_thread(sys.stdin.buffer.readline)


if __name__ == "__main__":
    uvloop.run(main())
