"""gpiozero's mock pins on a clock of the test's own, with everything that happens on them in one timeline."""

import threading
from dataclasses import dataclass
from typing import Any

from gpiozero.pins.mock import MockFactory, MockPWMPin


@dataclass(frozen=True)
class PinChange:
    at_s: float
    pin: int
    state: float
    frequency_hz: float | None


class VirtualTime:
    """A clock that moves when somebody waits on it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def read(self) -> float:
        return self.now_s

    def wait(self, cut: threading.Event, duration_s: float) -> bool:
        """Let the whole time pass at once, unless it is already cut."""
        if cut.is_set():
            return True
        self.now_s += duration_s
        return False


class Timeline:
    """What the pins did, in order; `await_changes` waits for the buzzer's thread."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._changed = threading.Condition()
        self.changes: list[PinChange] = []

    def add(self, pin: int, state: float, frequency_hz: float | None) -> None:
        with self._changed:
            self.changes.append(PinChange(round(self._time.read(), 3), pin, state, frequency_hz))
            self._changed.notify_all()

    def of(self, *pins: int) -> list[PinChange]:
        return [change for change in self.changes if change.pin in pins]

    def await_changes(self, count: int, *pins: int) -> list[PinChange]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(*pins)) >= count, timeout=10), self.changes
            return self.of(*pins)


def recording_factory(timeline: Timeline) -> MockFactory:
    """A mock pin factory whose pins write into `timeline`; one for each test, none is global."""

    class RecordingPin(MockPWMPin):  # type: ignore[misc] # gpiozero has no types
        def _change_state(self, value: Any) -> bool:
            changed: bool = super()._change_state(value)
            if changed and self.function == "output":
                timeline.add(int(self.info.name.removeprefix("GPIO")), float(value), self.frequency)
            return changed

    return MockFactory(pin_class=RecordingPin)
