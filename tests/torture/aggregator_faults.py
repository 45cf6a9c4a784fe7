"""The aggregator killed, put back to an older backup, and out of disk, while a device reports to it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.torture.device import Device
from tests.torture.finding import Finding
from tests.torture.hindrances import acked_more
from tests.torture.kills import ordered, settled
from tests.torture.ledger import Ledger
from tests.torture.post import Post, opened

PAUSE_S = 0.01
MOST_WAIT_S = 0.3
DISK_BYTES = 24_000_000  # SQLite's write-ahead log takes 4 MB before it is put into the file
AGAIN = "the aggregator ready again to the next acknowledgement"
ROOM = "room made to the next acknowledgement"

Strike = Callable[[Post, Device], Awaitable[None]]


async def struck(folder: Path, fault: str, times: int, seed: int, strike: Strike, recovered: str) -> Finding:
    """Let the fault strike while the device commits; the strike ends with the end of the fault."""
    rng = random.Random(seed)  # noqa: S311  (a seeded experiment)
    ledger, recoveries = Ledger(), []
    async with opened(folder) as post:
        device = Device(ordered(post, seed, pause_s=PAUSE_S), ledger)
        await device.start()
        for _ in range(times):
            await acked_more(device)
            await asyncio.sleep(rng.uniform(0, MOST_WAIT_S))
            await strike(post, device)
            ended_ns = time.monotonic_ns()
            await acked_more(device)
            recoveries.append((device.latest_ns["acked"] - ended_ns) / 1e9)
        device.kill()
        await device.ended()
        wrong = await settled(post, ledger, seed)
    return Finding(
        fault=fault,
        tried=times,
        shown=len(ledger.shown),
        wrong=wrong,
        recoveries_s=tuple(recoveries),
        recovered=recovered,
    )


async def killed(post: Post, _device: Device) -> None:
    await post.kill()
    await post.start()


async def put_back(post: Post, device: Device) -> None:
    """Take a backup, let the device deliver more, and go back to the backup."""
    backup = post.store.with_name("backup.db")
    backup.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(post.store)) as now,
        closing(sqlite3.connect(backup)) as then,
    ):
        now.backup(then)
    await acked_more(device)
    await acked_more(device)
    await post.kill()
    for name in ("-wal", "-shm"):
        post.store.with_name(post.store.name + name).unlink(missing_ok=True)
    shutil.copyfile(backup, post.store)
    await post.start()


async def aggregator_disk_full(post: Post, device: Device) -> None:
    """Fill the aggregator's disk until it refuses, let the device go on, and make room."""
    ballast = post.store.with_name("ballast")
    lost = device.said["lost"]
    _fill(ballast)
    await device.until(lambda device: device.said["lost"] > lost)
    shown = device.said["shown"]
    await device.until(lambda device: device.said["shown"] >= shown + 10)
    ballast.unlink()


async def device_disk_full(post: Post, device: Device) -> None:
    """Fill the device's disk until a commit fails, and make room."""
    ballast = post.device / "ballast"
    full = device.said["full"]
    _fill(ballast)
    await device.until(lambda device: device.said["full"] > full)
    ballast.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of `DISK_BYTES` at `folder`; needs root."""
    folder.mkdir(parents=True)
    options = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    times = round(50 * share) or 1
    findings = [
        await struck(folder / "1", "SIGKILL of the aggregator", times, seed, killed, AGAIN),
        await struck(
            folder / "2", "aggregator put back to an older backup", times // 2 or 1, seed, put_back, AGAIN
        ),
    ]
    few = round(3 * share) or 1
    full: tuple[tuple[str, str, Strike, int], ...] = (
        ("aggregator", "the aggregator's disk is full", aggregator_disk_full, few),
        ("device", "the device's disk is full", device_disk_full, times // 2 or 1),
    )
    for number, (part, fault, strike, many) in enumerate(full, 3):
        if os.geteuid() != 0:
            why = "mounting a small disk needs root"
            findings.append(Finding(fault=fault, tried=0, shown=0, wrong=(), note=why))
            continue
        with small_disk(folder / str(number) / part):
            found = await struck(folder / str(number), fault, many, seed, strike, ROOM)
        findings.append(found)
    return findings
