"""Server-sent events: what a browser is told without asking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

HEARTBEAT_S = 10.0
"""A browser that is gone is noticed by the next thing sent to it, so something is sent this often."""

Subscribe: TypeAlias = Callable[[Callable[[], None]], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the page. state: what it shows; draw: its HTML, asked for when the state is another."""

    name: str
    state: Hashable
    draw: Callable[[], str]


class Streams:
    """All open streams; they end when the page stops: a server that waits for them would wait for ever."""

    def __init__(self) -> None:
        self._wakers: set[asyncio.Event] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the page stops."""
        return self._closed

    def wake(self) -> None:
        """Let every stream look again."""
        for waker in self._wakers:
            waker.set()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self.wake()

    async def events(
        self,
        subscribe: Sequence[Subscribe],
        look: Callable[[], Sequence[Part] | None],
        until_s: Callable[[], float] = lambda: HEARTBEAT_S,
        *,
        seen: str = "",
        last: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """Yield each part that shows something else than before, until `look` returns None, and then `last`.

        A change during a slow send is not queued: the next look shows what is true then.
        until_s: seconds from now until the next look, whatever happens. seen: what the browser has already
        (`seen_of`).
        """
        changed = asyncio.Event()
        self._wakers.add(changed)
        unsubscribe = [one(changed.set) for one in subscribe]
        sent: dict[str, Hashable] = {}
        try:
            while not self._closed and (parts := look()) is not None:
                states = {part.name: part.state for part in parts}
                if seen == seen_of(parts):
                    sent, seen = states, ""
                events = [
                    as_event(part.name, part.draw()) for part in parts if sent.get(part.name) != part.state
                ]
                sent = states
                yield "".join(events).encode() or b": still here\n\n"
                await _wait(changed, min(HEARTBEAT_S, until_s()))
                changed.clear()
            if not self._closed and last:
                yield as_event(last, "now").encode()
        finally:
            for one in unsubscribe:
                one()
            self._wakers.discard(changed)


def seen_of(parts: Sequence[Part]) -> str:
    """Return a short name for what all parts show."""
    return sha256(repr([part.state for part in parts]).encode()).hexdigest()[:16]


def as_event(name: str, data: str) -> str:
    """Return one event as it goes over the wire."""
    lines = [f"event: {name}", *(f"data: {line}" for line in data.splitlines() or [""])]
    return "\n".join(lines) + "\n\n"


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await event.wait()
    except TimeoutError:
        pass
