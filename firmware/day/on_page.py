"""The day as the operator page has it (`firmware.page.ports.DayWork`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from firmware.day.day import Day, ToClose
from firmware.day.figures import Figures
from firmware.day.lines import Told, told_of_close, told_of_opening


class DayOnPage:
    """Opens and closes the appliance's day; look: is told afterwards that the list may be another."""

    def __init__(self, day: Day, look: Callable[[], Awaitable[None]]) -> None:
        self._day = day
        self._look = look

    async def open(self, operator: str) -> Told:
        """Try each part and begin the day."""
        opening = await self._day.open(operator)
        await self._look()
        return told_of_opening(opening)

    async def to_close(self) -> ToClose:
        """Return what a close comes to now."""
        return await self._day.to_close()

    async def close(self, operator: str, *, ends_cycle: bool | None) -> Told:
        """Send what waits, seal, erase the list with a receipt; the report stays until the next close."""
        closing = await self._day.close(operator, ends_cycle=ends_cycle)
        await self._look()
        return told_of_close(closing)

    def say_waiting(self, people: int) -> None:
        """Keep how many people staff see waiting."""
        self._day.queue.say(people)

    async def was_closed(self) -> bool:
        """Tell whether there is a report of a day that was closed."""
        return await self._day.last_report() is not None

    async def report(self, kind: str, *, last: bool) -> bytes | None:
        """Return the report so far, or that of the closed day; it is drawn beside the event loop."""
        found = await (self._day.last_report() if last else self._day.report())
        return None if found is None else await asyncio.to_thread(_report_as, kind, found)


def _report_as(kind: str, found: Figures) -> bytes:
    from firmware.day.report_files import as_csv, as_json
    from firmware.day.report_pdf import as_pdf  # with reportlab, which costs 0.2 s

    makers: dict[str, Callable[[Figures], bytes]] = {"pdf": as_pdf, "csv": as_csv, "json": as_json}
    return makers[kind](found)
