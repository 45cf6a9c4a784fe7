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
from sensors.frames import RetryReason

# One character for each pictogram of the screen, so that the console differs by shape too.
SYMBOLS: Mapping[str, str] = MappingProxyType(
    {
        "ready": "·",
        "card": "▭",
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


REASON_SYMBOLS: Mapping[RetryReason, str] = MappingProxyType(
    {
        RetryReason.NO_FINGER: "☟",
        RetryReason.TOO_DRY: "✧",
        RetryReason.TOO_WET: "☂",
        RetryReason.PRESS_MORE: "⇓",
        RetryReason.MOVE_FINGER: "✥",
        RetryReason.SAME_FINGER: "☝",
        RetryReason.NO_FACE: "◌",
        RetryReason.SEVERAL_FACES: "⚇",
        RetryReason.COME_CLOSER: "⊕",
        RetryReason.FACE_CAMERA: "⌖",
        RetryReason.HOLD_STILL: "❚",
        RetryReason.MORE_LIGHT: "☀",
        RetryReason.LESS_LIGHT: "☼",
        RetryReason.EVEN_LIGHT: "◐",
        RetryReason.SHOW_EYES: "◉",
        RetryReason.SHOW_MOUTH: "⌣",
    }
)
"""One character for each reason that goes with "try again", so that reasons differ by shape too."""


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
    reasons = (
        "\n## Why to try again\n\n"
        'With the signal "try again" the screen shows what the person can change.\n\n'
        "| Screen | Reason |\n"
        "|---|---|\n"
    )
    signals = "".join(_row(signal, presentation) for signal, presentation in PRESENTATIONS.items())
    return (
        head
        + signals
        + reasons
        + "".join(f"| {REASON_SYMBOLS[reason]} | {reason.value} |\n" for reason in RetryReason)
    )


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
