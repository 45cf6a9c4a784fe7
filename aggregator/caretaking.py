"""What the server does for itself every hour: erase what is kept too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from structlog.typing import FilteringBoundLogger

from aggregator.store.errors import StoreError

PERIOD_S = 3600.0


async def caretaking(work: Callable[[], Awaitable[None]], log: FilteringBoundLogger) -> None:
    """Do `work` now and every hour, until cancelled; a fault of the disk is logged, and it is tried again."""
    while True:
        try:
            await work()
        except (StoreError, OSError) as error:
            log.warning("caretaking.failed", kind=type(error).__name__)
        await asyncio.sleep(PERIOD_S)
