"""Serves a page in the event loop of its program: loopback in the clear, the network over TLS 1.3."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from trust.tls.address import Address, AddressInUse
from trust.tls.refusals import Refusals
from trust.web.door import MOST_ANONYMOUS, Door, DoorLimits, GuardedProtocol, Visit

log = structlog.get_logger()

BACKLOG = 128


class PageServer:
    """One uvicorn server on one socket, behind a door; tls: None for loopback.

    is_signed_in: tells of a request whether somebody signed in sends it, who finds room whoever else comes.
    elsewhere: how to name another address, for the sentence where this one is taken.
    limits: None for those of tablets, and for loopback, where all share one address, without one's own share.
    """

    def __init__(
        self,
        address: Address,
        app: ASGIApp,
        tls: ssl.SSLContext | None = None,
        *,
        is_signed_in: Callable[[Scope], bool] = lambda _scope: False,
        limits: DoorLimits | None = None,
        elsewhere: str = "name another",
    ) -> None:
        self._address = address
        self._elsewhere = elsewhere
        self._app = app
        self._is_signed_in = is_signed_in
        own = DoorLimits(most_of_one=MOST_ANONYMOUS) if tls is None else DoorLimits()
        refusals = Refusals(log, time.monotonic)
        _tell_of_uvicorn(refusals)
        self._door = Door(tls, refusals, limits or own)
        config = uvicorn.Config(
            self._serve,
            http="h11",
            interface="asgi3",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=16_384,
            timeout_graceful_shutdown=1,
        )
        self._server = _InLoopServer(config, self._door)
        self._serving: asyncio.Task[None] | None = None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client is not None and self._is_signed_in(scope):
            self._door.signed_in((client[0], client[1]))
        await self._app(scope, receive, send)

    async def start(self) -> Address:
        """Listen; return the address with the port that was bound. Raises AddressInUse."""
        family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
        try:
            listening = socket.create_server(
                (self._address.host, self._address.port), family=family, backlog=BACKLOG
            )
        except OSError as error:
            raise AddressInUse(
                f"cannot listen on {self._address} ({error.strerror}): stop the program that uses the port, "
                f"or {self._elsewhere}"
            ) from error
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]), name="page")
        await self._server.ready.wait()
        return Address(self._address.host, listening.getsockname()[1])

    async def stop(self) -> None:
        """Finish the requests under way and stop listening; streams must have been ended before."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _InLoopServer(uvicorn.Server):
    """A uvicorn server behind a door; it leaves the signals to the process and says when it listens."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._door = door
        self._accepting: list[asyncio.Task[None]] = []

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        self.servers = []
        self._accepting = [
            asyncio.create_task(self._door.accept(listening, self._protocol), name="door")
            for listening in sockets or []
        ]
        self.started = True
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for accepting in self._accepting:
            accepting.cancel()
        self._door.stop()
        await super().shutdown(sockets)

    def _protocol(self, visit: Visit) -> GuardedProtocol:
        return GuardedProtocol(visit, self.config, self.server_state, self.lifespan.state)


class _ToStructlog(logging.Handler):
    """Brings what uvicorn says into the program's log; what strangers bring about is said once an hour."""

    def __init__(self, refusals: Refusals) -> None:
        super().__init__(logging.WARNING)
        self._refusals = refusals

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None:
            log.error("page", why=record.getMessage(), exc_info=record.exc_info)
        else:
            self._refusals.note("page", record.getMessage())


def _tell_of_uvicorn(refusals: Refusals) -> None:
    logger = logging.getLogger("uvicorn.error")
    logger.handlers = [_ToStructlog(refusals)]
    logger.propagate = False
