"""Whoever stands before the appliance: presses the buttons of its console board, and puts down fingers.

The board is a serial line of the machine: what it shows are lines, "== Title" and the choices, and a key is a
letter and a new line (`sensors.board.console`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

from sensors.emulator.virtual import VirtualSensor
from sensors.frames import Pixels
from tests.image.console import Console, Line

Impression = Callable[[str, int], Pixels]
"""Takes which finger, as "right index", and the number of the presentation; returns an impression of it."""

ASKED: Final = re.compile(r"\[(?:finger|retry)\].* \(((?:right|left) \w+)\)")
AGAIN, OK, HELP = "a", "o", "h"
# OK counts from 0.6 s after a new screen on (docs/operator-page.md).
SPILL_S = 1.0
STEP_S = 240.0
LIFTED_S = 0.3


class Hands:
    """One person and the member of staff beside: `hear` is the console's listener."""

    def __init__(self, sensor: VirtualSensor, finger: Impression, press: Callable[[bytes], object]) -> None:
        self._sensor, self._finger, self._press = sensor, finger, press
        self._presentations = 0
        self._placing: asyncio.TimerHandle | None = None
        self._from = 0

    def hear(self, line: Line) -> None:
        """Do what the lamp asks for."""
        if asked := ASKED.match(line.text):
            self._presentations += 1
            self._lift()
            pixels = self._finger(asked[1], self._presentations)
            self._placing = asyncio.get_running_loop().call_later(LIFTED_S, self._sensor.place, pixels)
        elif "done [" in line.text or "go to a person [" in line.text:
            self._lift()

    def forget(self, board: Console) -> None:
        """Look for screens that come from now on."""
        self._from = len(board.lines)

    async def screen(self, board: Console, title: str, timeout_s: float = STEP_S) -> Line:
        """Wait for the screen with this title, after those that were waited for before. Raises NotSaid."""
        line = await board.wait(f"^== .*{title}", timeout_s, since=self._from)
        self._from = board.lines.index(line) + 1
        return line

    async def choose(self, board: Console, choice: str) -> None:
        """Go to a choice of the screen and take it. Raises NotSaid."""
        await asyncio.sleep(SPILL_S)
        while True:
            at = len(board.lines)
            self._press(AGAIN.encode() + b"\n")
            line = await board.wait(r"^ *> ", STEP_S, since=at)
            if choice in line.text:
                break
        await self.take()

    async def take(self) -> None:
        """Press OK, once the screen has stood long enough."""
        await asyncio.sleep(SPILL_S)
        self._press(OK.encode() + b"\n")

    def type(self, text: str) -> None:
        """Enter a number."""
        self._press(text.encode() + b"\n")

    def _lift(self) -> None:
        if self._placing is not None:
            self._placing.cancel()
            self._placing = None
        self._sensor.lift()


async def register(hands: Hands, board: Console, number: str) -> None:
    """Register whoever stands there under this number. Raises NotSaid."""
    await hands.screen(board, "Show the appointment card")
    await hands.choose(board, "Register a person")
    await hands.screen(board, "May we take")
    await hands.choose(board, "I agree")
    await hands.screen(board, "How old")
    await hands.take()
    await hands.screen(board, "Show the new card")
    hands.type(number)


async def check_in(hands: Hands, board: Console, number: str) -> None:
    """Check in whoever stands there by this number, up to the number of the visit. Raises NotSaid."""
    await hands.screen(board, "Show the appointment card")
    await asyncio.sleep(SPILL_S)
    hands.type(number)
    await hands.screen(board, "May we take")
    await hands.choose(board, "I agree")
    await hands.screen(board, "Your number")
    await hands.take()
