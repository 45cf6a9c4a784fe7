"""`aidpost run`: serve people until stopped, by the buttons of the board."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click
import structlog

from firmware import log
from firmware.appliance import Appliance
from firmware.commands.common import ask_pin, clear_errors, config_option, read_config, signal_line
from firmware.config import Config
from firmware.opening import Hardware, open_keys
from firmware.session.check_in import CheckInResult, Suggestion
from firmware.session.machine import Show
from firmware.store.errors import StoreError
from inference.operating_point import STRENGTH_MEANING
from sensors.board.port import BoardEvent, Button, TamperEvent
from sensors.board.signals import Signal
from trust.keys.guard import KeyGuard

logger = structlog.get_logger()


@click.command()
@config_option
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def run(config_path: Path, log_level: str) -> None:
    """Serve people: on the operator page with a [page] table, else by the buttons alone.

    By the buttons: OK begins a check-in and confirms, AGAIN declines, HELP calls a person.
    """
    config = read_config(config_path)
    if config.board is None and config.page is None:
        raise click.ClickException(
            f"{config_path}: `aidpost run` is driven by the operator page or by buttons: add a [page] table, "
            'or a [board] table (driver = "gpio", or "console" to try it here)'
        )
    log.configure(log_level)
    # Before the event loop: Ctrl-C and SIGTERM end the wait for a PIN at once.
    with clear_errors(), open_keys(config, ask_pin) as guard:
        asyncio.run(_serve(config, guard))


async def _serve(config: Config, guard: KeyGuard) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Appliance(config, Hardware.of(config), guard=guard) as appliance:
        appliance.presenter.add_listener(lambda effect: click.echo(signal_line(effect)))
        async with _front(appliance, config):
            for notice in appliance.notices.values():
                click.echo(notice)
                appliance.presenter.show(Show(Signal.DEVICE_FAULT))
            waits = [asyncio.ensure_future(event.wait()) for event in (stop, appliance.custody.over)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            logger.info("stopping")
            if appliance.custody.over.is_set():
                appliance.presenter.show(Show(Signal.DEVICE_FAULT))
        appliance.custody.refuse_if_gone()


@asynccontextmanager
async def _front(appliance: Appliance, config: Config) -> AsyncIterator[None]:
    """Serve people on the page or by the buttons alone; at the end whoever is served is led to staff."""
    if config.page is not None:
        from firmware.lane import Lane  # with the workflows, which buttons alone do without

        async with Lane(appliance, config) as lane:
            for address in lane.page.addresses.values() if lane.page is not None else ():
                click.echo(f"The operator page: {address}")
            yield
        return
    kiosk, loop = Kiosk(appliance), asyncio.get_running_loop()

    def from_board(event: BoardEvent) -> None:
        loop.call_soon_threadsafe(kiosk.on_event, event)

    appliance.listen(from_board)
    appliance.desk.idle()
    yield
    await kiosk.finish()


class Kiosk:
    """Turns buttons into sessions; while staff look at suggestions, OK confirms and AGAIN declines."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance = appliance
        self._session: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[int | None] | None = None

    def on_event(self, event: BoardEvent) -> None:
        """Handle a button or the tamper switch; call it in the event loop."""
        if isinstance(event, TamperEvent):
            logger.warning("enclosure", state=event.value)
            return
        if self._answer is not None and not self._answer.done() and event in (Button.OK, Button.AGAIN):
            self._answer.set_result(0 if event is Button.OK else None)
        elif self._appliance.desk.busy:
            self._appliance.desk.press(event)
        elif event is Button.OK:
            self._session = asyncio.ensure_future(self._serve_one())
            self._session.add_done_callback(_report_bug)

    async def finish(self) -> None:
        """Lead the person who is being served to staff, and end."""
        self._appliance.desk.press(Button.HELP)
        if self._session is not None:
            await asyncio.wait({self._session})

    async def _serve_one(self) -> None:
        try:
            result = await self._appliance.desk.identify(self._ask)
        except StoreError as error:
            logger.error("not recorded", kind=type(error).__name__)  # noqa: TRY400 -- no trace back for a full disk
            click.echo(str(error))
            return
        _log(result)

    async def _ask(self, suggestions: Sequence[Suggestion]) -> int | None:
        """The best suggestion is shown on the operator's console; OK or AGAIN answers."""
        best = suggestions[0]
        meaning = STRENGTH_MEANING[best.strength]
        click.echo(f"Is it {best.subject} ({best.strength.value}: {meaning})?")
        click.echo("OK: yes   AGAIN: no   HELP: a person")
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        finally:
            self._answer = None


def _report_bug(session: asyncio.Task[None]) -> None:
    if not session.cancelled() and (error := session.exception()) is not None:
        logger.error("session failed", exc_info=error)


def _log(result: CheckInResult) -> None:
    record = result.record
    logger.info(
        "check-in",
        seq=result.seq,
        outcome=record.outcome.value,
        confirmed=record.confirmed,
        tries=record.tries,
        stages_ms={stage.stage: round(stage.duration_ns / 1e6, 1) for stage in result.stages},
    )
