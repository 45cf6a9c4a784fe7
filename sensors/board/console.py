"""A virtual board for development: signals are lines of text, keys are the buttons, and numbers are typed."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable
from typing import TextIO

from sensors.board.port import Board, BoardEvent, Button, Typed
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.board.table import SYMBOLS, describe_lamp, describe_tones
from sensors.errors import SensorUnavailable

KEYS = {"o": Button.OK, "a": Button.AGAIN, "h": Button.HELP, "l": Button.LANGUAGE}

_END_TIMEOUT_S = 2.0  # the thread waits on the pipe that ends it


class ConsoleBoard(Board):
    """Writes to `output`; o, a, h or l and Enter on `keys` are the buttons, any other line is typed.

    keys: a stream with a file descriptor, or None for a board without buttons.
    """

    def __init__(self, output: TextIO, keys: TextIO | None) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._closed = False
        self._listeners: tuple[Callable[[BoardEvent], None], ...] = ()
        self._end_r, self._end_w = os.pipe()
        self.key_reader: threading.Thread | None = None
        if keys is not None:
            self.key_reader = threading.Thread(
                target=self._read, args=(keys.fileno(),), name="console keys", daemon=True
            )
            self.key_reader.start()

    def show(self, signal: Signal) -> None:
        """Write one line: symbol, words, lamp and tones."""
        presentation = PRESENTATIONS[signal]
        symbol = SYMBOLS[presentation.pictogram]
        line = f"{symbol} {signal.value} [lamp {describe_lamp(presentation.lamp)}; "
        line += f"{describe_tones(presentation.tones)}]\n"
        with self._lock:
            if self._closed:
                raise SensorUnavailable("the board is closed; open it anew")
            self._output.write(line)
            self._output.flush()

    def listen(self, on_event: Callable[[BoardEvent], None]) -> None:
        """See `Board.listen`."""
        self._listeners = (*self._listeners, on_event)

    def close(self) -> None:
        """Stop reading keys; the streams stay open."""
        with self._lock:
            already_closed, self._closed = self._closed, True
        if already_closed:
            return
        with contextlib.suppress(OSError):
            os.close(self._end_w)
        if self.key_reader is not None:
            self.key_reader.join(_END_TIMEOUT_S)
        with contextlib.suppress(OSError):
            os.close(self._end_r)

    def _read(self, keys_fd: int) -> None:
        # A thread blocked in readline cannot be ended; one that polls can.
        poll = select.poll()
        poll.register(keys_fd, select.POLLIN)
        poll.register(self._end_r, select.POLLIN)
        typed = b""
        while True:
            if any(fd == self._end_r for fd, _ in poll.poll()):
                return
            chunk = os.read(keys_fd, 256)
            if not chunk:
                return
            *lines, typed = (typed + chunk).split(b"\n")
            for line in lines:
                self._enter(line.decode("utf-8", "replace").strip())

    def _enter(self, line: str) -> None:
        if not line:
            return
        event = KEYS.get(line.lower()) or Typed(line)
        for listener in self._listeners:
            listener(event)
