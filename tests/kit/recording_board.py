"""A board that remembers what it showed and whose buttons a test presses."""

import time
from collections.abc import Callable

from sensors.board.port import Board, BoardEvent
from sensors.board.signals import Signal
from sensors.errors import SensorUnavailable


class RecordingBoard(Board):
    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._listeners: list[Callable[[BoardEvent], None]] = []
        self._closed = False
        self.shown: list[tuple[float, Signal]] = []

    @property
    def signals(self) -> list[Signal]:
        return [signal for _, signal in self.shown]

    def show(self, signal: Signal) -> None:
        if self._closed:
            raise SensorUnavailable("the board is closed; open it anew")
        self.shown.append((self._monotonic_s(), signal))

    def listen(self, on_event: Callable[[BoardEvent], None]) -> None:
        self._listeners.append(on_event)

    def happen(self, event: BoardEvent) -> None:
        """Press a button, or open or close the enclosure."""
        for listener in self._listeners:
            listener(event)

    def close(self) -> None:
        self._closed = True
