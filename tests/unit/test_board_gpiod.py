"""The board on the kernel's GPIO lines: real gpiozero on a chip that obeys the kernel's rules."""

import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

import gpiod
import pytest
from gpiod.line import Direction
from gpiozero import LED, DigitalInputDevice, PinInvalidPull, PinSetInput

from sensors.board.gpio import GpioBoard
from sensors.board.gpiod_pins import GpiodFactory, open_header
from sensors.board.port import BoardEvent, Button, TamperEvent
from sensors.board.pulses import Pulses, Train
from sensors.board.settings import BoardPins
from sensors.board.signals import Signal
from sensors.errors import SensorUnavailable
from tests.kit.fake_gpiochip import FakeChip, as_listed

PINS = BoardPins()
PATIENCE_S = 10.0


@pytest.fixture
def chip() -> FakeChip:
    return FakeChip()


@pytest.fixture
def factory(chip: FakeChip) -> Iterator[GpiodFactory]:
    factory = GpiodFactory(chip)  # type: ignore[arg-type]
    yield factory
    if chip.is_open:
        factory.close()


def test_buttons_and_the_tamper_switch_tell_what_their_contacts_do(
    chip: FakeChip, factory: GpiodFactory
) -> None:
    chip.wire(PINS.tamper, False)  # the enclosure is closed
    board = GpioBoard(PINS, factory)
    events: SimpleQueue[BoardEvent] = SimpleQueue()
    board.listen(events.put)

    chip.wire(PINS.help, False)
    chip.wire(PINS.help, True)
    assert events.get(timeout=PATIENCE_S) is Button.HELP

    chip.wire(PINS.tamper, True)
    chip.wire(PINS.tamper, False)
    assert events.get(timeout=PATIENCE_S) is TamperEvent.OPENED
    assert events.get(timeout=PATIENCE_S) is TamperEvent.CLOSED
    assert events.empty()
    board.close()


def test_the_lamp_burns_steadily_in_green_and_goes_out_at_the_end(
    chip: FakeChip, factory: GpiodFactory
) -> None:
    board = GpioBoard(PINS, factory)
    board.show(Signal.DONE)
    green = chip.requests[PINS.lamp_green]

    assert [chip.level(pin) for pin in (PINS.lamp_red, PINS.lamp_green, PINS.lamp_blue)] == [0, 1, 0]
    board.close()

    assert green.written[-1] is False
    assert not chip.requests
    assert chip.left == dict.fromkeys(asdict(PINS).values(), Direction.INPUT)
    assert not chip.is_open
    assert not [thread for thread in threading.enumerate() if thread.name in ("edges", "pulses", "tones")]


def test_amber_is_red_with_pulses_of_green(chip: FakeChip, factory: GpiodFactory) -> None:
    board = GpioBoard(PINS, factory)
    board.show(Signal.GO_TO_A_PERSON)
    green = chip.requests[PINS.lamp_green]
    green.await_written(8)
    board.show(Signal.IDLE)

    pulses = green.written[green.written.index(True) :]
    assert pulses[:6] == [True, False] * 3
    assert green.written[-1] is False
    assert chip.level(PINS.lamp_red) is False
    # Nothing pulses on: others have had their edges meanwhile, and green none.
    written, edges = len(green.written), SimpleQueue[bool]()
    factory.pulses.start("other", edges.put, 100, 0.5)
    for _ in range(6):
        edges.get(timeout=PATIENCE_S)
    assert len(green.written) == written
    board.close()


def test_pulses_keep_their_pitch_when_an_edge_is_late() -> None:
    edges: list[bool] = []
    train = Train(edges.append, frequency_hz=100, duty=0.25, next_edge_s=5.0)
    planned = []
    for now_s in (5.0, 5.0025, 5.0115, 5.0125):  # the third comes 1.5 ms late
        train.turn(now_s)
        planned.append(round(train.next_edge_s, 6))

    assert edges == [True, False, True, False]
    assert planned == [5.0025, 5.01, 5.0125, 5.02]


def test_pulses_that_were_held_up_begin_anew_and_make_up_for_none() -> None:
    train = Train(lambda _: None, frequency_hz=100, duty=0.5, next_edge_s=5.0)
    train.turn(7.0)

    assert train.next_edge_s == 7.0


def test_nothing_is_written_after_a_train_was_stopped() -> None:
    pulses, edges = Pulses(), SimpleQueue[bool]()
    pulses.start("buzzer", edges.put, 2000, 0.5)
    assert edges.get(timeout=PATIENCE_S) is True
    pulses.stop("buzzer")
    written = edges.qsize()
    pulses.start("lamp", edges.put, 2000, 0.5)
    pulses.close()

    assert edges.qsize() - written in (0, 1)


def test_a_line_that_another_program_has_is_unavailable_and_frees_the_others(
    chip: FakeChip, factory: GpiodFactory
) -> None:
    chip.request_lines({PINS.help: gpiod.LineSettings()})
    with pytest.raises(SensorUnavailable, match=r"busy.*gpioinfo"):
        GpioBoard(PINS, factory)

    assert list(chip.requests) == [PINS.help]


def test_a_pin_can_be_used_anew_after_it_was_closed(chip: FakeChip, factory: GpiodFactory) -> None:
    with LED(PINS.help, pin_factory=factory) as lamp:
        lamp.on()
        assert chip.level(PINS.help)
    with DigitalInputDevice(PINS.help, pull_up=True, pin_factory=factory) as contact:
        assert not contact.is_active
        chip.wire(PINS.help, False)
        assert contact.is_active


def test_pins_keep_gpiozeros_rules(factory: GpiodFactory) -> None:
    pin = factory.pin(PINS.ok)
    with pytest.raises(PinSetInput):
        pin.state = 1
    with pytest.raises(PinInvalidPull):
        pin.pull = "sideways"


def test_the_chip_of_the_header_is_found_by_its_name(tmp_path: Path) -> None:
    chips = as_listed((FakeChip("gpio-brcmstb@107d508500"), FakeChip("pinctrl-rp1"), FakeChip("other")))
    for name in chips:
        (tmp_path / name).touch()
    found = open_header(tmp_path, lambda path: chips[Path(path).name])  # type: ignore[return-value, arg-type]

    assert id(found) == id(chips["gpiochip1"])
    assert [chip.is_open for chip in chips.values()] == [False, True, True]


def test_a_machine_without_a_header_has_none(tmp_path: Path) -> None:
    assert open_header(tmp_path) is None
