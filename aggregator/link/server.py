"""The gRPC server behind the gate: the services, health and reflection."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from aggregator.link import ending
from aggregator.link.presence import Presence
from trust.tls.address import Address, AddressInUse

ALIVE = "alive"
"""The name whose health says that the process answers, whether or not events can be stored."""
STOP_GRACE_S = 7.0  # the streams' own drain time-out is 5 s

MAX_PLAIN_CALLS = 16  # of those who ask for health and show no certificate

OPTIONS: tuple[tuple[str, int], ...] = (
    # Without this a second server would share the port without a word.
    ("grpc.so_reuseport", 0),
    # 500 events of the largest size that the codec lets pass are below it.
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.max_concurrent_streams", 64),
    # A dead link was noticed after 70 s with the keepalive options alone, after 5 s with ping_timeout_ms.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Devices ping every 20 s, and on a bad line some pings come at once. By default the fourth one within
    # minutes in which nothing else is said is answered with GOAWAY: each idle stream ended after two minutes.
    ("grpc.http2.max_ping_strikes", 0),
)


Register: TypeAlias = Callable[[grpc.aio.Server], None]


class LinkServer:
    """Serves what `register` adds to it, at a Unix socket (str) behind the gate, or at a loopback address.

    authorisation: refuses calls before a service sees them; None in a development server.
    """

    def __init__(
        self,
        services: Mapping[str, Register],
        presence: Presence,
        authorisation: grpc.aio.ServerInterceptor | None,
    ) -> None:
        self._presence = presence
        self._services = tuple(services)
        self._health = health.aio.HealthServicer()
        interceptors = [] if authorisation is None else [authorisation]
        self._server = grpc.aio.server(interceptors=interceptors, options=OPTIONS)
        self._asked_plainly: grpc.aio.Server | None = None
        for register in services.values():
            register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, address: Address | Path) -> int:
        """Listen at an address, or at a Unix socket for the gate; return the port. Raises AddressInUse."""
        port = await _listening(self._server, address)
        await self.report_health(serving=True)
        await self._health.set(ALIVE, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def answer_health(self, address: Address, *, shared: bool) -> int:
        """Answer for health and nothing else, without TLS, as what restarts or balances workers asks.

        shared: other workers of this machine answer there too. Returns the port. Raises AddressInUse.
        """
        options = tuple((dict(OPTIONS) | {"grpc.so_reuseport": int(shared)}).items())
        self._asked_plainly = grpc.aio.server(options=options, maximum_concurrent_rpcs=MAX_PLAIN_CALLS)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._asked_plainly)
        return await _listening(self._asked_plainly, address)

    async def report_health(self, *, serving: bool) -> None:
        """Tell those who ask for health whether events can be stored."""
        statuses = health_pb2.HealthCheckResponse
        for name in ("", *self._services):
            await self._health.set(name, statuses.SERVING if serving else statuses.NOT_SERVING)

    async def stop(self) -> None:
        """End the streams after their last acknowledgements, then stop listening."""
        await self._health.enter_graceful_shutdown()
        self._presence.close(lambda others: ending.stopping(others, random.SystemRandom()))
        await self._server.stop(STOP_GRACE_S)
        if self._asked_plainly is not None:
            await self._asked_plainly.stop(None)


async def _listening(server: grpc.aio.Server, address: Address | Path) -> int:
    try:
        port = server.add_insecure_port(f"unix:{address}" if isinstance(address, Path) else str(address))
    except RuntimeError as error:
        raise AddressInUse(
            f"cannot listen on {address}: stop the program that uses the port, or name another"
        ) from error
    await server.start()
    return port
