"""A pseudo-terminal in the place of the machine's own screen, and what somebody before it reads."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_STEERS = re.compile(r"\x1b(\[[?0-9;]*[a-zA-Z]|%G)")
_HOME = "\x1b[H"
_REST = "\x1b[J"


@dataclass
class PseudoScreen:
    """device: to be drawn upon."""

    device: Path
    master: int
    sent: bytearray = field(default_factory=bytearray)

    @property
    def received(self) -> str:
        """All that was sent; where more was than a terminal keeps, letters may be cut."""
        return self.sent.decode(errors="replace")

    def read(self) -> str:
        """Return the picture that stands there now, a line for each; nothing where none is whole."""
        with suppress(BlockingIOError):
            while part := os.read(self.master, 65_536):
                self.sent += part
        return picture_of(self.received)

    async def until(self, words: str, patience_s: float) -> str:
        """Return the picture once it has these words."""
        loop, more = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.master, more.set)
        try:
            async with asyncio.timeout(patience_s):
                while words not in (told := self.read()):
                    more.clear()
                    await more.wait()
        finally:
            loop.remove_reader(self.master)
        return told


def picture_of(sent: str) -> str:
    """Return the last picture that is whole, a line for each."""
    whole = sent.rpartition(_REST)[0]
    return as_read(whole.rpartition(_HOME)[2])


def as_read(drawn: str) -> str:
    """Return drawn lines without what steers a terminal."""
    lines = _STEERS.sub("", drawn).split("\r\n")
    return "\n".join(line.strip() for line in lines)


@contextmanager
def pseudo_screen(columns: int = 66, lines: int = 20) -> Iterator[PseudoScreen]:
    master, slave = os.openpty()
    os.set_blocking(master, False)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
    try:
        yield PseudoScreen(Path(os.ttyname(slave)), master)
    finally:
        os.close(slave)
        os.close(master)
