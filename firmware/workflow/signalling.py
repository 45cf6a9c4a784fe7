"""Lamp, buzzer and ring for the screens of a workflow; during a capture the capture session shows its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from firmware.session.machine import Show
from firmware.workflow.screen import Screen, Tone
from sensors.board.signals import Signal

SIGNALS: Mapping[Tone, Signal] = MappingProxyType(
    {
        Tone.CALM: Signal.IDLE,
        Tone.WORKING: Signal.WORKING,
        Tone.GOOD: Signal.DONE,
        Tone.AGAIN: Signal.TRY_AGAIN,
        Tone.PERSON: Signal.GO_TO_A_PERSON,
        Tone.FAULT: Signal.DEVICE_FAULT,
    }
)


class Signals(Protocol):
    """Shows signals, and tells of those that others show (`firmware.presenter.Presenter`)."""

    def show(self, effect: Show) -> None:
        """Show a signal; returns at once."""

    def add_listener(self, listener: Callable[[Show], None]) -> Callable[[], None]:
        """Call `listener` with each signal; returns what takes it off again."""


class Signaller:
    """Shows what a screen sounds and looks like, once for each that is not like the one before."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._shown: tuple[str, Tone] | None = None

    def card_read(self) -> None:
        """Say with a short beep that a card was taken, before anything is known of it."""
        self._signals.show(Show(Signal.CARD_READ))

    def show(self, screen: Screen, *, captures: bool = False) -> None:
        """Show the screen's signal; captures: whether a capture session shows its own.

        A screen on which the appliance works for an instant keeps the signal before it.
        """
        if captures or screen.busy or screen.preview or (screen.name, screen.tone) == self._shown:
            return
        self._shown = screen.name, screen.tone
        self._signals.show(Show(SIGNALS[screen.tone]))
