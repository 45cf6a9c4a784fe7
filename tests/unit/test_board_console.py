"""The console board on real pipes."""

import io
import os
import subprocess
import sys
from queue import SimpleQueue

import pytest

from sensors.board.console import ConsoleBoard
from sensors.board.port import BoardEvent, Button, Typed
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.board.table import SYMBOLS
from sensors.errors import SensorUnavailable


@pytest.mark.parametrize("signal", Signal)
def test_a_signal_is_one_line_with_words_and_symbol(signal: Signal) -> None:
    output = io.StringIO()
    board = ConsoleBoard(output, None)
    board.show(signal)
    board.close()

    (line,) = output.getvalue().splitlines()
    assert line.startswith(f"{SYMBOLS[PRESENTATIONS[signal].pictogram]} {signal.value} ")


def test_letters_and_enter_are_the_buttons_and_other_lines_are_typed() -> None:
    keys_r, keys_w = os.pipe()
    events: SimpleQueue[BoardEvent] = SimpleQueue()
    with open(keys_r) as keys, open(keys_w, "wb", buffering=0) as typed:  # noqa: PTH123 - descriptors
        board = ConsoleBoard(io.StringIO(), keys)
        board.listen(events.put)
        for piece in (b"o\nA\nCase-17\n\nh", b"\nl \n"):
            typed.write(piece)

        told = [events.get(timeout=10) for _ in range(5)]
        board.close()

    assert told == [Button.OK, Button.AGAIN, Typed("Case-17"), Button.HELP, Button.LANGUAGE]
    assert events.empty()


def test_closing_ends_the_thread_that_waits_for_a_key() -> None:
    keys_r, keys_w = os.pipe()
    with open(keys_r) as keys, open(keys_w, "wb") as _typed:  # noqa: PTH123 - descriptors
        board = ConsoleBoard(io.StringIO(), keys)
        reader = board.key_reader
        assert reader is not None
        assert reader.is_alive()
        board.close()
        board.close()
        assert not reader.is_alive()

    with pytest.raises(SensorUnavailable, match="open it anew"):
        board.show(Signal.IDLE)


def test_the_settings_open_it_on_the_standard_streams() -> None:
    program = (
        "from sensors.board.opening import open_board\n"
        "from sensors.board.settings import BoardSettings\n"
        "from sensors.board.signals import Signal\n"
        "board = open_board(BoardSettings('console'))\n"
        "board.show(Signal.DONE)\n"
        "board.close()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], input=b"", capture_output=True, timeout=60)

    assert ended.stderr == b""
    assert ended.stdout.decode() == "✓ done [lamp green; 660 Hz 120 ms, 880 Hz 180 ms]\n"
