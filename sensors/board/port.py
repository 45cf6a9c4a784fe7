"""The port: what the appliance asks of the board with lamp, buzzer, buttons and tamper switch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias

from sensors.board.signals import Signal


@unique
class Button(Enum):
    """The four buttons. HELP always works, in every state."""

    OK = "ok"
    AGAIN = "again"
    HELP = "help"
    LANGUAGE = "language"


@unique
class TamperEvent(Enum):
    """The enclosure's switch."""

    OPENED = "opened"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Typed:
    """A line that was typed, on a board with a keyboard: maybe a card's number, and never logged."""

    text: str

    def __repr__(self) -> str:
        return "Typed(...)"


BoardEvent: TypeAlias = Button | TamperEvent | Typed


class Board(ABC):
    """The board in front of the people."""

    @abstractmethod
    def show(self, signal: Signal) -> None:
        """Show `signal` on lamp and buzzer; returns at once, and a newer signal cuts an older tone short."""

    @abstractmethod
    def listen(self, on_event: Callable[[BoardEvent], None]) -> None:
        """Call `on_event` for each press, tamper change and typed line, from a thread of the board's own."""

    @abstractmethod
    def close(self) -> None:
        """Lamp and buzzer off, pins freed. May be called twice, and never raises."""
