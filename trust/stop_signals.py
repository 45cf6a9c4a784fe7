"""SIGTERM and Ctrl-C as a program with an event loop takes them: it ends in its own time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STOPS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signals(on_stop: Callable[[], object]) -> Iterator[None]:
    """Call `on_stop` in the running event loop at each of the two; afterwards they end the process again.

    uvloop leaves its handlers behind when it ends: without this, Ctrl-C would do nothing from then on.
    """
    loop = asyncio.get_running_loop()
    for number in _STOPS:
        loop.add_signal_handler(number, on_stop)
    try:
        yield
    finally:
        for number in _STOPS:
            loop.remove_signal_handler(number)
