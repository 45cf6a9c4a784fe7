"""Work that runs beside what the appliance does for people, until it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog

log = structlog.get_logger()


class Beside:
    """Runs tasks until `stack` is closed, in the reverse order of their start."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._soon: set[asyncio.Task[None]] = set()

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until the stop, which cancels it."""
        task = self.run_to_its_end(name, work)
        self._stack.callback(task.cancel)

    def run_to_its_end(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work`; the stop waits for its end, which somebody else brings about."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report_bug)
        self._stack.push_async_callback(asyncio.wait, {task})
        return task

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` as soon as possible; nobody waits for it."""
        task = asyncio.ensure_future(work)
        self._soon.add(task)
        task.add_done_callback(_report_bug)
        task.add_done_callback(self._soon.discard)


def _report_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task died", task=task.get_name(), exc_info=error)
