"""The signals that staff and people see and hear: one table, always colour + shape + sound.

Source: the signal table of the workflows. Red means that the device is at fault, never that a person is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique
from types import MappingProxyType


@unique
class Signal(Enum):
    """What the appliance tells the people in front of it."""

    IDLE = "idle"
    CARD_READ = "card read"
    PLACE_FINGER = "place finger"
    LOOK_HERE = "look here"
    TURN_LEFT = "turn left"
    TURN_RIGHT = "turn right"
    COME_CLOSER = "come closer"
    WORKING = "working"
    DONE = "done"
    TRY_AGAIN = "try again"
    GO_TO_A_PERSON = "go to a person"
    DEVICE_FAULT = "device fault"


@unique
class RingColour(Enum):
    """Colours of the R503's ring; it has these three alone."""

    RED = 1
    BLUE = 2
    PURPLE = 3


@unique
class RingMode(Enum):
    """Modes of the R503's ring, with the codes of its data sheet."""

    BREATHING = 1
    FLASHING = 2
    STEADY = 3
    OFF = 4


@dataclass(frozen=True, slots=True)
class RingLight:
    """One state of the ring on the fingerprint reader."""

    mode: RingMode
    colour: RingColour = RingColour.BLUE


@unique
class LampColour(Enum):
    """Colours of the board's RGB LED, as (red, green, blue), each 0 to 1."""

    OFF = (0.0, 0.0, 0.0)
    GREEN = (0.0, 1.0, 0.0)
    AMBER = (1.0, 0.5, 0.0)
    RED = (1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Tone:
    """One note of the buzzer, followed by silence."""

    frequency_hz: int
    duration_ms: int
    pause_ms: int = 0


@dataclass(frozen=True, slots=True)
class Presentation:
    """How one signal looks and sounds. `pictogram` names the shape on the screen."""

    ring: RingLight
    lamp: LampColour
    tones: tuple[Tone, ...]
    pictogram: str


_LOW_HZ, _MID_HZ, _HIGH_HZ = 440, 660, 880
_RING_OFF = RingLight(RingMode.OFF)


def _order(pictogram: str) -> Presentation:
    ring = RingLight(RingMode.BREATHING, RingColour.BLUE)
    return Presentation(ring, LampColour.OFF, (Tone(_MID_HZ, 80),), pictogram)


PRESENTATIONS: Mapping[Signal, Presentation] = MappingProxyType(
    {
        Signal.IDLE: Presentation(_RING_OFF, LampColour.OFF, (), "ready"),
        Signal.CARD_READ: Presentation(_RING_OFF, LampColour.OFF, (Tone(_HIGH_HZ, 60),), "card"),
        Signal.PLACE_FINGER: Presentation(
            RingLight(RingMode.BREATHING, RingColour.BLUE), LampColour.OFF, (), "finger"
        ),
        Signal.LOOK_HERE: Presentation(
            RingLight(RingMode.BREATHING, RingColour.BLUE), LampColour.OFF, (), "face"
        ),
        # Whoever turns away no longer sees the screen: the tone says that something is asked.
        Signal.TURN_LEFT: _order("turn left"),
        Signal.TURN_RIGHT: _order("turn right"),
        Signal.COME_CLOSER: _order("come closer"),
        Signal.WORKING: Presentation(
            RingLight(RingMode.FLASHING, RingColour.PURPLE), LampColour.OFF, (), "hourglass"
        ),
        Signal.DONE: Presentation(
            _RING_OFF, LampColour.GREEN, (Tone(_MID_HZ, 120, 40), Tone(_HIGH_HZ, 180)), "tick"
        ),
        Signal.TRY_AGAIN: Presentation(
            RingLight(RingMode.FLASHING, RingColour.BLUE), LampColour.AMBER, (Tone(_LOW_HZ, 250),), "retry"
        ),
        Signal.GO_TO_A_PERSON: Presentation(
            RingLight(RingMode.STEADY, RingColour.PURPLE),
            LampColour.AMBER,
            (Tone(_MID_HZ, 150, 100), Tone(_MID_HZ, 150)),
            "helper",
        ),
        Signal.DEVICE_FAULT: Presentation(
            RingLight(RingMode.STEADY, RingColour.RED),
            LampColour.RED,
            (Tone(_LOW_HZ, 100, 80), Tone(_LOW_HZ, 100, 80), Tone(_LOW_HZ, 100)),
            "wrench",
        ),
    }
)
