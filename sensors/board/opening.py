"""Opens the board that the settings name."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any, assert_never

from gpiozero import GPIOZeroError

from sensors.board.console import ConsoleBoard
from sensors.board.gpio import GpioBoard
from sensors.board.port import Board
from sensors.board.settings import BoardSettings, PinFactoryName
from sensors.errors import SensorMisconfigured, SensorUnavailable


def open_board(settings: BoardSettings, *, with_keys: bool = True) -> Board:
    """Open the board, or raise a `SensorError` that says what to do.

    with_keys: whether a board on the console may read its keys; False where a command asks there itself.
    """
    match settings.driver:
        case "gpio":
            return GpioBoard(settings.pins, _pin_factory(settings.pin_factory))
        case "console":
            return ConsoleBoard(sys.stdout, sys.stdin if with_keys else None)
        case _:
            assert_never(settings.driver)


def _pin_factory(name: PinFactoryName) -> Any:
    match name:
        case "lgpio":
            return _lgpio_factory()
        case "native":
            raise SensorMisconfigured(
                "gpiozero's native pin factory has no PWM, so it has neither amber nor tones: "
                'set pin_factory = "lgpio" for the board'
            )
        case _:
            assert_never(name)


def _lgpio_factory() -> Any:
    # When imported, lgpio makes a named pipe in the working folder, or in LG_WD (lg issue 12). A service's
    # working folder is read-only.
    os.environ.setdefault("LG_WD", tempfile.gettempdir())
    try:
        import lgpio
        from gpiozero.pins.lgpio import LGPIOFactory
    except (ImportError, OSError) as error:
        raise SensorUnavailable(
            f"lgpio cannot be imported ({error}): `pip install 'aidpost[pi]'`, or install python3-lgpio and "
            'make the environment with --system-site-packages; without a board, set driver = "console"'
        ) from error
    try:
        return LGPIOFactory()
    except (GPIOZeroError, OSError, lgpio.error) as error:
        raise SensorUnavailable(
            f"the pins cannot be opened ({error}): run on a Raspberry Pi, with this user in the group gpio; "
            'without a board, set driver = "console"'
        ) from error
