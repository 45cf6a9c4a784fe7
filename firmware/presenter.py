"""Shows each signal everywhere at once: lamp and buzzer, the ring on the reader, and whoever else listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from firmware.session.machine import Show
from sensors.board.port import Board
from sensors.board.signals import PRESENTATIONS, RingLight, Signal
from sensors.errors import SensorError
from sensors.fingerprint.port import FingerprintReader
from sensors.worker import DeviceWorker

log = structlog.get_logger()


class Presenter:
    """board, reader: None where the part is not fitted. Used from the event loop."""

    def __init__(self, board: Board | None, reader: DeviceWorker[FingerprintReader] | None) -> None:
        self._board = board
        self._reader = reader
        self._listeners: list[Callable[[Show], None]] = []
        self._ring = RingLight(PRESENTATIONS[Signal.IDLE].ring.mode)
        self._pending: set[asyncio.Task[None]] = set()

    def add_listener(self, listener: Callable[[Show], None]) -> Callable[[], None]:
        """Call `listener` with each signal from now on; returns what takes it off again."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def show(self, effect: Show) -> None:
        """Show a signal; returns at once."""
        self._show_on_board(effect.signal)
        light = PRESENTATIONS[effect.signal].ring
        if self._reader is not None and light != self._ring:
            self._ring = light
            task = asyncio.ensure_future(self._light(self._reader, light))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
        for listener in tuple(self._listeners):
            listener(effect)

    def _show_on_board(self, signal: Signal) -> None:
        if self._board is None:
            return
        try:
            self._board.show(signal)
        except SensorError as error:
            # Without lamp and buzzer the ring and the screen still guide people.
            log.warning("part lost", part="board", kind=type(error).__name__, reason=str(error))
            self._board = None

    async def settle(self) -> None:
        """Wait until the ring shows the last signal."""
        await asyncio.gather(*self._pending)

    async def _light(self, reader: DeviceWorker[FingerprintReader], light: RingLight) -> None:
        try:
            await reader.call(lambda device: device.show(light))
        except SensorError:
            # The worker reports the loss; a dark ring must not stop a session that may go on with the face.
            self._ring = RingLight(PRESENTATIONS[Signal.IDLE].ring.mode)
