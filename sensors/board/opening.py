"""Opens the board that the settings name."""

from __future__ import annotations

import sys
from typing import Any, assert_never

from sensors.board.console import ConsoleBoard
from sensors.board.gpio import GpioBoard
from sensors.board.port import Board
from sensors.board.settings import BoardSettings
from sensors.errors import SensorUnavailable


def open_board(settings: BoardSettings, *, with_keys: bool = True) -> Board:
    """Open the board, or raise a `SensorError` that says what to do.

    with_keys: whether a board on the console may read its keys; False where a command asks there itself.
    """
    match settings.driver:
        case "gpio":
            return GpioBoard(settings.pins, _pins_of_the_header())
        case "console":
            return ConsoleBoard(sys.stdout, sys.stdin if with_keys else None)
        case _:
            assert_never(settings.driver)


def _pins_of_the_header() -> Any:
    try:
        from sensors.board.gpiod_pins import GpiodFactory, open_header
    except ImportError as error:
        raise SensorUnavailable(
            f"gpiod cannot be imported ({error}): `pip install 'aidpost[pi]'`; without a board, "
            'set driver = "console"'
        ) from error
    try:
        chip = open_header()
    except OSError as error:
        raise SensorUnavailable(
            f"the pins cannot be opened ({error}): let this user have /dev/gpiochip* (group gpio)"
        ) from error
    if chip is None:
        raise SensorUnavailable(
            "this machine has no 40-pin header of a Raspberry Pi (`gpiodetect` lists what it has); "
            'without a board, set driver = "console"'
        )
    return GpiodFactory(chip)
