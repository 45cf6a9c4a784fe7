"""`aidpost first-boot`: from a fresh card to an appliance of its site, told step by step."""

from __future__ import annotations

import asyncio
import signal
import tomllib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from firmware import log
from firmware.clock import Clock
from firmware.commands.common import ask_pin, clear_errors
from firmware.config import ConfigError
from firmware.first_boot.boot import FirstBoot, Means
from firmware.first_boot.front import Front
from firmware.first_boot.places import Places
from firmware.first_boot.supervising import Supervising
from firmware.first_boot.trying import Trying
from firmware.host import Ending, Host
from firmware.updating.opening import host_here
from trust.service_manager import ServiceManager
from trust.stop_signals import stop_signals
from trust.toml_text import Tables


@click.command("first-boot")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The appliance's TOML file, which is written.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The appliance's data folder.",
)
@click.option(
    "--network",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder for network.toml, of which the image makes its network's files.",
)
@click.option(
    "--base",
    "base_path",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="What the image knows of the machine, in the tables of the appliance's file: its [camera] looks for "
    "a code, its [board] shows signals, its [page] says where the steps are told.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def first_boot(
    config_path: Path,
    data: Path,
    network: Path,
    base_path: Path | None,
    log_level: str,
) -> None:
    """Become an appliance of a site: take a claim, join, take up settings, test the parts.

    The claim comes from the file aidpost-claim.toml in the data folder, where the image puts it and which is
    erased once it was used, or from a code that is shown to the camera. Each step is told on the page and by
    the lamp. It ends once the appliance is ready, at once where it was before; after a power cut the same
    command goes on.
    """
    log.configure(log_level)
    with clear_errors():
        places = Places(config_path, data, network, _base(base_path))
        try:
            if not places.over():
                asyncio.run(_run(places))
        except asyncio.CancelledError as stopped:
            raise click.exceptions.Exit(128 + signal.SIGTERM) from stopped
        except OSError as error:
            raise click.ClickException(f"{error.filename or 'a file'}: {error.strerror}") from error


async def _run(places: Places) -> None:
    task = asyncio.current_task()
    if task is None:
        raise AssertionError("it is run as a task")
    async with AsyncExitStack() as stack:
        stack.enter_context(stop_signals(task.cancel))
        front = await stack.enter_async_context(Front(places.base))
        clock = Clock()

        def host(start_anew: Callable[[Ending], None]) -> Host:
            return replace(host_here(start_anew, places.data), quiet_s=0.0)  # nobody is served yet

        trying = Trying(host, front.use)
        supervising = Supervising(clock, asks=True, certificate=lambda: front.certificate)
        means = Means(supervising, trying, ask_pin, front.codes, front.release, clock)
        boot = FirstBoot(places, means)
        await front.show(boot)
        manager = ServiceManager()
        watching = asyncio.create_task(manager.watch(partial(asyncio.sleep, 0)), name="watchdog")
        manager.ready()
        try:
            await boot.run()
        finally:
            watching.cancel()


def _base(path: Path | None) -> Tables:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
