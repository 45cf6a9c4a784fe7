"""Lamp, buzzer, buttons and tamper switch on the pins of a Raspberry Pi, through gpiozero."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gpiozero import RGBLED, DigitalInputDevice, GPIOZeroError, PWMOutputDevice

from sensors.board.debounce import Debouncer
from sensors.board.port import Board, BoardEvent, Button, TamperEvent
from sensors.board.settings import BoardPins
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.board.tones import TonePlayer, Wait
from sensors.errors import SensorUnavailable

_DUTY = 0.5  # the loudest for a piezo
_RESTING_FREQUENCY_HZ = 440


class GpioBoard(Board):
    """Owns `factory`, gpiozero's pin factory, and closes it. Nothing global is set.

    wait: how the buzzer's thread lets time pass. monotonic_s: read once for each edge of a button.
    """

    def __init__(
        self,
        pins: BoardPins,
        factory: Any,
        *,
        wait: Wait = threading.Event.wait,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._factory = factory
        self._listeners: tuple[Callable[[BoardEvent], None], ...] = ()
        self._lamp_lock = threading.Lock()
        self._closed = False
        with contextlib.ExitStack() as opened:
            opened.callback(factory.close)
            try:
                self._lamp = opened.enter_context(
                    RGBLED(pins.lamp_red, pins.lamp_green, pins.lamp_blue, pin_factory=factory)
                )
                self._buzzer = opened.enter_context(
                    PWMOutputDevice(pins.buzzer, frequency=_RESTING_FREQUENCY_HZ, pin_factory=factory)
                )
                for button, pin in _button_pins(pins).items():
                    self._watch_button(button, opened.enter_context(_switch(pin, factory)))
                self._tamper = opened.enter_context(_switch(pins.tamper, factory))
            except (GPIOZeroError, OSError) as error:
                raise _opening_fault(error) from error
            self._tamper.when_activated = partial(self._tell, TamperEvent.CLOSED)
            self._tamper.when_deactivated = partial(self._tell, TamperEvent.OPENED)
            # The stack closes in reverse: the buzzer's thread ends before its pin is freed.
            self._player = TonePlayer(self._sound, wait)
            opened.callback(self._player.close)
            self._opened = opened.pop_all()

    def show(self, signal: Signal) -> None:
        """See `Board.show`."""
        presentation = PRESENTATIONS[signal]
        with self._lamp_lock:
            if self._closed:
                raise SensorUnavailable("the board is closed; open it anew")
            self._lamp.value = presentation.lamp.value
        self._player.play(presentation.tones)

    def listen(self, on_event: Callable[[BoardEvent], None]) -> None:
        """See `Board.listen`. An enclosure that stands open is told before this returns."""
        self._listeners = (*self._listeners, on_event)
        if not self._tamper.is_active:
            on_event(TamperEvent.OPENED)

    def close(self) -> None:
        """See `Board.close`."""
        with self._lamp_lock:
            already_closed, self._closed = self._closed, True
        if not already_closed:
            with contextlib.suppress(GPIOZeroError, OSError):
                self._opened.close()

    def _sound(self, frequency_hz: int | None) -> None:
        if frequency_hz is None:
            self._buzzer.value = 0
        else:
            self._buzzer.frequency = frequency_hz
            self._buzzer.value = _DUTY

    def _watch_button(self, button: Button, contact: DigitalInputDevice) -> None:
        debouncer = Debouncer()

        def on_edge(is_closed: bool) -> None:
            if debouncer.is_press(is_closed, self._monotonic_s()):
                self._tell(button)

        contact.when_activated = partial(on_edge, True)
        contact.when_deactivated = partial(on_edge, False)

    def _tell(self, event: BoardEvent) -> None:
        for listener in self._listeners:
            listener(event)


def _button_pins(pins: BoardPins) -> dict[Button, int]:
    return {
        Button.OK: pins.ok,
        Button.AGAIN: pins.again,
        Button.HELP: pins.help,
        Button.LANGUAGE: pins.language,
    }


def _switch(pin: int, factory: Any) -> DigitalInputDevice:
    # gpiozero's own bounce_time is left off. For buttons, `Debouncer` does the same on every pin factory;
    # at the tamper switch a short opening must not be lost.
    return DigitalInputDevice(pin, pull_up=True, pin_factory=factory)


def _opening_fault(error: Exception) -> SensorUnavailable:
    return SensorUnavailable(
        f"the board's pins cannot be opened ({error}): end what uses them (`gpioinfo` names it), "
        "and add this user to the group gpio"
    )
