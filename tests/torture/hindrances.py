"""Hindrances between device and aggregator that need no privileges: portals, cut and half-open streams."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.torture.device import Device
from tests.torture.finding import Finding
from tests.torture.kills import ordered, settled
from tests.torture.ledger import Ledger
from tests.torture.middlebox import Manner, Middlebox, middlebox
from tests.torture.post import Post, opened

PAUSE_S = 0.02
ANSWER_TIMEOUT_S = 2.0  # shorter than the appliance's 30 s: how long a silent link is believed
IDLE_S = 0.15
RECOVERED = "end of the fault to the next acknowledgement"
DELAYED = "event shown to its acknowledgement, under the fault"


HINDRANCES = (
    ("connections are refused", Manner.REFUSE),
    ("captive portal that answers HTML", Manner.PORTAL),
    ("captive portal with TLS of another authority", Manner.OTHER_CA),
    ("half-open link: what is sent disappears", Manner.SWALLOW),
)


async def hinder(folder: Path, times: int, seed: int) -> list[Finding]:
    """Let each hindrance strike `times` times while events flow, one device for all."""
    findings = []
    async with opened(folder) as post, middlebox(post.target, folder) as box:
        ledger = Ledger()
        order = ordered(post, seed, pause_s=PAUSE_S, answer_timeout_s=ANSWER_TIMEOUT_S, target=box.target)
        device = Device(order, ledger)
        await device.start()
        await acked_more(device)
        for fault, manner in HINDRANCES:
            before, sent, recoveries = len(ledger.shown), box.sent_bytes, []
            for _ in range(times):
                await box.behave(manner)
                await lost_and_gone_on(device)
                mended_ns = time.monotonic_ns()
                await box.behave(Manner.PASS)
                await acked_more(device)
                recoveries.append((device.latest_ns["acked"] - mended_ns) / 1e9)
            events = len(ledger.shown) - before
            each = (box.sent_bytes - sent) / max(1, events)
            findings.append(_finding(fault, times, events, recoveries, RECOVERED, each))
        device.kill()
        await device.ended()
        findings.append(await _idle_cuts(post, box, ledger, times, seed))
        wrong = await settled(post, ledger, seed)
    return [msgspec.structs.replace(finding, wrong=wrong) for finding in findings]


async def acked_more(device: Device) -> None:
    """Wait for one more acknowledgement than there was when this was called, and a connection that stands."""
    acked, said = device.said["acked"], device.said
    await device.until(lambda _: said["acked"] > acked and said["connected"] > said["lost"])


async def lost_and_gone_on(device: Device) -> None:
    """Wait until the device has noticed the loss, and has shown more events all the same."""
    said, shown = device.said, device.said["shown"]
    await device.until(lambda _: said["lost"] >= said["connected"] and said["shown"] >= shown + 5)


async def _idle_cuts(post: Post, box: Middlebox, ledger: Ledger, times: int, seed: int) -> Finding:
    """Let a proxy cut every stream that was idle for less than the device's pause between two events."""
    before, sent = len(ledger.shown), box.sent_bytes
    box.idle_s = IDLE_S
    device = Device(ordered(post, seed, pause_s=3 * IDLE_S, target=box.target, retry_cap_s=0.2), ledger)
    await device.start()
    await device.until(lambda device: device.said["lost"] >= times and device.said["acked"] >= times)
    device.kill()
    await device.ended()
    box.idle_s = None
    events = len(ledger.shown) - before
    recoveries = device.delays_s
    each = (box.sent_bytes - sent) / max(1, events)
    return _finding("proxy that cuts idle streams", times, events, recoveries, DELAYED, each)


def _finding(
    fault: str, times: int, events: int, recoveries: Sequence[float], recovered: str, each: float
) -> Finding:
    return Finding(
        fault=fault,
        tried=times,
        shown=events,
        wrong=(),
        recoveries_s=tuple(recoveries),
        recovered=recovered,
        bytes_per_event=each,
    )


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    return await hinder(folder, round(40 * share) or 1, seed)
