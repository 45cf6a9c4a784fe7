"""Which board to open; the configuration file is parsed into this once."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import Literal, TypeAlias, get_args

from sensors.errors import SensorMisconfigured

BoardDriver: TypeAlias = Literal["gpio", "console"]

_HEADER_PINS = range(28)  # BCM numbers on the 40-pin header
_TAKEN = {0: "HAT EEPROM", 1: "HAT EEPROM", 2: "I2C", 3: "I2C", 14: "UART", 15: "UART"}


@dataclass(frozen=True, slots=True)
class BoardPins:
    """BCM numbers. Buttons and tamper switch close to ground; the lamp has a common cathode.

    The buzzer's default is a pin with hardware PWM. The tamper switch is closed while the enclosure is.
    """

    lamp_red: int = 17
    lamp_green: int = 27
    lamp_blue: int = 22
    buzzer: int = 18
    ok: int = 5
    again: int = 6
    help: int = 13
    language: int = 19
    tamper: int = 26

    def __post_init__(self) -> None:
        pins = astuple(self)
        for pin in pins:
            if pin not in _HEADER_PINS or pin in _TAKEN:
                use = _TAKEN.get(pin, "not on the header")
                raise SensorMisconfigured(
                    f"board pin {pin} cannot be used ({use}): choose another BCM number"
                )
            if pins.count(pin) > 1:
                raise SensorMisconfigured(f"board pin {pin} is given twice: give each part its own")


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """Driver, and for ``gpio`` the pins."""

    driver: BoardDriver
    pins: BoardPins = field(default_factory=BoardPins)

    def __post_init__(self) -> None:
        _require("driver", self.driver, get_args(BoardDriver))


def _require(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SensorMisconfigured(f"board {name} = {value!r}: choose one of {', '.join(allowed)}")
