"""What people see of the first boot, and what sees their code: page, console, lamp, buttons, camera."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Self, TypeVar

import click
import msgspec
import structlog

from firmware.appliance import Appliance
from firmware.beside import Beside
from firmware.cards.claim_code import CLAIM_PREFIX
from firmware.cards.scanner import CameraScanner
from firmware.cards.wifi_code import WIFI_PREFIXES
from firmware.config import Board as BoardTable
from firmware.config import Camera as CameraTable
from firmware.config import ConfigError
from firmware.config import Console as ConsoleTable
from firmware.config import Page as PageTable
from firmware.config_file import decode_path
from firmware.console.addresses import reached_at
from firmware.console.display import open_display
from firmware.first_boot.on_console import FirstBootConsole, ForTablets
from firmware.first_boot.ports import Boot
from firmware.first_boot.tablets import TabletPage
from firmware.first_boot.terms import Situation
from firmware.first_boot.words import screen_of, signal_of
from firmware.page.first_boot import FirstBootPage
from firmware.presenter import Presenter
from firmware.session.machine import Show
from sensors.board.opening import open_board
from sensors.board.port import Board, BoardEvent, Button
from sensors.camera.opening import open_camera
from sensors.camera.port import Camera
from sensors.errors import SensorError
from sensors.worker import DeviceWorker
from trust.tls.contexts import Shown
from trust.toml_text import Tables

T = TypeVar("T")
log = structlog.get_logger()
CODE_PIXELS = 1280, 960
"""A code of 53 modules is found in a quarter of the picture's width."""


class Front:
    """An async context manager.

    base: its [camera], [board], [console] and [page] are used until the appliance runs.
    """

    def __init__(self, base: Tables) -> None:
        self._camera = _table(base, "camera", CameraTable)
        self._board_table = _table(base, "board", BoardTable)
        page = _table(base, "page", PageTable) or PageTable()
        self._address = page.touch_address()
        self._console_table = _table(base, "console", ConsoleTable)
        self._stack = AsyncExitStack()
        self._hardware = AsyncExitStack()
        self._worker: DeviceWorker[Camera] | None = None
        self._presenter: Presenter | None = None
        self._page: FirstBootPage | None = None
        self._console: FirstBootConsole | None = None
        self._tablets: TabletPage | None = None
        self._beside = Beside(self._stack)
        self._boot: Boot | None = None
        self._loop = asyncio.get_running_loop()
        self.codes: CameraScanner | None = None

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._hardware)
        if self._camera is not None:
            width, height = CODE_PIXELS
            table = msgspec.structs.replace(self._camera, width=width, height=height)
            worker = DeviceWorker("camera", lambda: open_camera(table.settings(), table.socket), _told)
            self._hardware.push_async_callback(worker.stop)
            self._worker = worker
            worker.begin()  # nobody waits for it: it may take seconds, and a claim can come as a file
            self.codes = CameraScanner(worker, asyncio.to_thread, prefix=(CLAIM_PREFIX, *WIFI_PREFIXES))
        self._use_board()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    def _use_board(self) -> None:
        if self._board_table is None:
            return
        try:
            board: Board = open_board(self._board_table.settings())
        except SensorError as error:
            log.warning("part lost", part="board", kind=type(error).__name__, reason=str(error))
            return
        self._hardware.callback(board.close)
        self._presenter = Presenter(board, None)
        board.listen(self._pressed)

    async def show(self, boot: Boot) -> None:
        """Show each step from now on. Raises AddressInUse."""
        if self._address is not None:
            self._page = page = FirstBootPage(boot, time.monotonic)
            click.echo(f"The page of the first boot: {await page.start(self._address)}")
            self._stack.push_async_callback(page.stop)
        display = None if self._console_table is None else open_display(self._console_table.device)
        if display is not None:
            self._stack.callback(display.close)
            # Without a screen nobody could learn the number that lets a tablet in.
            self._tablets = TabletPage(boot, time.monotonic)
            self._stack.push_async_callback(self._tablets.stop)
            self._console = FirstBootConsole(boot, display, self._is_looked_at, self._for_tablets)
            self._beside.run("console", self._console.keep())
        self._boot = boot
        self._tell()
        self._stack.callback(boot.subscribe(self._tell))

    def _tell(self) -> None:
        if self._boot is None:
            return
        screen = screen_of(self._boot.situation)
        log.info("first boot", screen=screen.name, said=screen.title.message)
        if self._presenter is not None:
            self._presenter.show(Show(signal_of(self._boot.situation)))
        if self._tablets is not None:
            self._beside.soon(self._serve_tablets(self._tablets, self._boot.situation))
        if self._console is not None:
            self._console.tell()

    async def _serve_tablets(self, tablets: TabletPage, situation: Situation) -> None:
        await tablets.follow(situation)
        if self._console is not None:
            self._console.tell()

    def _for_tablets(self) -> ForTablets | None:
        tablets = self._tablets
        if tablets is None or tablets.address is None:
            return None
        return ForTablets(reached_at(tablets.address), tablets.number, tablets.fingerprint)

    @property
    def certificate(self) -> Shown | None:
        """What tablets see, None where none is served."""
        return None if self._tablets is None else self._tablets.certificate

    def _is_looked_at(self) -> bool:
        return self._page is not None and self._page.is_looked_at

    async def release(self) -> None:
        """Free camera and board, which the appliance is about to take.

        Not while the camera is being opened: the appliance would find it busy.
        """
        if self._worker is not None:
            await self._worker.tried()
        self._presenter, self.codes = None, None
        await self._hardware.aclose()

    def use(self, appliance: Appliance) -> None:
        """Show on the appliance's own board, and hear its buttons."""
        self._presenter = appliance.presenter
        appliance.listen(self._pressed)
        self._tell()

    def _pressed(self, event: BoardEvent) -> None:
        """Called in a thread of the board's."""
        if isinstance(event, Button):
            self._loop.call_soon_threadsafe(self._press, event)

    def _press(self, button: Button) -> None:
        if self._page is not None:
            self._page.press(button)
        if self._console is not None:
            self._console.press(button)


def _table(base: Tables, name: str, kind: type[T]) -> T | None:
    if name not in base:
        return None
    try:
        return msgspec.convert(base[name], kind, strict=True, dec_hook=decode_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--base: [{name}]: {error}") from error


def _told(available: bool, error: SensorError | None) -> None:
    log.info("camera", available=available, reason="" if error is None else str(error))
