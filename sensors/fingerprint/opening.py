"""Opening a ZhianTec sensor: claim the port, find the baud rate, then negotiate a faster one."""

from __future__ import annotations

import errno
import termios
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

import serial

from sensors.errors import (
    SensorMisconfigured,
    SensorProtocolError,
    SensorRefused,
    SensorTimeout,
    SensorUnavailable,
)
from sensors.fingerprint.library import SensorLibrary
from sensors.fingerprint.models import DEFAULT_BAUD, find_model
from sensors.fingerprint.protocol import BAUD_STEP, Parameter
from sensors.fingerprint.uart import CheckedUart
from sensors.fingerprint.zhiantec import ZhianTecReader

FAST_BAUD: Final = 115_200
"""The family's highest rate: an image of 192×192 takes 1.7 s, at 57,600 baud 3.5 s."""
LIKELY_BAUDS: Final = (57_600, 115_200, 9_600, 19_200, 38_400)
WANTED_PACKET_BYTES: Final = 128
"""Smaller packets are raised to this; 256 would win 4 % more and is left to sensors that come with it."""
_PROBE_ROUNDS = 2  # bytes at a wrong rate can leave half a frame in the sensor, which eats the next command
_TRIES_AT_A_HEARD_RATE = 2  # a late answer to an earlier program spoils the first try at most


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """How a reader is connected; `baud` is where the search for its rate starts."""

    model: str
    port: str
    baud: int = DEFAULT_BAUD
    password: int = field(default=0, repr=False)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for an answer: `probe_s` at a rate that may be wrong, `reply_s` afterwards."""

    probe_s: float = 0.4
    reply_s: float = 2.0  # capture and extraction take up to 0.5 s, a flash write less


DEFAULT_TIMING: Final = Timing()


def open_reader(
    settings: ReaderSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    timing: Timing = DEFAULT_TIMING,
) -> ZhianTecReader:
    """Open the reader that `settings` name; raises a `SensorError` that says what to do.

    A sensor found at another rate or with small packets is set to 115,200 baud and 128 bytes, and keeps that.
    """
    model = find_model(settings.model)
    with ExitStack() as undo:
        uart = CheckedUart(_claim_port(settings, timing), settings.port, clock=clock)
        undo.callback(uart.close)
        library, found_baud = _find(uart, settings)
        uart.set_timeout(timing.reply_s)
        baud = _speed_up(uart, library, found_baud)
        _enlarge_packets(library)
        reader = ZhianTecReader(library, model, settings.port, baud, clock=clock, sleep=sleep)
        undo.pop_all()
        return reader


def _claim_port(settings: ReaderSettings, timing: Timing) -> serial.Serial:
    port = settings.port
    try:
        return serial.Serial(
            port, settings.baud, timeout=timing.probe_s, write_timeout=timing.reply_s, exclusive=True
        )
    except ValueError as error:
        raise SensorMisconfigured(f"{settings.baud} baud is not possible on {port}: set 57600") from error
    except (OSError, termios.error) as error:
        # pyserial lets termios.error through where an adapter goes away while it is opened.
        code = error.errno if isinstance(error, OSError) else errno.ENODEV
        raise SensorUnavailable(_why_not_opened(port, code)) from error


def _why_not_opened(port: str, code: int | None) -> str:
    match code:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"there is no port {port}: plug the fingerprint reader in, or set the port it has"
        case errno.EACCES | errno.EPERM:
            return f"no permission to open {port}: add this user to the group that owns it"
        case errno.EBUSY | errno.EAGAIN:
            return f"{port} is in use by another program: stop that program"
        case _:
            return f"{port} cannot be opened as a serial port: set the port of the fingerprint reader"


def _find(uart: CheckedUart, settings: ReaderSettings) -> tuple[SensorLibrary, int]:
    damaged: SensorProtocolError | None = None
    for baud in tuple(dict.fromkeys((settings.baud, *LIKELY_BAUDS))) * _PROBE_ROUNDS:
        for _ in range(_TRIES_AT_A_HEARD_RATE):
            uart.set_baud(baud)
            uart.drain()
            try:
                return SensorLibrary(uart, settings.password), baud
            except SensorTimeout:
                break
            except SensorProtocolError as error:
                damaged = error
    if damaged is not None:
        raise damaged
    raise SensorTimeout(
        f"no fingerprint reader answers on {settings.port} at any rate; check its power, and that TX and RX "
        "are crossed"
    )


def _speed_up(uart: CheckedUart, library: SensorLibrary, baud: int) -> int:
    if baud == FAST_BAUD:
        return baud
    try:
        library.set_parameter(Parameter.BAUD, FAST_BAUD // BAUD_STEP)
    except SensorRefused:
        return baud
    except (SensorTimeout, SensorProtocolError):
        # Some sensors answer at the new rate already, so the answer is lost: which one holds is asked next.
        pass
    for candidate in (FAST_BAUD, baud):
        # set_sysparam changes the sensor's end alone.
        uart.set_baud(candidate)
        uart.drain()
        try:
            library.read_parameters()
        except (SensorTimeout, SensorProtocolError):
            continue
        return candidate
    raise SensorTimeout(
        "the fingerprint reader fell silent while its baud rate was changed; cut its power once"
    )


def _enlarge_packets(library: SensorLibrary) -> None:
    if library.packet_bytes >= WANTED_PACKET_BYTES:
        return
    library.set_parameter(Parameter.PACKET_SIZE, (WANTED_PACKET_BYTES // 32).bit_length() - 1)
