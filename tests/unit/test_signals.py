"""The signal table: complete, never colour alone, red only for the device itself."""

from itertools import combinations, pairwise
from pathlib import Path

import pytest

from sensors.board.signals import PRESENTATIONS, LampColour, RingColour, RingMode, Signal
from sensors.board.table import REASON_SYMBOLS, SYMBOLS, signal_table_markdown
from sensors.frames import RetryReason

PAGE = Path(__file__).parents[2] / "docs" / "signals.md"


def test_each_signal_has_one_presentation() -> None:
    assert set(PRESENTATIONS) == set(Signal)


def test_any_two_signals_differ_in_shape_and_not_by_colour_alone() -> None:
    for one, other in combinations(Signal, 2):
        assert PRESENTATIONS[one].pictogram != PRESENTATIONS[other].pictogram
    assert set(SYMBOLS) == {presentation.pictogram for presentation in PRESENTATIONS.values()}
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def test_each_reason_to_try_again_has_a_shape_of_its_own() -> None:
    assert set(REASON_SYMBOLS) == set(RetryReason)
    assert len(set(REASON_SYMBOLS.values())) == len(REASON_SYMBOLS)


def test_signals_that_light_the_lamp_differ_in_sound_too() -> None:
    lit = [shown.tones for shown in PRESENTATIONS.values() if shown.lamp is not LampColour.OFF]

    assert all(lit)
    assert len(set(lit)) == len(lit)


def test_red_means_that_the_device_is_at_fault() -> None:
    red = {
        signal
        for signal, shown in PRESENTATIONS.items()
        if shown.lamp is LampColour.RED
        or (shown.ring.mode is not RingMode.OFF and shown.ring.colour is RingColour.RED)
    }

    assert red == {Signal.DEVICE_FAULT}


@pytest.mark.parametrize(
    ("signal", "lamp", "steps"),
    [
        (Signal.DONE, LampColour.GREEN, "up"),
        (Signal.TRY_AGAIN, LampColour.AMBER, ""),
        (Signal.GO_TO_A_PERSON, LampColour.AMBER, "same"),
        (Signal.DEVICE_FAULT, LampColour.RED, "same same"),
    ],
)
def test_lamp_and_tones_are_those_of_the_workflows(signal: Signal, lamp: LampColour, steps: str) -> None:
    shown = PRESENTATIONS[signal]
    hz = [tone.frequency_hz for tone in shown.tones]
    directions = [
        "up" if after > before else "same" if after == before else "down" for before, after in pairwise(hz)
    ]

    assert shown.lamp is lamp
    assert " ".join(directions) == steps


def test_the_documentation_shows_the_table() -> None:
    assert PAGE.read_text() == signal_table_markdown(), "run: python -m sensors.board.table > docs/signals.md"
