"""The bus over core NATS: a subject for each device whose stream is here, for each log that is followed here,
and one for all workers.

A message is told once and kept nowhere, which is enough: what it speaks of lies in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeAlias

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from structlog.typing import FilteringBoundLogger

from aggregator.bus.port import Ended, Listener

WAKE = b"wake"
ANSWER_S = 1.0  # a worker answers in a millisecond; NATS nodes that change over lose a message
TRIES = 2
CONNECT_S, RECONNECT_WAIT_S, PING_S = 2, 1, 5
MAX_LINES_BYTES = 256 * 1024  # NATS takes 1 MB in a message
MAX_WAITING = 10_000  # of what has to be said; what comes on top is found by looking
_Heard: TypeAlias = "Callable[[Msg], Coroutine[None, None, None]]"


def subject(fleet: str, device_id: str) -> str:
    """Return a device's subject; a dot in its name would part it."""
    return f"aidpost.{fleet}.device.{device_id.replace('.', '=')}"


class NatsBus:
    """servers: as nats://host:4222, any of one cluster; one that is down is asked again every second.

    fleet: whose workers hear each other, as one word: others on the cluster have devices of the same names.
    """

    def __init__(self, servers: Collection[str], fleet: str, log: FilteringBoundLogger) -> None:
        self._servers = list(servers)
        self._fleet = fleet
        self._all = f"aidpost.{fleet}.all"
        self._log = log
        self._client = Client()
        self._held: dict[str, tuple[int, _Heard]] = {}
        self._subscribed: dict[str, Subscription] = {}
        self._to_say: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_WAITING)
        self._to_hear: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._down = False
        self._stopping = False

    async def start(self, listener: Listener) -> None:
        """Begin to hear others, now or as soon as a server answers."""
        self._listener = listener
        self._tasks = {asyncio.create_task(self._run(), name="bus")}

    async def stop(self) -> None:
        """Say what was not said yet, and hear nobody any more."""
        self._stopping = True
        with suppress(OSError, nats.errors.Error):
            while self._client.is_connected and not self._to_say.empty():
                await self._client.publish(*self._to_say.get_nowait())
        tasks = (*self._tasks, *self._asking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(OSError, nats.errors.Error):
            await self._client.close()

    def holding(self, device_id: str) -> AbstractContextManager[None]:
        """Hear what concerns a device as long as its stream is here."""
        return self._hearing(subject(self._fleet, device_id), self._on_device(device_id))

    def following(self, command_id: bytes) -> AbstractContextManager[None]:
        """Hear the lines that a device tells for a command at another worker."""
        return self._hearing(self._lines(command_id), self._on_lines(command_id))

    @contextmanager
    def _hearing(self, where: str, heard: _Heard) -> Iterator[None]:
        count, heard = self._held.get(where, (0, heard))
        self._held[where] = count + 1, heard
        self._to_hear.put_nowait(where)
        try:
            yield
        finally:
            count, _ = self._held.pop(where)
            if count > 1:
                self._held[where] = count - 1, heard
            self._to_hear.put_nowait(where)

    def tell(self, command_id: bytes, lines: tuple[str, ...] | None) -> None:
        """Pass lines on to whoever follows them at another worker, None at their end."""
        content = msgspec.json.encode(lines)
        if lines is not None and len(lines) > 1 and len(content) > MAX_LINES_BYTES:
            self.tell(command_id, lines[: len(lines) // 2])
            self.tell(command_id, lines[len(lines) // 2 :])
            return
        self._say(self._lines(command_id), content)

    def _lines(self, command_id: bytes) -> str:
        return f"aidpost.{self._fleet}.lines.{command_id.hex()}"

    def wake(self, device_ids: Collection[str]) -> None:
        """Tell whoever holds the streams of these devices to look; for one an answer is awaited."""
        if not self._client.is_connected:
            return
        if len(device_ids) > 1:
            for device_id in device_ids:
                self._say(subject(self._fleet, device_id), WAKE)
            return
        for device_id in device_ids:
            task = asyncio.create_task(self._ask(device_id))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    def wake_all(self) -> None:
        """Tell all workers to look for all devices."""
        self._say(self._all, WAKE)

    def end(self, what: Ended) -> None:
        """Tell whoever holds the stream to end it."""
        self._say(subject(self._fleet, what.device_id), msgspec.json.encode(what))

    def _say(self, where: str, what: bytes) -> None:
        if self._client.is_connected and not self._to_say.full():
            self._to_say.put_nowait((where, what))

    async def _ask(self, device_id: str) -> None:
        """Wake a device's worker, once more where nobody answers: servers that change over lose a message."""
        for _ in range(TRIES):
            try:
                await self._client.request(subject(self._fleet, device_id), WAKE, timeout=ANSWER_S)
            except nats.errors.NoRespondersError:
                return  # it is not connected: what waits for it comes with its hello
            except nats.errors.TimeoutError:
                continue
            except (OSError, nats.errors.Error) as error:
                self._log.debug("bus.not_told", device_id=device_id, kind=type(error).__name__)
                return
            else:
                return

    async def _run(self) -> None:
        """Talk, with a new client where one has closed: it goes on after a loss, but not after a refusal."""
        while True:
            self._client, closed = Client(), asyncio.Event()
            try:
                await self._connect(closed)
                await self._client.subscribe(self._all, cb=self._on_all)
            except (OSError, nats.errors.Error, TimeoutError) as error:
                await self._on_error(error)
            else:
                await self._talk(closed)
            with suppress(OSError, nats.errors.Error):
                await self._client.close()
            await asyncio.sleep(RECONNECT_WAIT_S)

    async def _talk(self, closed: asyncio.Event) -> None:
        """Speak and hear until the client has closed."""
        self._subscribed.clear()
        for where in self._held:
            self._to_hear.put_nowait(where)
        await self._on_back()
        talking = (asyncio.create_task(self._speak()), asyncio.create_task(self._hear()))
        try:
            await closed.wait()
        finally:
            for task in talking:
                task.cancel()

    async def _connect(self, closed: asyncio.Event) -> None:
        async def on_closed() -> None:
            closed.set()

        await self._client.connect(
            self._servers,
            name="aidpost-aggregator",
            no_echo=True,
            connect_timeout=CONNECT_S,
            reconnect_time_wait=RECONNECT_WAIT_S,
            max_reconnect_attempts=-1,
            ping_interval=PING_S,
            max_outstanding_pings=1,
            error_cb=self._on_error,
            disconnected_cb=self._on_lost,
            reconnected_cb=self._on_back,
            closed_cb=on_closed,
        )

    async def _speak(self) -> None:
        while True:
            where, what = await self._to_say.get()
            try:
                await self._client.publish(where, what)
            except (OSError, nats.errors.Error) as error:
                self._log.debug("bus.not_told", subject=where, kind=type(error).__name__)

    async def _hear(self) -> None:
        """Keep the subscriptions as the streams are."""
        while True:
            where = await self._to_hear.get()
            held, subscription = self._held.get(where), self._subscribed.get(where)
            try:
                if held is not None and subscription is None:
                    self._subscribed[where] = await self._client.subscribe(where, cb=held[1])
                elif held is None and subscription is not None:
                    del self._subscribed[where]
                    await subscription.unsubscribe()
            except (OSError, nats.errors.Error) as error:
                self._log.debug("bus.not_heard", subject=where, kind=type(error).__name__)

    def _on_device(self, device_id: str) -> _Heard:
        async def heard(message: Msg) -> None:
            if message.data == WAKE:
                self._listener.woken((device_id,))
                if message.reply:
                    await message.respond(b"")
                return
            try:
                ended = msgspec.json.decode(message.data, type=Ended)
            except msgspec.DecodeError:
                self._log.warning("bus.not_understood", device_id=device_id)
                return
            self._listener.ended(ended)

        return heard

    def _on_lines(self, command_id: bytes) -> _Heard:
        async def heard(message: Msg) -> None:
            try:
                lines = msgspec.json.decode(message.data, type=tuple[str, ...] | None)
            except msgspec.DecodeError:
                self._log.warning("bus.not_understood", command=command_id.hex())
                return
            self._listener.told(command_id, lines)

        return heard

    async def _on_all(self, _message: Msg) -> None:
        self._listener.woken_all()

    async def _on_error(self, error: Exception) -> None:
        if not self._down:
            self._down = True
            self._log.error("bus.lost", kind=type(error).__name__, why=str(error))

    async def _on_lost(self) -> None:
        if not self._down and not self._stopping:
            self._down = True
            self._log.error("bus.lost", kind="Disconnected", why="the connection broke")

    async def _on_back(self) -> None:
        if self._down:
            self._log.info("bus.recovered")
        self._down = False
        self._listener.woken_all()  # what was said meanwhile is lost
