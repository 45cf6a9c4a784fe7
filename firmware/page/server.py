"""Serves the page in the appliance's own event loop: loopback in the clear, the network over TLS 1.3."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from trust.tls.address import Address, AddressInUse

MOST_CONNECTIONS = 48
"""Each viewer holds one stream and two or three requests; more than this is a fault or an attack."""


class PageServer:
    """One uvicorn server on one socket; tls: None for loopback."""

    def __init__(self, address: Address, app: ASGIApp, tls: ssl.SSLContext | None = None) -> None:
        self._address = address
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=16_384,
            timeout_graceful_shutdown=1,
            ssl_context_factory=None if tls is None else (lambda _config, _default: tls),
        )
        self._server = _InLoopServer(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> Address:
        """Listen; return the address with the port that was bound. Raises AddressInUse."""
        family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
        try:
            listening = socket.create_server((self._address.host, self._address.port), family=family)
        except OSError as error:
            raise AddressInUse(
                f"the page cannot listen on {self._address} ({error.strerror}): stop the program "
                "that uses the port, or name another under [page]"
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
    """A uvicorn server that leaves the signals to the process and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
