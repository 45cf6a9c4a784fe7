"""The gRPC server: the devices' service, health and reflection."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from aggregator.address import Address, AddressInUse
from aggregator.link import ending
from aggregator.link.presence import Presence
from aggregator.link.service import DeviceLinkService
from aidpost.v1 import link_pb2, link_pb2_grpc

SERVICE = link_pb2.DESCRIPTOR.services_by_name["DeviceLinkService"].full_name
STOP_GRACE_S = 7.0  # the streams' own drain time-out is 5 s

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
    # Devices may ping every 10 s; the default of 300 s would answer that with GOAWAY.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 9_000),
)


class LinkServer:
    """Listens for devices. Without encryption: `Address` lets only this machine through."""

    def __init__(self, address: Address, service: DeviceLinkService, presence: Presence) -> None:
        self._address = address
        self._presence = presence
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=OPTIONS)
        link_pb2_grpc.add_DeviceLinkServiceServicer_to_server(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> Address:
        """Listen; return the address with the port that was bound. Raises AddressInUse."""
        try:
            port = self._server.add_insecure_port(str(self._address))
        except RuntimeError as error:
            raise AddressInUse(
                f"cannot listen on {self._address}: stop the program that uses the port, or name another"
            ) from error
        await self._server.start()
        await self.report_health(serving=True)
        return Address(self._address.host, port)

    async def report_health(self, *, serving: bool) -> None:
        """Tell those who ask for health whether events can be stored."""
        statuses = health_pb2.HealthCheckResponse
        for name in ("", SERVICE):
            await self._health.set(name, statuses.SERVING if serving else statuses.NOT_SERVING)

    async def stop(self) -> None:
        """End the streams after their last acknowledgements, then stop listening."""
        await self._health.enter_graceful_shutdown()
        self._presence.close(ending.stopping())
        await self._server.stop(STOP_GRACE_S)
