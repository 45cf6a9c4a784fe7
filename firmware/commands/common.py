"""What the commands share: the configuration option, running an appliance, and faults as clear sentences."""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from getpass import GetPassWarning
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from firmware.appliance import Appliance
from firmware.commands.output_files import try_file
from firmware.config import IDENTIFIER, Config, ConfigError
from firmware.config_file import load
from firmware.desk import DeskError
from firmware.opening import Hardware, open_keys
from firmware.policy import PolicyRefused
from firmware.session.machine import Show
from firmware.store.errors import StoreError
from firmware.uplink.errors import UplinkError
from inference.errors import InferenceError
from inference.types import FingerPosition
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.board.table import REASON_SYMBOLS
from sensors.errors import SensorError
from trust.keys.errors import GuardError, PinRefused
from trust.keys.guard import KeyGuard
from trust.tls.address import AddressInUse

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

_WIDTH_OF_A_FILE = 160
NOT_SETTLED = 3
"""Exit status when a person has to be served by a person: no fault, and no match."""

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The appliance's TOML file.",
)


class OutputFile(click.Path):
    """A new file to write at the end of long work; one that cannot be made is refused at the start."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or fail with what to do."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = path.absolute().parent
        if not folder.is_dir():
            self.fail(f"there is no folder {folder}: make it first", param, ctx)
        try_file(path)
        return path


class FiniteRange(click.FloatRange):
    """A range of numbers; `nan`, which compares with nothing, is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail where it is none or out of the range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number that can be worked with", param, ctx)
        return number


class IdentifierType(click.ParamType[str]):
    """A short name as the configuration has them, of whatever `name` says."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with what it may hold."""
        if not re.fullmatch(IDENTIFIER, value):
            self.fail(
                f"{value!r} is no name of a {self.name}: letters, digits and . _ -, 63 at most", param, ctx
            )
        return value


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn the typed faults of all parts into one sentence and exit status 1."""
    try:
        yield
    except (
        ConfigError,
        PolicyRefused,
        GuardError,
        StoreError,
        SensorError,
        InferenceError,
        UplinkError,
        DeskError,
        AddressInUse,
    ) as error:
        raise click.ClickException(str(error)) from error


def read_config(path: Path) -> Config:
    """Load the configuration; a fault is a sentence."""
    with clear_errors():
        return load(path)


def with_appliance(config: Config, work: Callable[[Appliance], Awaitable[T]]) -> T:
    """Start the appliance, wait for its parts, do `work`, stop it."""

    async def main(guard: KeyGuard) -> T:
        hardware = Hardware.of(config, console_keys=False)
        async with Appliance(config, hardware, guard=guard) as appliance:
            return await work(appliance)

    with clear_errors(), open_keys(config, ask_pin) as guard:
        return asyncio.run(main(guard))


def ask_pin(prompt: str) -> bytearray:
    """Ask on the console, without showing what is typed. Raises PinRefused when nobody answers.

    SIGTERM ends the process at once, and leaves the terminal showing again what is typed.
    """
    try:
        with _ended_by_sigterm(), warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)  # no terminal: it would show a PIN, or read a file
            answer: str = click.prompt(prompt, hide_input=True, err=True)
    except (click.Abort, GetPassWarning) as error:
        raise PinRefused("no PIN was entered: start from a console") from error
    return bytearray(answer, "utf-8")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def signal_line(effect: Show) -> str:
    """Say in one line what the appliance shows."""
    parts = [f"[{PRESENTATIONS[effect.signal].pictogram}]", effect.signal.value]
    if effect.presentation is not None and effect.presentation.position is not FingerPosition.UNKNOWN:
        parts.append(f"({effect.presentation.position.name.replace('_', ' ').lower()})")
    if effect.reason is not None:
        parts.append(f"- {REASON_SYMBOLS[effect.reason]} {effect.reason.value}")
    if effect.tries_left is not None:
        parts.append(f"- tries left: {effect.tries_left}")
    if effect.wait_s is not None:
        parts.append(f"- next try in {math.ceil(effect.wait_s)} s")
    return " ".join(parts)


def echo_signals(effect: Show) -> None:
    """Print each signal as it is shown."""
    if effect.signal is not Signal.IDLE:
        click.echo(signal_line(effect))


def report_console() -> Console:
    """Return where tables go; a file or a pipe has no width, and 80 columns would break every cell."""
    from rich.console import Console  # 0.2 s, which `run` does without

    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)
