"""Plays tones in one thread, which a newer signal cuts short and `close` always ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from sensors.board.signals import Tone
from sensors.errors import SensorUnavailable

# Waits for a time in seconds, or until the event is set; tells whether it was set.
Wait: TypeAlias = Callable[[threading.Event, float], bool]

_END_TIMEOUT_S = 2.0  # the thread only waits on the event that ends it


class TonePlayer:
    """sound: starts a note of that many Hz, or goes silent with None; called from its own thread alone."""

    def __init__(self, sound: Callable[[int | None], None], wait: Wait = threading.Event.wait) -> None:
        self._sound = sound
        self._wait = wait
        self._changed = threading.Condition()
        self._cut = threading.Event()
        self._next: tuple[Tone, ...] | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="tones", daemon=True)
        self._thread.start()

    def play(self, tones: tuple[Tone, ...]) -> None:
        """Play `tones` from now on, or with none be silent; returns at once."""
        with self._changed:
            if self._ending or not self._thread.is_alive():
                raise SensorUnavailable("the buzzer has stopped; open the board anew")
            self._next = tones
            self._cut.set()
            self._changed.notify()

    def close(self) -> None:
        """Go silent and end the thread. May be called twice."""
        with self._changed:
            self._ending = True
            self._cut.set()
            self._changed.notify()
        self._thread.join(_END_TIMEOUT_S)

    def _run(self) -> None:
        while (tones := self._take()) is not None:
            self._play(tones)

    def _take(self) -> tuple[Tone, ...] | None:
        with self._changed:
            while self._next is None and not self._ending:
                self._changed.wait()
            if self._ending:
                return None
            tones, self._next = self._next, None
            self._cut.clear()
            return tones

    def _play(self, tones: tuple[Tone, ...]) -> None:
        for tone in tones:
            self._sound(tone.frequency_hz)
            cut = self._wait(self._cut, tone.duration_ms / 1000)
            self._sound(None)
            if cut or self._wait(self._cut, tone.pause_ms / 1000):
                return
