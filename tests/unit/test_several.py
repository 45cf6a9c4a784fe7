"""`serve --workers`: whichever worker ends is started again, as soon as the machine lets it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import structlog

from aggregator.several import Several
from trust.tls.address import Address

PATIENCE_S = 120.0  # of a machine that is busy with other things
WORKER = """#!{python}
import json, os, sys
print(json.dumps({{"listen": "", "pid": os.getpid()}}), flush=True)
sys.stdin.read()
"""


async def test_a_worker_that_cannot_be_started_again_is_tried_until_it_can(tmp_path: Path) -> None:
    program = tmp_path / "worker"
    program.write_text(WORKER.format(python=sys.executable))
    program.chmod(0o700)
    log = structlog.testing.LogCapture()
    logger = structlog.wrap_logger(structlog.PrintLogger(), processors=[log])
    several = Several(2, (), Address("127.0.0.1", 0), logger, program=(str(program),), again_s=0.01)
    ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(several.run(ready.set_result, lambda: None))

    async def logged(event: str) -> None:
        while not any(entry["event"] == event for entry in log.entries):  # noqa: ASYNC110 -- of processes
            await asyncio.sleep(0.01)

    async with asyncio.timeout(PATIENCE_S):
        first, _ = (await ready)["workers"]
        program.rename(tmp_path / "away")  # as a machine has it that can start no process
        os.kill(first, signal.SIGKILL)
        await logged("worker.not_started")
        (tmp_path / "away").rename(program)
        await logged("worker.started")
        os.kill(os.getpid(), signal.SIGTERM)
        await running
