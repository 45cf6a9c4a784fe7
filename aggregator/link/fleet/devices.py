"""Devices as the desk sees them, and their labels."""

from __future__ import annotations

from aggregator import fleet_codec
from aggregator.codec import timestamp
from aggregator.link.desks import Desks
from aggregator.link.fleet.calls import Context, FleetCalls, done, moment_ns, revision_of
from aggregator.link.fleet.choosing import chosen
from aggregator.link.masks import changed_map, paths_of
from aggregator.link.paging import after, page_size, token
from aggregator.link.presence import Presence
from aggregator.link.refusing import bad_field, not_found
from aggregator.store import fleet_devices, fleet_inventory, telemetry
from aggregator.store.port import Database
from aggregator.telemetry_codec import telemetry_message
from aidpost.v1 import fleet_pb2_grpc, inventory_pb2


class Devices(fleet_pb2_grpc.FleetServiceServicer):
    """Shows devices, what they should be and what they say that they are."""

    _calls: FleetCalls
    _desks: Desks
    _presence: Presence

    async def ListDevices(  # noqa: N802
        self, request: inventory_pb2.ListDevicesRequest, context: Context
    ) -> inventory_pb2.ListDevicesResponse:
        """List the devices of a filter, by identifier."""
        binding = ("devices", request.filter)
        beginning = after(request.page_token, *binding)
        matching = await chosen(self._calls, self._presence, request.filter)
        rest = [device_id for device_id in matching if device_id > beginning]
        page = rest[: page_size(request.page_size)]
        now_ns, connected = self._calls.wall_ns(), self._presence.connected()
        found = await self._calls.read(lambda db: fleet_devices.read(db, page, now_ns, connected))
        return inventory_pb2.ListDevicesResponse(
            devices=[fleet_codec.device(each, whole=False) for each in found],
            next_page_token=token(page[-1], *binding) if len(page) < len(rest) else "",
            total=len(matching),
        )

    async def GetDevice(  # noqa: N802
        self, request: inventory_pb2.GetDeviceRequest, context: Context
    ) -> inventory_pb2.GetDeviceResponse:
        """Show all that is known of a device."""
        device = await self._calls.read(lambda db: self._device(db, request.device_id))
        return inventory_pb2.GetDeviceResponse(device=device)

    async def UpdateDevice(  # noqa: N802
        self, request: inventory_pb2.UpdateDeviceRequest, context: Context
    ) -> inventory_pb2.UpdateDeviceResponse:
        """Change a device's labels, and what it should be where groups rest on them."""
        asked = request.device
        paths = paths_of(request.update_mask, asked, (), ("labels",))
        revision = revision_of(asked.etag)

        def change(db: Database, now_ns: int, actor: str) -> inventory_pb2.UpdateDeviceResponse:
            before = self._device(db, asked.device_id)
            labels = changed_map(dict(before.labels), dict(asked.labels), paths, "labels")
            outcome = fleet_inventory.put_labels(
                db, asked.device_id, labels, revision=revision, now_ns=now_ns, actor=actor
            )
            done("device", asked.device_id, outcome)
            return inventory_pb2.UpdateDeviceResponse(device=self._device(db, asked.device_id))

        answer = await self._calls.change(context, request, inventory_pb2.UpdateDeviceResponse, change)
        self._desks.desired.look(asked.device_id)
        return answer

    async def ListTelemetry(  # noqa: N802
        self, request: inventory_pb2.ListTelemetryRequest, context: Context
    ) -> inventory_pb2.ListTelemetryResponse:
        """List what a device told of itself, the oldest first."""
        device_id, since_ns = request.device_id, moment_ns("since", request.since)
        binding = ("telemetry", device_id, str(since_ns))
        seen = after(request.page_token, *binding)
        try:
            at_ns, seq = (int(part) for part in seen.split(" ")) if seen else (-(2**63), 0)
        except ValueError as error:
            raise bad_field("page_token", "take it from the answer before, or leave it empty") from error
        size = page_size(request.page_size)
        found = await self._calls.read(
            lambda db: telemetry.read(db, device_id, since_ns, size + 1, (at_ns, seq))
        )
        page = found[:size]
        return inventory_pb2.ListTelemetryResponse(
            points=[
                inventory_pb2.TelemetryPoint(at=timestamp(at), telemetry=telemetry_message(body))
                for at, _, body in page
            ],
            next_page_token=token(f"{page[-1][0]} {page[-1][1]}", *binding) if len(found) > size else "",
        )

    def _device(self, db: Database, device_id: str) -> inventory_pb2.Device:
        found = fleet_devices.read(db, [device_id], self._calls.wall_ns(), self._presence.connected())
        if not found:
            raise not_found("device", device_id)
        return fleet_codec.device(found[0], whole=True)
