"""SIGKILL of the device at random points while events flow, and of the aggregator."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from tests.torture.device import Device
from tests.torture.finding import Finding
from tests.torture.ledger import Ledger
from tests.torture.post import Post, opened
from tests.torture.producer import Producing

DRAIN_EVENTS = 3
MAX_EVENTS_BEFORE = 40
MAX_FURTHER_S = 0.02  # a commit takes some milliseconds: the kill falls anywhere in one, or between two
MAX_START_S = 0.15  # from the fork to the first commit
IN_THE_START = 0.2  # the share of kills that fall before the first commit: opening, replaying, connecting
KEEP_S = 0.5  # so that acknowledged records are also purged while the kills fall


def ordered(post: Post, seed: int, events: int | None = None, **more: object) -> Producing:
    said = post.device.parent / "said"
    values = {"folder": str(post.device), "said": str(said), "target": post.target, **more}
    return Producing(seed=seed, events=events, **values)  # type: ignore[arg-type]


async def settled(post: Post, ledger: Ledger, seed: int) -> tuple[str, ...]:
    """Let the device run until everything is acknowledged, stop both, and return what is wrong."""
    device = Device(ordered(post, seed, DRAIN_EVENTS), ledger)
    await device.start()
    code = await device.ended()
    if code != 0:
        ledger.faults.append(f"the device ended with {code} while nothing was at fault")
    await post.stop()
    return ledger.judge(post.store, post.device)


async def kill_device(folder: Path, times: int, seed: int) -> Finding:
    """Kill the device `times` times, then let it deliver, and compare."""
    rng = random.Random(seed)  # noqa: S311  (a seeded experiment)
    ledger = Ledger()
    recoveries: list[float] = []
    async with opened(folder) as post:
        for life in range(times):
            device = Device(ordered(post, seed + life, keep_s=KEEP_S), ledger)
            await device.start()
            if rng.random() < IN_THE_START:
                await asyncio.sleep(rng.uniform(0, MAX_START_S))
            else:
                enough = rng.randint(1, MAX_EVENTS_BEFORE)
                await device.until(lambda device, enough=enough: device.said["shown"] >= enough)  # type: ignore[misc]
                await asyncio.sleep(rng.uniform(0, MAX_FURTHER_S))
            device.kill()
            await device.ended()
            if life and "shown" in device.first_ns:
                recoveries.append((device.first_ns["shown"] - device.began_ns) / 1e9)
        wrong = await settled(post, ledger, seed)
    return Finding(
        fault="SIGKILL of the device's process",
        tried=times,
        shown=len(ledger.shown),
        wrong=wrong,
        recoveries_s=tuple(recoveries),
        recovered="from the start of the process to the next event shown as done",
    )


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    return [await kill_device(folder, round(1000 * share), seed)]
