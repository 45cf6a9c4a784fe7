"""Bad links, packet by packet: loss, latency, a narrow line, a dead peer, a forgetful NAT, no names."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.torture.device import Device
from tests.torture.finding import Finding
from tests.torture.hindrances import DELAYED, RECOVERED, acked_more, lost_and_gone_on
from tests.torture.kills import ordered
from tests.torture.ledger import Ledger
from tests.torture.packets import AGGREGATOR_ADDRESS, Ends, ForgetfulNat, Quality, linked, unavailable
from tests.torture.post import Post, opened

PORT = 7777
NAME = "aggregator.test"
NAT_IDLE_S = 4.0


@dataclass(slots=True)
class Site:
    """A device behind the link, and its aggregator; both have joined before."""

    ends: Ends
    post: Post
    ledger: Ledger
    seed: int

    def device(self, pause_s: float, events: int | None = None) -> Device:
        order = ordered(self.post, self.seed, events, pause_s=pause_s)
        return Device(order, self.ledger, prefix=self.ends.device)


async def through(site: Site, quality: Quality, events: int, pause_s: float) -> Device:
    """Let the device commit and deliver `events` while the link is of this quality."""
    site.ends.link.quality = quality
    device = site.device(events=events, pause_s=pause_s)
    await device.start()
    await device.ended()
    site.ends.link.quality = Quality()
    return device


async def bad_quality(site: Site, fault: str, quality: Quality, times: int, events: int) -> Finding:
    before, sent, delays = len(site.ledger.shown), site.ends.link.bytes, []
    for _ in range(times):
        delays += (await through(site, quality, events, 0.05)).delays_s
    shown = len(site.ledger.shown) - before
    return Finding(
        fault=fault,
        tried=times,
        shown=shown,
        wrong=(),
        recoveries_s=tuple(delays),
        recovered=DELAYED,
        bytes_per_event=(site.ends.link.bytes - sent) / shown,
    )


async def dead_peer(site: Site, times: int) -> Finding:
    """All connections of the moment go dead without a word; new ones work."""
    before, sent, recoveries = len(site.ledger.shown), site.ends.link.bytes, []
    device = site.device(pause_s=0.5)
    await device.start()
    for _ in range(times):
        await acked_more(device)
        dead, began_ns = set(site.ends.link.flows), time.monotonic_ns()
        site.ends.link.lets_pass = lambda flow, _opens, dead=dead: flow not in dead  # type: ignore[misc]
        lost = device.said["lost"]
        await device.until(lambda device, lost=lost: device.said["lost"] > lost)  # type: ignore[misc]
        await acked_more(device)
        recoveries.append((device.latest_ns["acked"] - began_ns) / 1e9)
    device.kill()
    await device.ended()
    site.ends.link.lets_pass = lambda _flow, _opens: True
    shown = len(site.ledger.shown) - before
    return Finding(
        fault="half-open link: the peer is dead, no packet says so",
        tried=times,
        shown=shown,
        wrong=(),
        recoveries_s=tuple(recoveries),
        recovered="the death to the next acknowledgement",
        bytes_per_event=(site.ends.link.bytes - sent) / shown,
    )


async def forgetful_nat(site: Site, times: int) -> Finding:
    """Each event comes after the NAT has forgotten the connection."""
    site.ends.link.lets_pass = ForgetfulNat(NAT_IDLE_S)
    sent, before = site.ends.link.bytes, len(site.ledger.shown)
    device = site.device(events=times, pause_s=2 * NAT_IDLE_S)
    await device.start()
    await device.ended()
    site.ends.link.lets_pass = lambda _flow, _opens: True
    shown = len(site.ledger.shown) - before
    return Finding(
        fault=f"NAT that forgets connections after {NAT_IDLE_S:g} s",
        tried=times,
        shown=shown,
        wrong=(),
        recoveries_s=tuple(device.delays_s),
        recovered=DELAYED,
        bytes_per_event=(site.ends.link.bytes - sent) / shown,
    )


async def no_names(site: Site, folder: Path, times: int) -> Finding:
    """The aggregator's name is not resolved for a while, and the connection of before has gone."""
    hosts = folder / "hosts"
    known = f"127.0.0.1 localhost\n{AGGREGATOR_ADDRESS} {NAME}\n"
    _write(hosts, known)
    bind = ("unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh")
    order = ordered(site.post, site.seed, target=f"{NAME}:{PORT}", pause_s=0.05)
    device = Device(order, site.ledger, prefix=(*site.ends.device, *bind))
    await device.start()
    before, recoveries = len(site.ledger.shown), []
    for _ in range(times):
        await acked_more(device)
        _write(hosts, "127.0.0.1 localhost\n")
        await site.post.kill()
        await site.post.start()
        await lost_and_gone_on(device)
        mended_ns = time.monotonic_ns()
        _write(hosts, known)
        await acked_more(device)
        recoveries.append((device.latest_ns["acked"] - mended_ns) / 1e9)
    device.kill()
    await device.ended()
    return Finding(
        fault="the aggregator's name is not resolved",
        tried=times,
        shown=len(site.ledger.shown) - before,
        wrong=(),
        recoveries_s=tuple(recoveries),
        recovered=RECOVERED,
    )


def _write(hosts: Path, content: str) -> None:
    hosts.write_text(content)  # in place: another file would not be the one that is mounted


@asynccontextmanager
async def site_behind_link(folder: Path, seed: int) -> AsyncIterator[Site]:
    """Join on loopback; then the aggregator goes to the other end of the link, with the same identity."""
    rng = random.Random(seed)  # noqa: S311  (a seeded experiment)
    async with opened(folder / "post") as post, linked(rng) as ends:
        await post.stop()
        post.prefix, post.target = ends.aggregator, f"{AGGREGATOR_ADDRESS}:{PORT}"
        await post.start()
        try:
            yield Site(ends, post, Ledger(), seed)
        finally:
            await post.stop()


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    if (why := unavailable()) is not None:
        return [Finding(fault="bad links, packet by packet", tried=0, shown=0, wrong=(), note=why)]
    runs, times = round(5 * share) or 1, round(10 * share) or 1
    async with site_behind_link(folder, seed) as site:
        works: list[Callable[[], Awaitable[Finding]]] = [
            lambda: bad_quality(site, "30 % of packets lost", Quality(0.3, 0.02), runs, 60),
            lambda: bad_quality(site, "2 s latency, there and back", Quality(0, 1.0), runs, 60),
            lambda: bad_quality(site, "64 kbit/s", Quality(0, 0.05, 64_000), runs, 300),
            lambda: dead_peer(site, times),
            lambda: forgetful_nat(site, times),
            lambda: no_names(site, folder, times),
        ]
        findings = [await work() for work in works]
        drained = Device(ordered(site.post, seed, 3), site.ledger, prefix=site.ends.device)
        await drained.start()
        if (code := await drained.ended()) != 0:
            site.ledger.faults.append(f"the device ended with {code} while nothing was at fault")
        await site.post.stop()
        wrong = site.ledger.judge(site.post.store, site.post.device)
    return [msgspec.structs.replace(finding, wrong=wrong) for finding in findings]
