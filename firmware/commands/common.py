"""What the commands share: the configuration option, running an appliance, and faults as clear sentences."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from firmware import log
from firmware.appliance import Appliance
from firmware.config import Config, ConfigError, load
from firmware.desk import DeskError
from firmware.opening import Hardware
from firmware.session.machine import Show
from firmware.store.errors import StoreError
from firmware.uplink.errors import UplinkError
from inference.errors import InferenceError
from inference.types import FingerPosition
from sensors.board.signals import PRESENTATIONS, Signal
from sensors.board.table import REASON_SYMBOLS
from sensors.errors import SensorError
from trust.keys.errors import GuardError, PinRefused

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
    """A file to write at the end of long work: a folder that is missing or closed is refused at the start."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or fail with what to do."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = path.absolute().parent
        if not folder.is_dir():
            self.fail(f"there is no folder {folder}: make it first", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"no permission to write into {folder}", param, ctx)
        return path


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn the typed faults of all parts into one sentence and exit status 1."""
    try:
        yield
    except (
        ConfigError,
        GuardError,
        StoreError,
        SensorError,
        InferenceError,
        UplinkError,
        DeskError,
    ) as error:
        raise click.ClickException(str(error)) from error


def read_config(path: Path) -> Config:
    """Load the configuration; a fault is a sentence."""
    with clear_errors():
        return load(path)


def with_appliance(config: Config, work: Callable[[Appliance], Awaitable[T]]) -> T:
    """Start the appliance, wait for its parts, do `work`, stop it."""

    async def main() -> T:
        hardware = Hardware.of(config, console_keys=False)
        async with Appliance(config, hardware, ask_pin=ask_pin) as appliance:
            return await work(appliance)

    log.configure("warning")
    with clear_errors():
        return asyncio.run(main())


def ask_pin(prompt: str) -> bytearray:
    """Ask on the console, without showing what is typed. Raises PinRefused when nobody answers."""
    try:
        answer: str = click.prompt(prompt, hide_input=True, err=True)
    except click.Abort as error:
        raise PinRefused("no PIN was entered: start from a console") from error
    return bytearray(answer, "utf-8")


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
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)
