"""Wall clocks that are wrong: the device's and the aggregator's, in their whole processes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tests.torture.device import Device
from tests.torture.disk import compile_preload, compiler
from tests.torture.finding import Finding
from tests.torture.kills import ordered, settled
from tests.torture.ledger import Ledger
from tests.torture.post import opened

SOURCE = Path(__file__).with_name("wrong_clock.c")
YEAR_S = 365 * 86_400
EVENTS = 30
WITHIN = "the start of the device to the last acknowledgement"
MENDED = "the aggregator's clock mended to the next acknowledgement"


def at(year: int) -> int:
    """Return how far a clock is ahead that stands at the beginning of this year, in seconds."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp() - time.time())


async def device_clock(folder: Path, fault: str, ahead_s: int, seed: int) -> Finding:
    """Let a device with this clock commit and deliver; the aggregator's is right."""
    ledger = Ledger()
    async with opened(folder) as post:
        wrong_clock = _environment(folder, ahead_s)
        prefix = ("env", *(f"{name}={value}" for name, value in wrong_clock.items()))
        device = Device(ordered(post, seed, EVENTS), ledger, prefix=prefix)
        await device.start()
        if (code := await device.ended()) != 0:
            ledger.faults.append(f"the device ended with {code}")
        if not told_by_device(post.store, ahead_s):
            ledger.faults.append("the clock was not wrong: nothing was tried")
        wrong = await settled(post, ledger, seed)
    took_s = (device.latest_ns["acked"] - device.began_ns) / 1e9
    return Finding(
        fault=fault, tried=1, shown=len(ledger.shown), wrong=wrong, recoveries_s=(took_s,), recovered=WITHIN
    )


async def aggregator_clock(folder: Path, fault: str, ahead_s: int, seed: int) -> Finding:
    """Let the aggregator run with this clock for a while, then with the right one."""
    ledger = Ledger()
    async with opened(folder) as post:
        device = Device(ordered(post, seed, pause_s=0.05), ledger)
        await device.start()
        await device.until(lambda device: device.said["acked"] > 0)
        await post.stop()
        post.environment = {**os.environ, **_environment(folder, ahead_s)}
        await post.start()
        shown = device.said["shown"]
        await device.until(lambda device: device.said["shown"] > shown + 100)
        await post.stop()
        if f'"timestamp": "{datetime.fromtimestamp(time.time() + ahead_s, UTC).year}-' not in post.log():
            ledger.faults.append("the clock was not wrong: nothing was tried")
        post.environment = None
        await post.start()
        mended_ns, acked = time.monotonic_ns(), device.said["acked"]
        await device.until(lambda device: device.said["acked"] > acked)
        took_s = (device.latest_ns["acked"] - mended_ns) / 1e9
        device.kill()
        await device.ended()
        wrong = await settled(post, ledger, seed)
    return Finding(
        fault=fault, tried=1, shown=len(ledger.shown), wrong=wrong, recoveries_s=(took_s,), recovered=MENDED
    )


def told_by_device(store: Path, ahead_s: int) -> bool:
    """Whether the aggregator holds events whose device believed in this clock."""
    with closing(sqlite3.connect(store)) as db:
        (wall_ns,) = db.execute("SELECT max(wall_ns) FROM events WHERE seq <= ?", (EVENTS,)).fetchone()
    return wall_ns is not None and abs(wall_ns / 1e9 - time.time() - ahead_s) < 3600


def _environment(folder: Path, ahead_s: int) -> Mapping[str, str]:
    library = compile_preload(SOURCE, folder / "wrong_clock.so")
    return {"LD_PRELOAD": str(library), "TORTURE_CLOCK_S": str(ahead_s)}


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    if compiler() is None:
        return [Finding(fault="wrong clocks", tried=0, shown=0, wrong=(), note="there is no C compiler")]
    devices = {"the device's clock at 1970": at(1970), "the device's clock in 2040": at(2040)}
    aggregators = {
        "the aggregator's clock at 1970": at(1970),
        "the aggregator's clock 10 years ahead": 10 * YEAR_S,
    }
    findings = []
    for number, (fault, ahead_s) in enumerate((devices | aggregators).items()):
        work = device_clock if fault in devices else aggregator_clock
        findings.append(await work(folder / str(number), fault, ahead_s, seed))
    return findings
