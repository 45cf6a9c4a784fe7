"""The GPIO board on gpiozero's own mock pins, on a clock of the test's own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from gpiozero import LED

from sensors.board.gpio import GpioBoard
from sensors.board.port import BoardEvent, Button, TamperEvent
from sensors.board.settings import BoardPins
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.errors import SensorMisconfigured, SensorUnavailable
from tests.kit.pin_timeline import Timeline, VirtualTime, recording_factory

PINS = BoardPins()
LAMP = (PINS.lamp_red, PINS.lamp_green, PINS.lamp_blue)


@dataclass
class Bench:
    time: VirtualTime
    timeline: Timeline
    factory: Any
    board: GpioBoard
    events: list[BoardEvent] = field(default_factory=list)

    def lamp(self) -> tuple[float, ...]:
        return tuple(self.factory.pin(pin).state for pin in LAMP)

    def press(self, pin: int, at_s: float) -> None:
        self.time.now_s = at_s
        self.factory.pin(pin).drive_low()

    def let_go(self, pin: int, at_s: float) -> None:
        self.time.now_s = at_s
        self.factory.pin(pin).drive_high()


@pytest.fixture
def bench() -> Iterator[Bench]:
    time = VirtualTime()
    timeline = Timeline(time)
    factory = recording_factory(timeline)
    board = GpioBoard(PINS, factory, wait=time.wait, monotonic_s=time.read)
    # The enclosure is closed.
    factory.pin(PINS.tamper).drive_low()
    bench = Bench(time, timeline, factory, board)
    board.listen(bench.events.append)
    yield bench
    board.close()


@pytest.mark.parametrize("signal", Signal)
def test_lamp_and_tones_over_time_are_those_of_the_table(bench: Bench, signal: Signal) -> None:
    presentation = PRESENTATIONS[signal]
    expected, now_ms = [], 0
    for tone in presentation.tones:
        expected.append((now_ms / 1000, 0.5, tone.frequency_hz))
        expected.append(((now_ms + tone.duration_ms) / 1000, 0.0, tone.frequency_hz))
        now_ms += tone.duration_ms + tone.pause_ms

    bench.board.show(signal)
    bench.timeline.await_changes(len(expected), PINS.buzzer)
    lamp = bench.lamp()
    lamp_changes = bench.timeline.of(*LAMP)
    bench.board.close()

    assert lamp == presentation.lamp.value
    assert all(change.at_s == 0 for change in lamp_changes)
    assert [(c.at_s, c.state, c.frequency_hz) for c in bench.timeline.of(PINS.buzzer)] == expected


def test_each_signal_replaces_the_lamp_of_the_one_before(bench: Bench) -> None:
    for signal in (Signal.DEVICE_FAULT, Signal.DONE, Signal.TRY_AGAIN, Signal.IDLE):
        bench.board.show(signal)
        assert bench.lamp() == PRESENTATIONS[signal].lamp.value


def test_a_newer_signal_cuts_the_tones_of_an_older_one() -> None:
    timeline = Timeline(VirtualTime())
    # A wait that ends only when it is cut: the first of three tones would sound for ever.
    board = GpioBoard(PINS, recording_factory(timeline), wait=lambda cut, _: threading.Event.wait(cut, 10))

    board.show(Signal.DEVICE_FAULT)
    timeline.await_changes(1, PINS.buzzer)
    board.show(Signal.IDLE)
    timeline.await_changes(2, PINS.buzzer)
    board.close()

    assert [change.state for change in timeline.of(PINS.buzzer)] == [0.5, 0.0]


def test_closing_ends_a_tone_and_its_thread() -> None:
    timeline = Timeline(VirtualTime())
    board = GpioBoard(PINS, recording_factory(timeline), wait=lambda cut, _: threading.Event.wait(cut, 10))
    board.show(Signal.DONE)
    timeline.await_changes(1, PINS.buzzer)

    board.close()

    assert timeline.of(PINS.buzzer)[-1].state == 0.0
    assert not [thread for thread in threading.enumerate() if thread.name == "tones"]


def test_closing_puts_the_lamp_out_and_frees_the_pins(bench: Bench) -> None:
    bench.board.show(Signal.DEVICE_FAULT)
    bench.board.close()
    bench.board.close()

    assert bench.timeline.of(PINS.lamp_red)[-1].state == 0.0
    with LED(PINS.lamp_red, pin_factory=bench.factory) as lamp:
        lamp.on()
    with pytest.raises(SensorUnavailable, match="open it anew"):
        bench.board.show(Signal.IDLE)


@pytest.mark.parametrize(
    ("pin", "button"),
    [
        (PINS.ok, Button.OK),
        (PINS.again, Button.AGAIN),
        (PINS.help, Button.HELP),
        (PINS.language, Button.LANGUAGE),
    ],
)
def test_each_button_tells_its_own_press_once(bench: Bench, pin: int, button: Button) -> None:
    bench.press(pin, 1.0)
    bench.let_go(pin, 1.2)

    assert bench.events == [button]


def test_a_contact_that_chatters_is_one_press(bench: Bench) -> None:
    for at_s in (1.0, 1.004, 1.008):
        bench.press(PINS.ok, at_s)
        bench.let_go(PINS.ok, at_s + 0.002)
    bench.press(PINS.ok, 1.012)
    for at_s in (1.3, 1.304):
        bench.let_go(PINS.ok, at_s)
        bench.press(PINS.ok, at_s + 0.002)
    bench.let_go(PINS.ok, 1.308)
    assert bench.events == [Button.OK]

    bench.press(PINS.ok, 1.6)
    assert bench.events == [Button.OK, Button.OK]


def test_one_button_does_not_hide_another(bench: Bench) -> None:
    bench.press(PINS.ok, 1.0)
    bench.press(PINS.help, 1.001)

    assert bench.events == [Button.OK, Button.HELP]


def test_the_tamper_switch_tells_even_a_short_opening(bench: Bench) -> None:
    bench.let_go(PINS.tamper, 1.0)
    bench.press(PINS.tamper, 1.001)

    assert bench.events == [TamperEvent.OPENED, TamperEvent.CLOSED]


def test_an_enclosure_that_stands_open_is_told_to_a_new_listener(bench: Bench) -> None:
    bench.let_go(PINS.tamper, 1.0)
    events: list[BoardEvent] = []
    bench.board.listen(events.append)

    assert events == [TamperEvent.OPENED]


def test_a_pin_that_is_in_use_is_unavailable_and_frees_the_others() -> None:
    factory = recording_factory(Timeline(VirtualTime()))
    with LED(PINS.help, pin_factory=factory), pytest.raises(SensorUnavailable, match="GPIO13"):
        GpioBoard(PINS, factory)

    GpioBoard(PINS, factory).close()


@pytest.mark.parametrize(
    ("pins", "reason"),
    [({"ok": 14}, "UART"), ({"ok": 2}, "I2C"), ({"ok": 40}, "not on the header"), ({"ok": 17}, "twice")],
)
def test_pins_that_cannot_be_used_are_refused(pins: dict[str, int], reason: str) -> None:
    with pytest.raises(SensorMisconfigured, match=reason):
        BoardPins(**pins)


def test_missing_pins_are_an_error_and_no_silent_fall_back() -> None:
    program = (
        "import sys\n"
        "sys.modules['gpiod'] = None  # as where it is not installed\n"
        "from sensors.board.opening import open_board\n"
        "from sensors.board.settings import BoardSettings\n"
        "open_board(BoardSettings('gpio'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)

    assert ended.returncode == 1
    assert b"pip install 'aidpost[pi]'" in ended.stderr
