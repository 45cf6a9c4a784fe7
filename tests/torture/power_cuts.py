"""Power cuts: at any moment, whatever of the page cache had not reached the disk is lost.

A device and its aggregator run with `oplog.c` preloaded. Then their folders are built as a cut at a random
moment may leave them, and each is opened as its next start opens it.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aggregator.store.database import open_writer
from aggregator.store.errors import StoreError as AggregatorStoreError
from firmware.store.errors import StoreError
from tests.torture.disk import Disk, Kind, Operation, environment, preload, read
from tests.torture.finding import Finding
from tests.torture.kills import ordered
from tests.torture.ledger import Ledger
from tests.torture.post import Post, opened
from trust.keys.errors import GuardError

SAID = "said"
KEEP_S = 0.2
POLL_S, PATIENCE_S = 0.02, 120.0
_BOTH = (("device", "power cut of the device"), ("aggregator", "power cut of the aggregator"))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the device and the aggregator did to their disks, each in its order."""

    device: list[Operation]
    aggregator: list[Operation]

    def merged(self) -> Iterator[tuple[bool, Operation]]:
        """Yield both in the order of time; True for the device's."""
        device = ((operation.at_ns, True, operation) for operation in self.device)
        aggregator = ((operation.at_ns, False, operation) for operation in self.aggregator)
        for _, is_device, operation in heapq.merge(device, aggregator, key=lambda found: found[0]):
            yield is_device, operation


async def record(folder: Path, events: int, seed: int, *, loose: bool = False) -> Recorded:
    """Let a device commit `events` in each of two lives; the first ends by SIGKILL.

    folder: does not exist yet. loose: see `Producing`.
    """
    library, logs = preload(folder), (folder / "device.log", folder / "aggregator.log")
    began: list[Operation] = []

    def before(post: Post) -> None:
        began.extend(_lying_there(post.store.parent))
        post.environment = environment(library, post.store.parent, logs[1])

    async with opened(folder / "post", before=before) as post:
        joined = list(_lying_there(post.device))
        for life in range(2):
            is_last = life == 1
            more = {"said": str(post.device / SAID), "keep_s": KEEP_S, "loose": loose}
            order = ordered(post, seed + life, events if is_last else None, **more)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.torture.producer", msgspec.json.encode(order).decode()),
                env=environment(library, post.device, logs[0]),
            )
            if not is_last:
                await asyncio.to_thread(_wait_until_shown, post.device / SAID, events)
                process.kill()
            await process.wait()
    return Recorded([*joined, *read(logs[0])], [*began, *read(logs[1])])


def cut(recorded: Recorded, folder: Path, times: int, seed: int) -> tuple[Finding, Finding]:
    """Cut the power `times` times at random moments, for both; returns what was found of each."""
    rng = random.Random(seed)  # noqa: S311  (a seeded experiment)
    moments = sorted(rng.choices(range(len(recorded.device) + len(recorded.aggregator)), k=times))
    ledger, disks = Ledger(), (Disk(), Disk())
    wrong: tuple[list[str], list[str]] = ([], [])
    said_inode = -1
    for number, (is_device, operation) in enumerate(recorded.merged()):
        while moments and moments[0] == number:
            moments.pop(0)
            at = f"cut {times - len(moments)}"
            wrong[0].extend(f"{at}: {why}" for why in _device(disks[0], folder, ledger, rng))
            wrong[1].extend(f"{at}: {why}" for why in _aggregator(disks[1], folder, ledger, rng))
        if is_device and operation.kind is Kind.CREATE and operation.name == SAID:
            said_inode = operation.inode
        if is_device and operation.inode == said_inode:
            if operation.kind is Kind.WRITE:  # our own words are no part of the disk
                ledger.hear(operation.data.decode().strip().partition(" ")[2])
            continue
        disks[0 if is_device else 1].do(operation)
    findings = [
        Finding(fault=fault, tried=times, shown=len(ledger.shown), wrong=(*ledger.faults, *found))
        for (_, fault), found in zip(_BOTH, wrong, strict=True)
    ]
    return findings[0], findings[1]


def _device(disk: Disk, folder: Path, ledger: Ledger, rng: random.Random) -> Iterable[str]:
    left = _laid_out(disk.after_power_cut(rng), folder / "device")
    try:
        return ledger.judge_store(left)
    except (StoreError, GuardError) as error:
        return [f"does not start: {error}"]


def _aggregator(disk: Disk, folder: Path, ledger: Ledger, rng: random.Random) -> Iterable[str]:
    store = _laid_out(disk.after_power_cut(rng), folder / "aggregator") / "store.db"
    try:
        with open_writer(store, None):
            pass
    except AggregatorStoreError as error:
        return [f"does not start: {error}"]
    return ledger.judge_aggregator(store, drained=False)


def _laid_out(left: dict[str, bytes], folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in left.items():
        (folder / name).write_bytes(content)
    return folder


def _lying_there(folder: Path) -> Iterator[Operation]:
    """Yield operations that make the files which are there already, all flushed."""
    for path in folder.iterdir():
        inode = path.stat().st_ino
        yield Operation(Kind.CREATE, inode, 0, 0, path.name, "", b"")
        yield Operation(Kind.WRITE, inode, 0, 0, "", "", path.read_bytes())
        yield Operation(Kind.SYNC, inode, 0, 0, "", "", b"")
    yield Operation(Kind.SYNC_FOLDER, 0, 0, 0, "", "", b"")


def _wait_until_shown(said: Path, events: int) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not said.exists() or said.read_bytes().count(b" shown ") < events:
        if time.monotonic() > until_s:
            raise TimeoutError(f"the device did not commit {events} events")
        time.sleep(POLL_S)


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    """Cut 2,000 times in ten recordings."""
    times = round(200 * share) or 1
    each: list[tuple[Finding, Finding]] = []
    for part in range(10 if share > 0.1 else 1):
        recorded = await record(folder / f"record-{part}", 60, seed + part * 10)
        each.append(await asyncio.to_thread(cut, recorded, folder / f"cut-{part}", times, seed + part))
    return [_together(found) for found in zip(*each, strict=True)]


def _together(found: Sequence[Finding]) -> Finding:
    return Finding(
        fault=found[0].fault,
        tried=sum(one.tried for one in found),
        shown=sum(one.shown for one in found),
        wrong=tuple(why for one in found for why in one.wrong),
    )
