"""Where an appliance hears the others of its site: a gate, and gRPC behind it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import grpc.aio
from cryptography import x509

from aidpost.v1 import site_pb2_grpc
from trust.tls.address import Address
from trust.tls.callers import Callers
from trust.tls.gate import Gate, GateLimits
from trust.tls.refusals import Refusals

# A site has some ten appliances, with one connection each; who dials anew may have an old one left.
LIMITS = GateLimits(max_connections=64, max_handshakes=16, handshake_timeout_s=5.0, max_of_one=2)
STOP_GRACE_S = 1.0
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 64 * 1024),  # 256 collections have 20 kB
    ("grpc.max_concurrent_streams", 16),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    # Neighbours ping every 5 s, and after a while without processor time all at once.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)


class SiteServer:
    """Listens at `address` and serves behind the gate; folder: of this user alone, for its socket."""

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext,
        authority: x509.Certificate,
        folder: Path,
        refusals: Refusals,
        service: Callable[[Callers], site_pb2_grpc.SiteServiceServicer],
    ) -> None:
        callers = Callers()
        self._inner = folder / "grpc"
        self._server = grpc.aio.server(options=OPTIONS)
        site_pb2_grpc.add_SiteServiceServicer_to_server(service(callers), self._server)
        self._gate = Gate(address, context, authority, self._inner, callers, refusals, LIMITS)

    async def start(self) -> Address:
        """Listen; return the address with the port that was bound. Raises AddressInUse."""
        self._server.add_insecure_port(f"unix:{self._inner}")
        await self._server.start()
        return await self._gate.start()

    async def stop(self) -> None:
        """Hear nobody any more."""
        await self._server.stop(STOP_GRACE_S)
        await self._gate.stop()
