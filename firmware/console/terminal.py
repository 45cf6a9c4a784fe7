"""A console of the kernel, drawn upon as a whole: nobody is asked there, and no keyboard writes on it."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import tty
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_USUAL = os.terminal_size((80, 25))
_GIO_UNIMAP = 0x4B66
_MOST_LETTERS = 8192
# UTF-8, no cursor, and nothing left of what was written before.
_BEGIN = b"\033%G\033[?25l\033[0m\033[2J"


class Terminal(Protocol):
    """Where a picture is drawn."""

    def size(self) -> os.terminal_size:
        """Return how many columns and lines there are now."""

    def draws(self, letter: str) -> bool:
        """Whether the letter can be drawn."""

    def write(self, drawn: bytes) -> None:
        """Write what fits; what does not is lost, and comes with the next picture."""

    def close(self) -> None:
        """What was drawn stays."""


class ConsoleTerminal:
    """A console of the kernel, or a pseudo-terminal in tests. Raises OSError where there is none."""

    def __init__(self, device: Path) -> None:
        # Never waits: whoever presses Scroll Lock stops the console, and must not stop the appliance.
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        self._fd = os.open(device, flags)
        try:
            tty.setraw(self._fd, termios.TCSANOW)
        except termios.error as error:
            os.close(self._fd)
            raise OSError(*error.args) from error
        self._letters = _letters(self._fd)
        self.write(_BEGIN)

    def size(self) -> os.terminal_size:
        """Ask each time: the console of a screen that is plugged in later has another size."""
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return _USUAL
        return size if size.columns and size.lines else _USUAL

    def draws(self, letter: str) -> bool:
        """Whether the console's font has it; a terminal that does not say draws everything."""
        return self._letters is None or letter in self._letters

    def write(self, drawn: bytes) -> None:
        """Write without waiting."""
        with suppress(OSError):
            while drawn:
                drawn = drawn[os.write(self._fd, drawn) :]

    def close(self) -> None:
        """What was drawn stays."""
        os.close(self._fd)


def _letters(fd: int) -> frozenset[str] | None:
    """Return what the console's font has, None where the terminal does not say (ioctl_console(2))."""
    pairs = array("H", bytes(4 * _MOST_LETTERS))  # letter, place in the font
    asked = bytearray(struct.pack("@HP", _MOST_LETTERS, pairs.buffer_info()[0]))
    try:
        fcntl.ioctl(fd, _GIO_UNIMAP, asked)
    except OSError:
        return None
    (count,) = struct.unpack_from("@H", asked)
    return frozenset(map(chr, pairs[: 2 * count : 2])) or None
