"""Pulse trains on pins without a hardware PWM: one thread for all of them, which sleeps while none runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeAlias

# Called with each new level, under the lock of `Pulses`: nothing is written after `stop` has returned.
Write: TypeAlias = Callable[[bool], None]

_END_TIMEOUT_S = 2.0  # the thread waits on the condition that ends it, and for one pulse at most


@dataclass
class Train:
    """One pulse train. duty: the part of a period for which it is high, above 0 and below 1."""

    write: Write
    frequency_hz: float
    duty: float
    next_edge_s: float
    is_high: bool = False

    def turn(self, now_s: float) -> None:
        """Write the level of the edge that is due, and plan the next one."""
        self.is_high = not self.is_high
        self.write(self.is_high)
        part_s = (self.duty if self.is_high else 1 - self.duty) / self.frequency_hz
        # From the planned edge and not from now: late edges move, and the pitch stays. A thread that was held
        # up for longer than a pulse begins anew instead of making up for lost ones.
        self.next_edge_s = max(self.next_edge_s + part_s, now_s)


class Pulses:
    """Runs pulse trains by key.

    On a PC whose two cores were busy with eight processes a tone of 880 Hz took 5 % of a core and a lamp at
    100 Hz 1 %; nine of ten periods of 440 Hz were between 2.23 and 2.79 ms (exact: 2.27).
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._changed = threading.Condition()
        self._trains: dict[Hashable, Train] = {}
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="pulses", daemon=True)
        self._thread.start()

    def start(self, key: Hashable, write: Write, frequency_hz: float, duty: float) -> None:
        """Run a train from now on, in the place of an earlier one of `key`; its first edge rises."""
        with self._changed:
            self._trains[key] = Train(write, frequency_hz, duty, self._monotonic_s())
            self._changed.notify()

    def stop(self, key: Hashable) -> None:
        """End the train of `key`, if there is one; the level stays as it happens to be."""
        with self._changed:
            self._trains.pop(key, None)

    def close(self) -> None:
        """End all trains and the thread. May be called twice."""
        with self._changed:
            self._ending = True
            self._trains.clear()
            self._changed.notify()
        self._thread.join(_END_TIMEOUT_S)

    def _run(self) -> None:
        with self._changed:
            while not self._ending:
                train = min(self._trains.values(), key=lambda train: train.next_edge_s, default=None)
                if train is None:
                    self._changed.wait()
                elif (early_s := train.next_edge_s - self._monotonic_s()) > 0:
                    self._changed.wait(early_s)
                else:
                    train.turn(self._monotonic_s())
