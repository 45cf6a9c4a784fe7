"""`aidpost emulate`: virtual devices that a program can open as if they were real."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sensors.emulator.console import ConsoleError, describe_ring, run_console
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.models import MODELS


@click.group()
def emulate() -> None:
    """Run a virtual device to develop and test against."""


@emulate.command()
@click.option(
    "--images",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of fingerprint images near 500 ppi (png, tif, bmp, jpg).",
)
@click.option(
    "--model",
    type=click.Choice(list(MODELS), case_sensitive=False),
    default="R503",
    show_default=True,
    help="Sensor to be.",
)
@click.option(
    "--link",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Path of the serial port to make; without it one is made up and printed.",
)
@click.option("--paced", is_flag=True, help="Send no faster than the baud rate, as a real sensor does.")
def fingerprint(images: Path, model: str, link: Path | None, paced: bool) -> None:
    """Emulate a ZhianTec fingerprint sensor on a pseudo-terminal, commanded from standard input."""
    if link is not None and (link.is_symlink() or link.exists()):
        raise click.UsageError(f"{link} exists already: remove it, or give another path to --link")
    if link is not None and not link.parent.is_dir():
        raise click.UsageError(f"{link.parent} is not a folder: make it, or give another path to --link")
    sensor = VirtualSensor(
        model, link=link, paced=paced, on_ring=lambda light: click.echo(describe_ring(light))
    )
    try:
        with sensor:
            run_console(sensor, images, sys.stdin, click.echo)
    except ConsoleError as error:
        raise click.UsageError(str(error)) from error
