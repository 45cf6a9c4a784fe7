"""The door before the page: how many connections one address and all strangers may have, and for how long.

uvicorn bounds neither the time of a handshake or a request nor what one address takes: 48 silent connections
of one device kept every tablet out. Here who is silent is dropped, and where room is short the oldest
connection of whoever has most makes it. One over which somebody signed in spoke is never dropped for room.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from trust.tls.refusals import Refusals

MOST_OF_ONE = 12
"""Of one address without a sign-in: a browser opens 6 to a host, and may show the bystanders' screen too."""
MOST_ANONYMOUS = 48
MOST_SIGNED_IN = 64
"""With more, further ones count as strangers; a lane has few tablets, with 2 to 6 connections each."""
REQUEST_S = 10.0
"""For the handshake, and again for each request with its form; also on a poor Wi-Fi that is long."""
OUT_OF_FILES_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What strangers may have; request_s: seconds for a handshake, and for a request."""

    most_of_one: int = MOST_OF_ONE
    most_anonymous: int = MOST_ANONYMOUS
    most_signed_in: int = MOST_SIGNED_IN
    request_s: float = REQUEST_S


@dataclass(slots=True, eq=False)
class Visit:
    """One connection. drop: ends it at once. gone: is called when it has ended."""

    client: tuple[str, int]
    gone: Callable[[], None]
    request_s: float
    drop: Callable[[], object] = lambda: None
    signed_in: bool = False


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol, which drops who does not finish a request in time."""

    def __init__(self, visit: Visit, config: Config, state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config=config, server_state=state, app_state=app_state)
        self._visit = visit
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The time for the first request begins."""
        self._visit.drop = cast("asyncio.Transport", transport).abort  # uvloop's has it, and not its class
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """A part of a request begins its time, the whole one ends it."""
        super().data_received(data)
        if self._answers:
            self._expect_nothing()
        elif self._timer is None:
            self._expect_request()

    def on_response_complete(self) -> None:
        """The time for the next request begins; a part of it may be here already."""
        super().on_response_complete()
        if not self._answers and self._timer is None and not self.transport.is_closing():
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The visit is over."""
        self._expect_nothing()
        super().connection_lost(exc)
        self._visit.gone()

    @property
    def _answers(self) -> bool:
        """Whether a whole request came in and is being answered."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _expect_request(self) -> None:
        self._timer = self.loop.call_later(self._visit.request_s, self._too_late)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        sends_a_list = self.cycle is not None and not self.cycle.response_complete and self._visit.signed_in
        if not self._answers and not sends_a_list:
            self._visit.drop()


MakeProtocol: TypeAlias = Callable[[Visit], GuardedProtocol]


class Door:
    """Accepts connections and hands them to uvicorn's protocol; tls: None for loopback."""

    def __init__(self, tls: ssl.SSLContext | None, refusals: Refusals, limits: DoorLimits) -> None:
        self._tls = tls
        self._refusals = refusals
        self._limits = limits
        self._visits: dict[tuple[str, int], Visit] = {}
        self._greeted: set[asyncio.Task[None]] = set()

    def signed_in(self, client: tuple[str, int]) -> None:
        """Somebody signed in speaks over this connection: it is not dropped for room."""
        visit = self._visits.get(client)
        kept = sum(each.signed_in for each in self._visits.values())
        if visit is not None and kept < self._limits.most_signed_in:
            visit.signed_in = True

    async def accept(self, listening: socket.socket, protocol: MakeProtocol) -> None:
        """Accept until cancelled. protocol: makes one for a connection."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:  # out of file descriptors, or a peer that has gone already
                self._refusals.note("everybody", f"cannot accept: {error.strerror}")
                await asyncio.sleep(OUT_OF_FILES_PAUSE_S)
                continue
            # asyncio does so for sockets of its own alone; without it an answer in two parts took 44 ms.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = (str(address[0]), int(address[1]))
            self._make_room(client[0])
            visit = Visit(client, partial(self._forget, client), self._limits.request_s)
            task = asyncio.create_task(self._greet(accepted, visit, protocol))
            visit.drop = task.cancel
            self._visits[client] = visit
            self._greeted.add(task)
            task.add_done_callback(self._greeted.discard)

    def stop(self) -> None:
        """Drop who is in a handshake; what was handed over is uvicorn's to end."""
        for task in self._greeted:
            task.cancel()

    def _make_room(self, address: str) -> None:
        strangers = [visit for visit in self._visits.values() if not visit.signed_in]
        held = Counter(visit.client[0] for visit in strangers)
        if held[address] >= self._limits.most_of_one:
            crowded, why = address, "too many connections of one address"
        elif len(strangers) >= self._limits.most_anonymous:
            crowded, why = held.most_common(1)[0][0], "too many connections without a sign-in"
        else:
            return
        oldest = next(visit for visit in strangers if visit.client[0] == crowded)
        self._refusals.note(crowded, f"{why}: the oldest are dropped")
        self._forget(oldest.client)
        oldest.drop()

    def _forget(self, client: tuple[str, int]) -> None:
        self._visits.pop(client, None)

    async def _greet(self, accepted: socket.socket, visit: Visit, protocol: MakeProtocol) -> None:
        timeout_s = None if self._tls is None else self._limits.request_s
        handed_over = False
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol(visit), accepted, ssl=self._tls, ssl_handshake_timeout=timeout_s
            )
            handed_over = True
        except OSError as error:  # ssl.SSLError, a reset, a time-out
            self._refusals.note(visit.client[0], f"no TLS 1.3: {type(error).__name__}")
        finally:
            if not handed_over:
                accepted.close()
                visit.gone()
