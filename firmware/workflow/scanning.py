"""Looks for a card in front of the camera while a screen asks for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from firmware.clock import Clock
from firmware.workflow.ports import Scanner
from firmware.workflow.screen import Acted, Entry
from firmware.workflow.station import Station
from sensors.errors import SensorError

log = structlog.get_logger()

AWAY_S = 3.0
"""A card that was not seen for so long was taken away. The scanner is sure of an unreadable code only after
12 pictures: estimated, not measured, at 2 to 2.8 s, from 0.1 s a capture, 0.1 s of pause and the decoding.
With less, a card that lies there half in the light would count as another one."""
RETRY_S = 2.0
"""Between two tries while the camera is away."""


class Scanning:
    """Scans whenever the station asks for a card; what is seen is entered like a typed number.

    A card counts once: it must leave the picture before it counts again, whatever screens came between.
    Otherwise a card that was left lying there would begin session after session, and tell the next person
    that its household has collected. Time in which nobody looks is no time in which it was away.

    operator: who is signed in at the appliance. unreadable: what the scanner says of a code that does not
    decode; while a card lies there, that is the same card. While the camera is away the number is typed.
    """

    def __init__(
        self,
        station: Station,
        scanner: Scanner,
        operator: Callable[[], str],
        clock: Clock,
        *,
        unreadable: str = "",
        retry_s: float = RETRY_S,
    ) -> None:
        self._station = station
        self._scanner = scanner
        self._operator = operator
        self._clock = clock
        self._unreadable = unreadable
        self._retry_s = retry_s
        self._lies_there = ""
        self._seen_ns = 0
        self._is_away = False
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe = station.subscribe(self._follow)
        self._follow()

    def stop(self) -> None:
        """Look no more."""
        self._unsubscribe()
        self._end()

    def _follow(self) -> None:
        wanted = self._station.screen.entry is Entry.CARD
        running = self._task is not None and not self._task.done()
        if wanted and not running:
            self._task = asyncio.ensure_future(self._scan())
        elif not wanted:
            self._end()

    def _end(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._task = None

    async def _scan(self) -> None:
        self._seen_ns = self._clock.monotonic_ns()
        while self._station.screen.entry is Entry.CARD:
            try:
                text = await self._scanner.scan()
            except SensorError as error:
                if not self._is_away:
                    log.warning("no cards are seen", kind=type(error).__name__, reason=str(error))
                self._is_away = True
                await asyncio.sleep(self._retry_s)
                self._seen_ns = self._clock.monotonic_ns()
                continue
            self._is_away = False
            if self._is_new(text):
                await self._enter(text)

    def _is_new(self, text: str) -> bool:
        """Note what is seen; tell whether it is another card than the one that lies there."""
        now_ns = self._clock.monotonic_ns()
        was_away = now_ns - self._seen_ns >= AWAY_S * 1e9
        same = bool(self._lies_there) and text in (self._lies_there, self._unreadable)
        self._seen_ns = now_ns
        if same and not was_away:
            return False
        self._lies_there = text
        return True

    async def _enter(self, text: str) -> None:
        acted = Acted(Entry.CARD.value, text, self._operator())
        try:
            await self._station.act(self._station.revision, acted)
        except Exception:  # a bug in what follows from one card must not end the look for the next
            log.exception("a card was not entered")
