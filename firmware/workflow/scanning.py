"""Looks for a card in front of the camera while a screen asks for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firmware.workflow.ports import Scanner
from firmware.workflow.screen import Acted, Entry
from firmware.workflow.station import Station
from sensors.errors import SensorError


class Scanning:
    """Scans whenever the station asks for a card; what is seen is entered like a typed number.

    operator: who is signed in at the appliance. A camera that is away leaves the number to be typed.
    """

    def __init__(self, station: Station, scanner: Scanner, operator: Callable[[], str]) -> None:
        self._station = station
        self._scanner = scanner
        self._operator = operator
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
        entered = ""
        while self._station.screen.entry is Entry.CARD:
            try:
                text = await self._scanner.scan()
            except SensorError:
                return
            if text == entered:
                continue  # the same card is still there; it was answered
            entered = text
            acted = Acted(Entry.CARD.value, text, self._operator())
            await self._station.act(self._station.revision, acted)
