"""The signal table as text: symbols for the console, Markdown for the documentation.

``python -m sensors.board.table`` writes the Markdown to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

from sensors.board.signals import (
    PRESENTATIONS,
    LampColour,
    Presentation,
    RingLight,
    RingMode,
    Signal,
    Tone,
)

# One character for each pictogram of the screen, so that the console differs by shape too.
SYMBOLS: Mapping[str, str] = MappingProxyType(
    {
        "ready": "·",
        "finger": "☝",
        "face": "☺",
        "turn left": "←",
        "turn right": "→",
        "come closer": "⊕",
        "hourglass": "⧗",
        "tick": "✓",
        "retry": "↻",
        "helper": "☏",
        "wrench": "⚒",
    }
)


def describe_lamp(lamp: LampColour) -> str:
    """Return the lamp's colour as a word."""
    return lamp.name.lower()


def describe_ring(ring: RingLight) -> str:
    """Return the ring's colour and mode in words."""
    if ring.mode is RingMode.OFF:
        return "off"
    return f"{ring.colour.name.lower()}, {ring.mode.name.lower()}"


def describe_tones(tones: tuple[Tone, ...]) -> str:
    """Return the notes in the order in which they sound."""
    if not tones:
        return "silent"
    return ", ".join(f"{tone.frequency_hz} Hz {tone.duration_ms} ms" for tone in tones)


def signal_table_markdown() -> str:
    """Return the page docs/signals.md."""
    head = (
        "# Signals\n\n"
        "Each signal is colour, shape and sound together, never colour alone. "
        "Red means that the device is at fault, never that a person is.\n\n"
        "This page is written by `python -m sensors.board.table > docs/signals.md`.\n\n"
        "| Signal | Screen | Lamp | Buzzer | Ring on the reader |\n"
        "|---|---|---|---|---|\n"
    )
    return head + "".join(_row(signal, presentation) for signal, presentation in PRESENTATIONS.items())


def _row(signal: Signal, presentation: Presentation) -> str:
    cells = (
        signal.value,
        f"{SYMBOLS[presentation.pictogram]} {presentation.pictogram}",
        describe_lamp(presentation.lamp),
        describe_tones(presentation.tones),
        describe_ring(presentation.ring),
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(signal_table_markdown())
