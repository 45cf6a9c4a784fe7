"""What devices are asked for."""

from __future__ import annotations

import grpc

from aggregator import codec
from aggregator.codec import COMMAND_KINDS
from aggregator.holdings import Command
from aggregator.link.desk import Desk
from aggregator.link.fleet.calls import Context, FleetCalls, malformed, timestamp, within
from aggregator.store import commands
from aggregator.unpacking import ID_BYTES
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc

COMMAND_S = (60, 30 * 24 * 3600)
MAX_COMMANDS = 1000


class Asking(fleet_pb2_grpc.FleetServiceServicer):
    """Writes commands down and brings them to their devices."""

    _calls: FleetCalls
    _command_desk: Desk[Command]

    async def SendCommand(  # noqa: N802
        self, request: fleet_pb2.SendCommandRequest, context: Context
    ) -> fleet_pb2.SendCommandResponse:
        """Write the command down, and bring it to the device if it is connected."""
        command_id, device_id, kind = request.command_id, request.device_id, COMMAND_KINDS.get(request.kind)
        if len(command_id) != ID_BYTES or kind is None:
            await malformed(context, "a command has an identifier of 16 bytes and a kind of this version")
        await within(context, "lifetime", request.lifetime.seconds, COMMAND_S)
        expires_ns = self._calls.wall_ns() + request.lifetime.seconds * 1_000_000_000
        known = await self._calls.do(
            context,
            lambda db, now_ns, actor: commands.send(
                db,
                command_id=command_id,
                device_id=device_id,
                kind=kind,
                asked_by=actor,
                now_ns=now_ns,
                expires_ns=expires_ns,
            ),
        )
        if not known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such device has reported")
        self._command_desk.look(device_id)
        return fleet_pb2.SendCommandResponse(expires_at=timestamp(expires_ns))

    async def ListCommands(  # noqa: N802
        self, request: fleet_pb2.ListCommandsRequest, context: Context
    ) -> fleet_pb2.ListCommandsResponse:
        """List the latest commands."""
        device_id = request.device_id or None
        found = await self._calls.do(
            context, lambda db, _now_ns, _actor: commands.read(db, device_id, MAX_COMMANDS)
        )
        return fleet_pb2.ListCommandsResponse(commands=map(codec.command_state, found))
