"""Shows what the build does, how long each step took and what to do when one fails."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from imaging.commands import CommandFailed

NO_SPACE = os.strerror(errno.ENOSPC)
FULL = "The disk is full: free some, or name folders on another one with --out and --cache."


class BuildFailed(Exception):
    """The image cannot be made; the message says why and what to do."""


def in_words(error: OSError) -> str:
    """Return what went wrong with a file, and what to do about it."""
    if error.strerror is None:  # raised by the build itself, with a sentence
        return f"the recipe asks for what is not there: {error}"
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror}{where}" + (f"\n{FULL}" if error.errno == errno.ENOSPC else "")


class Step:
    """What is under way; `said` is shown behind it when it is done."""

    said: str = ""


class Steps:
    """The steps of one build, on a terminal or in a log."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock

    @contextmanager
    def step(self, title: str, advice: str = "") -> Iterator[Step]:
        """Show the step while it runs; a program that fails in it raises BuildFailed with `advice`."""
        begun = self._clock()
        step = Step()
        try:
            with self._console.status(f"{escape(title)} ..."):
                yield step
        except CommandFailed as error:
            advice = FULL if NO_SPACE in error.tail else advice
            raise BuildFailed(f"{title}: {error}" + (f"\n{advice}" if advice else "")) from error
        except OSError as error:
            raise BuildFailed(f"{title}: {in_words(error)}") from error
        took_s = self._clock() - begun
        self._console.print(f"{title:<44}{took_s:7.1f} s  {step.said}", markup=False, highlight=False)

    def note(self, text: str) -> None:
        """Show a sentence between the steps."""
        self._console.print(text, markup=False, highlight=False)
