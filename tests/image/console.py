"""The serial console as lines with times, kept and waited for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Colours and cursor movements: ECMA-48 control sequences, and the two-byte escapes.
_ESCAPES: Final = re.compile(r"\x1b(\[[0-9:;?!]*[ -/]*[@-~]|[@-Z\\-_])")
_LONGEST_LINE = 4096


class NotSaid(Exception):
    """The console did not say what was waited for; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """at_s: seconds since the machine was switched on for the first time."""

    at_s: float
    boot: int
    text: str


class Console:
    """Every line of every boot of one machine, also in a file; `on_line` is told each."""

    def __init__(self, log: Path, on_line: Callable[[Line], None]) -> None:
        self.lines: Final[list[Line]] = []
        self._log = log.open("w", encoding="utf-8")
        self._on_line = on_line
        self._begun_s = time.monotonic()
        self._changed = asyncio.Condition()
        self._ended = False

    def now_s(self) -> float:
        """Return the time of this console."""
        return time.monotonic() - self._begun_s

    async def hear(self, stream: asyncio.StreamReader, boot: int) -> None:
        """Take everything that `stream` says; returns at its end."""
        rest = b""
        while chunk := await stream.read(65536):
            *whole, rest = (rest + chunk).split(b"\n")
            for raw in whole:
                await self._add(raw, boot)
            if len(rest) > _LONGEST_LINE:
                await self._add(rest, boot)
                rest = b""
        if rest:
            await self._add(rest, boot)

    async def wait(self, pattern: str, timeout_s: float, since: int = 0) -> Line:
        """Return the first line from number `since` on that `pattern` is found in. Raises NotSaid."""
        found, at = re.compile(pattern), since
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while True:
                    while at < len(self.lines):
                        if found.search(self.lines[at].text):
                            return self.lines[at]
                        at += 1
                    if self._ended:
                        raise NotSaid(f"the machine ended before {pattern!r}:\n{self.tail()}")
                    await self._changed.wait()
        except TimeoutError:
            raise NotSaid(f"no {pattern!r} within {timeout_s:.0f} s:\n{self.tail()}") from None

    def tail(self, count: int = 12) -> str:
        """Return the last lines."""
        return "\n".join(f"  {line.at_s:7.1f} {line.text}" for line in self.lines[-count:])

    async def end(self) -> None:
        """Tell whoever waits that nothing more comes."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._log.close()

    async def _add(self, raw: bytes, boot: int) -> None:
        text = _ESCAPES.sub("", raw.decode(errors="replace")).strip("\r\0")
        line = Line(self.now_s(), boot, text)
        self._log.write(f"{boot} {line.at_s:8.2f} {text}\n")
        self._log.flush()
        self._on_line(line)
        async with self._changed:
            self.lines.append(line)
            self._changed.notify_all()
