"""`aidpost run`: serve people until stopped, on the operator page or by the buttons of the board."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import structlog

from firmware import log
from firmware.appliance import Appliance
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config, signal_line
from firmware.commands.console import ConsoleScreens
from firmware.config import Config
from firmware.console.serving import told_on_console
from firmware.diagnostics.log_tail import LogTail
from firmware.host import Ending
from firmware.lane import Lane
from firmware.opening import Hardware, open_keys
from firmware.session.machine import Show
from firmware.updating.opening import host_here
from sensors.board.signals import Signal
from trust.keys.guard import GuardKind, KeyGuard
from trust.service_manager import ServiceManager
from trust.stop_signals import stop_signals

logger = structlog.get_logger()


@click.command()
@config_option
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def run(config_path: Path, log_level: str) -> None:
    """Serve people: on the operator page with a [page] table, by the buttons of the board, or both.

    AGAIN highlights the next choice, OK takes the highlighted one, HELP calls a person. Without a page the
    screens are lines here; a card is held before the camera, or its number typed with driver = "console".
    """
    config = read_config(config_path)
    if config.board is None and config.page is None:
        raise click.ClickException(
            f"{config_path}: `aidpost run` is driven by the operator page or by buttons: add a [page] table, "
            'or a [board] table (driver = "gpio", or "console" to try it here)'
        )
    tail = log.configure(log_level)
    # Before the event loop: Ctrl-C and SIGTERM end the wait for a PIN at once.
    with clear_errors(), open_keys(config, ask_pin) as guard:
        ending = asyncio.run(_serve(config, guard, tail))
        while ending is not None and guard.kind is GuardKind.PIN:
            # With the keys that are open: nobody may be there to ask for a PIN again.
            ending = asyncio.run(_serve(config, guard, tail))
    if ending is not None:
        # In the same process what was taken before stays taken: 115 MB became 219 with other settings.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- this very command


async def _serve(config: Config, guard: KeyGuard, tail: LogTail) -> Ending | None:
    """Serve people until stopped; returns how to go on, None for not at all."""
    stop = asyncio.Event()
    endings: list[Ending] = []

    def start_anew(ending: Ending) -> None:
        endings.append(ending)
        stop.set()

    def end() -> None:
        endings.clear()
        stop.set()

    with stop_signals(end):
        host = host_here(start_anew, config.device.data)
        hardware = Hardware.of(config)
        async with Appliance(config, hardware, guard=guard, tail=tail, host=host) as appliance:
            appliance.presenter.add_listener(lambda effect: click.echo(signal_line(effect)))
            async with _front(appliance):
                if appliance.notices:
                    appliance.presenter.show(Show(Signal.DEVICE_FAULT))
                appliance.notices.listen(click.echo)
                manager = ServiceManager()
                watching = asyncio.create_task(manager.watch(appliance.alive), name="watchdog")
                manager.ready()
                waits = [asyncio.ensure_future(event.wait()) for event in (stop, appliance.custody.over)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in (*waits, watching):
                    wait.cancel()
                if not endings:
                    manager.stopping()
                logger.info("stopping", then=endings[0].value if endings else "")
                if appliance.custody.over.is_set():
                    appliance.presenter.show(Show(Signal.DEVICE_FAULT))
            appliance.custody.refuse_if_gone()
        return endings[0] if endings else None


@asynccontextmanager
async def _front(appliance: Appliance) -> AsyncIterator[None]:
    """Serve people at the one lane; at the end whoever is served is led to staff."""
    async with Lane(appliance) as lane, told_on_console(appliance, lane.page):
        if lane.page is not None:
            for address in lane.page.addresses.values():
                click.echo(f"The operator page: {address}")
            yield
            return
        click.echo("Nobody signs in here without a [page]: the records name no operator.")
        screens = ConsoleScreens(lane.station, lane.notices, click.echo)
        yield
        screens.stop()
