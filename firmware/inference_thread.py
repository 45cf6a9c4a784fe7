"""One thread runs the models; everybody else awaits it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ResultT = TypeVar("ResultT")

STOP_TIMEOUT_S = 5.0  # one network takes 0.1 s; more means that it hangs, and the process ends without it


class InferenceThread:
    """The thread that owns the runtime, its models and the matcher."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")

    async def run(self, work: Callable[[], ResultT], /) -> ResultT:
        """Return what `work` returns; raise what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def close(self) -> None:
        """End the thread after what it does now, or leave it behind after `STOP_TIMEOUT_S`."""
        ended = asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)
        await asyncio.wait({ended}, timeout=STOP_TIMEOUT_S)
