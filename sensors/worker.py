"""One thread owns one device; the event loop awaits it. A device that goes away is opened anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, unique
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, Protocol, TypeVar

from sensors.errors import SensorError, SensorUnavailable
from sensors.frames import ColourFrame, FingerFrame


class Closable(Protocol):
    """What every device has."""

    def close(self) -> None:
        """Free the device. May be called twice, and never raises."""


D = TypeVar("D", bound=Closable)
T = TypeVar("T")


@unique
class DeviceState(Enum):
    """What the worker knows of its device."""

    STOPPED = "stopped"
    OPENING = "opening"
    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds to wait before a lost device is opened anew, doubled with each try up to `longest_s`."""

    first_s: float = 0.5
    longest_s: float = 10.0

    def before_try(self, tries: int) -> float:
        """Return the wait when so many tries have failed since the loss."""
        return min(self.first_s * float(2 ** min(tries, 32)), self.longest_s)


DEFAULT_BACK_OFF: Final = BackOff()


class DeviceWorker(Generic[D]):
    """Owns one device in one thread.

    open_device: runs in that thread; raises `SensorError` when there is no device.
    on_change: called in the loop with (False, error) once when the device is lost, or missing at the start,
    and with (True, None) once when it is back.
    wait: waits between two openings, in seconds; tests hand in their own.
    """

    def __init__(
        self,
        name: str,
        open_device: Callable[[], D],
        on_change: Callable[[bool, SensorError | None], None],
        *,
        back_off: BackOff = DEFAULT_BACK_OFF,
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._name = name
        self._open_device = open_device
        self._on_change = on_change
        self._back_off = back_off
        self._wait = wait
        self._device: D | None = None  # touched by the device's thread alone
        self._state = DeviceState.STOPPED
        self._error: SensorError | None = None
        self._tried_once = asyncio.Event()
        self._lost = asyncio.Event()
        self._thread: _DeviceThread | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def state(self) -> DeviceState:
        """What is known of the device."""
        return self._state

    @property
    def error(self) -> SensorError | None:
        """Why the device is not available; None when it is."""
        return self._error

    def begin(self) -> None:
        """Start the thread, which opens the device, and again whenever it was lost.

        A missing device is no error here: it is reported through `on_change`.
        """
        self._thread = _DeviceThread(self._name)
        self._state = DeviceState.OPENING
        self._supervisor = asyncio.create_task(self._supervise(self._thread), name=f"{self._name} supervisor")

    async def tried(self) -> None:
        """Wait until the device was opened or could not be for the first time; not at all before `begin`."""
        if self._supervisor is None:
            return
        if not self._tried_once.is_set():
            opened_or_not = asyncio.create_task(self._tried_once.wait())
            try:
                await asyncio.wait({opened_or_not, self._supervisor}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                opened_or_not.cancel()
        self._raise_bug()

    async def start(self) -> None:
        """Begin, and wait until it was tried."""
        self.begin()
        await self.tried()

    async def call(self, action: Callable[[D], T]) -> T:
        """Run `action` on the device in its thread and return what it returns.

        A cancelled call still runs to its end before the next begins. Raises `SensorUnavailable` at once
        while the device is away; a `SensorError` raised by `action` closes the device and has it opened anew.
        A frame that nobody waits for any more is wiped.
        """
        self._raise_bug()
        if self._state is not DeviceState.AVAILABLE or self._thread is None:
            raise self._unavailable()
        loop = asyncio.get_running_loop()

        def run() -> T:
            if self._device is None:
                raise _LostMeanwhileError
            try:
                return action(self._device)
            except SensorError as error:
                self._close_device()
                loop.call_soon_threadsafe(self._note_loss, error)
                raise

        result = self._thread.submit(run)
        try:
            return await asyncio.wrap_future(result)
        except _LostMeanwhileError:
            raise self._unavailable() from None
        except asyncio.CancelledError:
            result.add_done_callback(_wipe_frame)
            raise

    async def stop(self, timeout_s: float = 5.0) -> bool:
        """Close the device and end the thread; tell whether that was done within `timeout_s`.

        A thread that is stuck in its device is left behind: it is a daemon and does not keep the process.
        """
        self._state = DeviceState.STOPPED
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        closing = asyncio.wrap_future(thread.submit(self._close_device))
        thread.end()
        done, _ = await asyncio.wait({closing}, timeout=timeout_s)
        return bool(done)

    async def _supervise(self, thread: _DeviceThread) -> None:
        tries = 0
        while True:
            try:
                await asyncio.wrap_future(thread.submit(self._open))
            except SensorError as error:
                self._note_loss(error)
            else:
                self._note_opened()
                tries = 0
            self._tried_once.set()
            await self._lost.wait()
            await self._wait(self._back_off.before_try(tries))
            tries += 1

    def _open(self) -> None:
        self._device = self._open_device()

    def _close_device(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _note_opened(self) -> None:
        was, self._state = self._state, DeviceState.AVAILABLE
        self._error = None
        self._lost.clear()
        if was is DeviceState.UNAVAILABLE:
            self._on_change(True, None)

    def _note_loss(self, error: SensorError) -> None:
        if self._state is DeviceState.STOPPED:
            return
        was, self._state = self._state, DeviceState.UNAVAILABLE
        # A copy: the original's traceback keeps the frames of the call alive, and with them an image.
        self._error = type(error)(*error.args)
        self._lost.set()
        if was is not DeviceState.UNAVAILABLE:
            self._on_change(False, error)

    def _unavailable(self) -> SensorUnavailable:
        is_opening = self._state is DeviceState.OPENING
        why = self._error or ("it is being opened" if is_opening else "it has not been started")
        return SensorUnavailable(f"{self._name} is not available: {why}")

    def _raise_bug(self) -> None:
        # The supervisor ends by itself only through an error that no driver should raise.
        if self._supervisor is not None and self._supervisor.done() and not self._supervisor.cancelled():
            self._supervisor.result()


def _wipe_frame(result: Future[Any]) -> None:
    if result.cancelled() or result.exception() is not None:
        return
    if isinstance(frame := result.result(), FingerFrame | ColourFrame):
        frame.wipe()


class _LostMeanwhileError(Exception):
    """The device was lost by a call that ran just before."""


class _DeviceThread:
    """A daemon thread that runs one job after another."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Queue `job`; a future cancelled before its turn is skipped."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - it is raised again where the future is awaited
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(run)
        return future

    def end(self) -> None:
        """Let the thread end after the jobs queued so far."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
