"""Server-sent events: what a browser is told without asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

HEARTBEAT_S = 10.0
"""A browser that is gone is noticed by the next thing sent to it, so something is sent this often."""

Subscribe = Callable[[Callable[[], None]], Callable[[], None]]


class Closing:
    """Ends all streams when the page stops: a server that waits for them would wait for ever."""

    def __init__(self) -> None:
        self._wakers: set[asyncio.Event] = set()
        self.closed = False

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        for waker in self._wakers:
            waker.set()

    async def events(
        self,
        subscribe: Subscribe,
        draw: Callable[[], str | None],
        until_s: Callable[[], float] = lambda: HEARTBEAT_S,
        last: str = "",
    ) -> AsyncIterator[bytes]:
        """Yield what `draw` returns now and after each change, until that is None, and then `last`.

        A change during a slow send is not queued: the next look shows what is true then.
        until_s: seconds from now until `draw` must look again, whatever happens.
        """
        changed = asyncio.Event()
        self._wakers.add(changed)
        unsubscribe = subscribe(changed.set)
        sent = ""
        try:
            while not self.closed and (event := draw()) is not None:
                yield event.encode() if event != sent else b": still here\n\n"
                sent = event
                await _wait(changed, min(HEARTBEAT_S, until_s()))
                changed.clear()
            if not self.closed:
                yield last.encode()
        finally:
            unsubscribe()
            self._wakers.discard(changed)


def as_event(name: str, data: str, number: int | None = None) -> str:
    """Return one event as it goes over the wire."""
    lines = [f"event: {name}"]
    if number is not None:
        lines.append(f"id: {number}")
    lines += [f"data: {line}" for line in data.splitlines() or [""]]
    return "\n".join(lines) + "\n\n"


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await event.wait()
    except TimeoutError:
        pass
