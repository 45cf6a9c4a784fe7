"""Work that one worker does for all: whoever holds a lock of the database, until its session ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeAlias

from structlog.typing import FilteringBoundLogger

from aggregator.store import leading
from aggregator.store.errors import StoreError
from aggregator.store.view import StoreView

LOOK_S = 5.0
_ALONE = 0  # in place of a session's number
Duty: TypeAlias = "Callable[[], Coroutine[None, None, None]]"


class Leading:
    """view: whose session holds the lock, and nothing else uses it; None where there is one worker."""

    def __init__(self, view: StoreView | None, log: FilteringBoundLogger, look_s: float = LOOK_S) -> None:
        self._view = view
        self._log = log
        self._look_s = look_s

    async def run(self, duties: Sequence[Duty]) -> None:
        """Do all duties as long as this worker leads, until cancelled; they begin anew with each turn.

        So they do with each session: while it had none, another may have led. Where one fails in a way that
        it does not know itself, all begin anew: nobody else would do them.
        """
        working: asyncio.Task[None] | None = None
        session: int | None = None
        try:
            while True:
                before, session = session, await self._leading(session)
                if working is not None and working.done():
                    self._log.error("worker.duties_failed", kind=await _ended(working))
                    working = None
                elif working is not None and session != before:
                    self._log.warning("worker.leads_no_more")
                    await _ended(working)
                    working = None
                if session is not None and working is None:
                    if self._view is not None and session != before:
                        self._log.info("worker.leads")
                    working = asyncio.create_task(_all(duties), name="leading")
                await asyncio.sleep(self._look_s)
        finally:
            if working is not None:
                await _ended(working)

    async def _leading(self, before: int | None) -> int | None:
        """Return the session by which this worker leads, None while another does; before: the last one."""
        if self._view is None:
            return _ALONE
        try:
            return await self._view.read(lambda db: leading.session(db, before))
        except StoreError:  # logged where the store is written; without the server nobody knows who leads
            return None


async def _all(duties: Sequence[Duty]) -> None:
    async with asyncio.TaskGroup() as group:
        for duty in duties:
            group.create_task(duty())


async def _ended(task: asyncio.Task[None]) -> str:
    """End duties; returns the kinds of what they failed with, if they had ended by themselves."""
    task.cancel()
    await asyncio.wait({task})
    found = None if task.cancelled() else task.exception()
    kinds = found.exceptions if isinstance(found, BaseExceptionGroup) else (found,) if found else ()
    return ", ".join(type(each).__name__ for each in kinds)
