"""Waits for a while, or until somebody before the appliance wants it to go on."""

from __future__ import annotations

import asyncio


class Waiting:
    """One for the whole first boot. Used from the event loop."""

    def __init__(self) -> None:
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """End the wait of now, or the next one."""
        self._stirred.set()

    async def for_s(self, seconds: float) -> None:
        """Wait so long at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            pass
        self._stirred.clear()
