"""Whether anybody is being served: what waits for that is done when it would keep nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

QUIET_S = 120.0
"""So long nobody was served: between two people of a queue it is seconds, at most a minute or two."""
LOOK_S = 1.0


class Occupancy:
    """Who is here, as far as the parts know. Used from the event loop."""

    def __init__(
        self,
        monotonic_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._sleep = sleep
        self._quiet_ns = int(quiet_s * 1e9)
        self._looks: list[Callable[[], bool]] = []
        self._holds: list[Callable[[], AbstractContextManager[None]]] = []

    def watch(
        self,
        is_busy: Callable[[], bool],
        kept_free: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> Callable[[], None]:
        """Ask `is_busy` whether somebody is served; returns what takes it off again.

        kept_free: lets nobody begin while its context is open.
        """
        self._looks.append(is_busy)
        if kept_free is not None:
            self._holds.append(kept_free)

        def forget() -> None:
            self._looks.remove(is_busy)
            if kept_free is not None:
                self._holds.remove(kept_free)

        return forget

    @property
    def busy(self) -> bool:
        """Whether somebody is served at this moment."""
        return any(look() for look in self._looks)

    @contextmanager
    def kept_free(self) -> Iterator[None]:
        """Let nobody begin meanwhile."""
        with ExitStack() as stack:
            for hold in self._holds:
                stack.enter_context(hold())
            yield

    async def until_free(self) -> None:
        """Wait until nobody is served, as what slows the machine down does."""
        while self.busy:
            await self._sleep(LOOK_S)

    async def until_quiet(self, may: Callable[[], bool] = lambda: True) -> None:
        """Wait until nobody was served for `QUIET_S` and `may` holds, as a window that is open."""
        free_since_ns = self._monotonic_ns()
        while True:
            now_ns, allowed = self._monotonic_ns(), may()
            if self.busy:
                free_since_ns = now_ns
            elif now_ns - free_since_ns >= self._quiet_ns and allowed:
                return
            await self._sleep(LOOK_S)
