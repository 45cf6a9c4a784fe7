"""Serves the dashboard in the aggregator's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from trust.tls.address import Address, AddressInUse


class DashboardServer:
    """One uvicorn server on one socket."""

    def __init__(self, address: Address, app: ASGIApp) -> None:
        self._address = address
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
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
                f"cannot listen on {self._address} ({error.strerror}): "
                "stop the program that uses the port, or name another"
            ) from error
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]), name="dashboard")
        await self._server.ready.wait()
        return Address(self._address.host, listening.getsockname()[1])

    async def stop(self) -> None:
        """Finish the requests under way and stop listening."""
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
