"""SIGKILL of the whole `aidpost run`, with its networks and a camera, at random moments of a check-in."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from firmware.bench.process import ApplianceProcess
from firmware.config_file import load
from firmware.demo.cast import FACES
from firmware.demo.joining import join
from firmware.demo.server import Server
from tests.kit.store_values import DEVICE, PURPOSE, SITE
from tests.torture.finding import Finding
from tests.torture.ledger import Ledger

MOST_WAIT_S = 5.0  # a visit by the buttons alone, with its two answers, takes three to four seconds
ANSWER_TIMEOUT_S, POLL_S = 60.0, 0.05
LAST_EVENTS = 2


async def kill_whole(folder: Path, times: int, seed: int) -> Finding:
    """Start, let people check in, kill; at the end let it deliver."""
    rng = random.Random(seed)  # noqa: S311  (a seeded experiment)
    shown: list[int] = []
    starts_s: list[float] = []
    server = await Server.start(folder)
    try:
        config = _written(folder, server.target)
        await join(server, load(config))
        for _ in range(times):
            appliance = await ApplianceProcess.start(config)
            starts_s.append(appliance.start_ms / 1e3)
            serving = asyncio.create_task(_serve(appliance, shown))
            await asyncio.sleep(rng.uniform(0, MOST_WAIT_S))
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await appliance.kill()
        appliance = await ApplianceProcess.start(config)
        for _ in range(LAST_EVENTS):
            await _serve_one(appliance, shown)
        await _delivered(server.store, shown[-1])
        await appliance.stop()
    finally:
        await server.stop()
    wrong = _ledger(server.store, shown).judge(server.store, folder / "state")
    return Finding(
        fault="SIGKILL of the whole `aidpost run`",
        tried=times,
        shown=len(shown),
        wrong=wrong,
        recoveries_s=tuple(starts_s),
        recovered="from the launch to ready for people",
    )


async def _serve(appliance: ApplianceProcess, shown: list[int]) -> None:
    while True:
        await _serve_one(appliance, shown)


async def _serve_one(appliance: ApplianceProcess, shown: list[int]) -> None:
    """Nobody is registered: staff look at the paper of each person; check-in and visit are committed."""
    shown.append(int((await appliance.check_in())["seq"]))
    await appliance.next_person()


async def _delivered(store: Path, seq: int) -> None:
    def wait() -> None:
        until_s = time.monotonic() + ANSWER_TIMEOUT_S
        with closing(sqlite3.connect(store)) as db:
            while (db.execute("SELECT max(acked_seq) FROM outboxes").fetchone()[0] or 0) < seq:
                if time.monotonic() > until_s:
                    raise TimeoutError(f"event {seq} did not arrive")
                time.sleep(POLL_S)

    await asyncio.to_thread(wait)


def _ledger(store: Path, shown: list[int]) -> Ledger:
    """The log tells no record ids: what is held under a number counts as what was shown."""
    with closing(sqlite3.connect(store)) as db:
        held = dict(db.execute("SELECT seq, lower(hex(record_id)) FROM events").fetchall())
    ledger = Ledger()
    for seq in shown:
        ledger.hear(f"shown {seq} {held.get(seq, 'none')}")
    return ledger


def _written(folder: Path, target: str) -> Path:
    path = folder / "aidpost.toml"
    path.write_text(
        f"""
[device]
id = "{DEVICE}"
site = "{SITE}"
purpose = "{PURPOSE.value}"
data = "state"

[keys]
guard = "file"

[camera]
driver = "replay"
device = "{FACES}"

[board]
driver = "console"

[uplink]
target = "{target}"
retry_cap_s = 1.0

[session]
order = ["face"]
"""
    )
    return path


async def scenario(folder: Path, seed: int, share: float) -> list[Finding]:
    return [await kill_whole(folder, round(30 * share) or 1, seed)]
