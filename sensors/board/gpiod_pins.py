"""gpiozero's pins on the kernel's GPIO character device, through libgpiod 2.

gpiozero 2.0 comes with none that serves Python 3.13: lgpio has no wheel for it and no package in Debian,
`native` has no PWM, and neither it nor pigpio nor RPi.GPIO knows the Pi 5.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import gpiod
from gpiod.line import Bias, Direction, Edge, Value
from gpiozero import (
    PinFixedPull,
    PinInvalidFunction,
    PinInvalidPull,
    PinPWMFixedValue,
    PinSetInput,
)
from gpiozero.pins.pi import PiFactory, PiPin

from sensors.board.edges import EdgeWatch
from sensors.board.pulses import Pulses

# What the kernel calls the chip of the 40-pin header: Zero 2 W, Pi 4, Pi 5.
HEADER_LABELS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")
# gpiozero takes the names of pins from the revision of a board. The 40-pin header has the same BCM numbers on
# each, and on each a pin's number is its offset on the chip, so that any of them serves (this one is a 3B).
_ANY_40_PIN_REVISION = 0xA02082
_CONSUMER = "aidpost"  # what gpioinfo shows
_PULLS = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "floating": Bias.DISABLED}
_EDGES = {"both": Edge.BOTH, "rising": Edge.RISING, "falling": Edge.FALLING}


def open_header(
    devices: Path = Path("/dev"), open_chip: Callable[[str], gpiod.Chip] = gpiod.Chip
) -> gpiod.Chip | None:
    """Open the chip of the 40-pin header; None where there is none. Raises OSError."""
    for path in sorted(devices.glob("gpiochip*")):
        chip = open_chip(str(path))
        if chip.get_info().label in HEADER_LABELS:
            return chip
        chip.close()
    return None


class GpiodFactory(PiFactory):  # type: ignore[misc]  # gpiozero has no types
    """Owns `chip`, and a thread each for edges and for pulses; closes all three."""

    def __init__(self, chip: gpiod.Chip) -> None:
        super().__init__()
        self.chip = chip
        self.edges = EdgeWatch()
        self.pulses = Pulses()
        self.pin_class = GpiodPin

    def close(self) -> None:
        """Let go of every pin. May be called twice."""
        super().close()
        self.edges.close()
        self.pulses.close()
        self.chip.close()

    def ticks(self) -> float:
        """Return the time in seconds, on the clock of the kernel's edge events."""
        return time.monotonic()

    def ticks_diff(self, later: float, earlier: float) -> float:
        """Return the time between, in seconds."""
        return later - earlier

    def _get_revision(self) -> int:
        return _ANY_40_PIN_REVISION


class GpiodPin(PiPin):  # type: ignore[misc]  # gpiozero has no types
    """One line, requested from the kernel when it is first used, and anew when it is used after `close`."""

    def __init__(self, factory: GpiodFactory, info: Any) -> None:
        super().__init__(factory, info)
        self._lock = threading.RLock()
        self._settings = gpiod.LineSettings(direction=Direction.INPUT)
        self._edges = "both"
        self._frequency_hz: float | None = None
        self._duty = 0.0
        self._request: gpiod.LineRequest | None = None

    def close(self) -> None:
        """Make the pin an input without a pull, as it was, and give it back."""
        self.when_changed = None
        with self._lock:
            if self._request is None:
                return
            self.factory.pulses.stop(self)
            self._reconfigure(gpiod.LineSettings(direction=Direction.INPUT))
            self._request.release()
            self._request = None

    def _reconfigure(self, settings: gpiod.LineSettings) -> None:
        with self._lock:
            self._line().reconfigure_lines({self._number: settings})
            self._settings = settings

    def _line(self) -> gpiod.LineRequest:
        if self._request is None:
            lines = {self._number: self._settings}
            self._request = self.factory.chip.request_lines(lines, consumer=_CONSUMER)
        return self._request

    def _get_function(self) -> str:
        return "output" if self._settings.direction is Direction.OUTPUT else "input"

    def _set_function(self, value: str) -> None:
        if value not in ("input", "output"):
            raise PinInvalidFunction(f"invalid function {value!r} for pin {self!r}")
        if value != "output":
            self._set_frequency(None)
        direction = Direction.OUTPUT if value == "output" else Direction.INPUT
        self._reconfigure(gpiod.LineSettings(direction=direction))

    def _get_state(self) -> float:
        if self._frequency_hz is not None:
            return self._duty
        return int(self._line().get_value(self._number) is Value.ACTIVE)

    def _set_state(self, value: float) -> None:
        with self._lock:
            if self._settings.direction is not Direction.OUTPUT:
                raise PinSetInput(f"cannot set state of pin {self!r}")
            if self._frequency_hz is None:
                self._write(bool(value))
                return
            self._duty = float(value)
            if 0 < self._duty < 1:
                self.factory.pulses.start(self, self._write, self._frequency_hz, self._duty)
            else:
                self.factory.pulses.stop(self)
                self._write(bool(value))

    def _write(self, is_high: bool) -> None:
        self._line().set_value(self._number, Value.ACTIVE if is_high else Value.INACTIVE)

    def _get_frequency(self) -> float | None:
        return self._frequency_hz

    def _set_frequency(self, value: float | None) -> None:
        with self._lock:
            if not value:
                if self._frequency_hz is not None:
                    self.factory.pulses.stop(self)
                    self._write(False)
                self._frequency_hz, self._duty = None, 0.0
                return
            if self._settings.direction is not Direction.OUTPUT:
                raise PinPWMFixedValue(f"cannot start PWM on pin {self!r}")
            self._frequency_hz = float(value)
            self._set_state(self._duty)

    def _get_pull(self) -> str:
        pulls = {bias: name for name, bias in _PULLS.items()}
        return pulls.get(self._settings.bias, "floating")

    def _set_pull(self, value: str) -> None:
        if self._settings.direction is not Direction.INPUT:
            raise PinFixedPull(f"cannot set pull on non-input pin {self!r}")
        if self.info.pull not in (value, ""):
            raise PinFixedPull(f"{self!r} has a physical pull-{self.info.pull} resistor")
        if value not in _PULLS:
            raise PinInvalidPull(f"invalid pull {value!r} for pin {self!r}")
        self._reconfigure(replace(self._settings, bias=_PULLS[value]))

    def _get_bounce(self) -> float | None:
        return self._settings.debounce_period.total_seconds() or None

    def _set_bounce(self, value: float | None) -> None:
        self._reconfigure(replace(self._settings, debounce_period=timedelta(seconds=value or 0)))

    def _get_edges(self) -> str:
        return self._edges

    def _set_edges(self, value: str) -> None:
        self._edges = value
        if self._settings.edge_detection is not Edge.NONE:
            self._enable_event_detect()

    def _enable_event_detect(self) -> None:
        with self._lock:
            self._reconfigure(replace(self._settings, edge_detection=_EDGES[self._edges]))
            self.factory.edges.watch(self._line().fd, self._read_edges)

    def _disable_event_detect(self) -> None:
        with self._lock:
            if self._request is not None:
                self.factory.edges.unwatch(self._request.fd)
                self._reconfigure(replace(self._settings, edge_detection=Edge.NONE))

    def _read_edges(self) -> None:
        with self._lock:
            # Reading waits where there is nothing, and the lock would be held meanwhile.
            if self._request is None or not self._request.wait_edge_events(0):
                return
            events = self._request.read_edge_events()
        for event in events:
            is_rising = event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE
            self._call_when_changed(event.timestamp_ns / 1e9, int(is_rising))
