"""What devices are asked for."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from google.protobuf.duration_pb2 import Duration

from aggregator import codec
from aggregator.codec import COMMAND_KINDS, timestamp
from aggregator.link.authorisation import FOR_ADMINISTRATORS
from aggregator.link.desks import Desks
from aggregator.link.fleet.calls import Context, FleetCalls, within
from aggregator.link.fleet.choosing import chosen
from aggregator.link.paging import after, page_size, token
from aggregator.link.presence import Presence
from aggregator.link.refusing import bad_field, not_allowed, not_found, not_now
from aggregator.records import GOES_ON, CommandKind
from aggregator.store import commands
from aggregator.store.commands import Cancelled, Sent
from aggregator.store.fleet_inventory import without_consent
from aggregator.store.port import Database
from aggregator.unpacking import ID_BYTES
from aidpost.v1 import event_pb2, fleet_pb2, fleet_pb2_grpc
from trust.names import Role

SECOND_NS = 1_000_000_000
COMMAND_S = (60, 30 * 24 * 3600)
DURATION_S = (60, 8 * 3600)
_NOT_CANCELLED = {
    Cancelled.DELIVERED: ("COMMAND_DELIVERED", "it was delivered: wait for its result"),
    Cancelled.ENDED: ("COMMAND_ENDED", "its result has come already: list the commands"),
    Cancelled.EXPIRED: ("COMMAND_EXPIRED", "it has expired: it is delivered no more"),
}


class Asking(fleet_pb2_grpc.FleetServiceServicer):
    """Writes commands down and brings them to their devices."""

    _calls: FleetCalls
    _desks: Desks
    _presence: Presence

    async def SendCommand(  # noqa: N802
        self, request: fleet_pb2.SendCommandRequest, context: Context
    ) -> fleet_pb2.SendCommandResponse:
        """Write the command down, and bring it to the device if it is connected."""
        command_id, device_id = request.command_id, request.device_id
        if len(command_id) != ID_BYTES:
            raise bad_field("command_id", f"write {ID_BYTES} random bytes")
        kind, duration_s = self._checked(context, request.kind, request.lifetime, request.duration)
        expires_ns = self._calls.wall_ns() + request.lifetime.seconds * SECOND_NS

        def send(db: Database, now_ns: int, actor: str) -> fleet_pb2.SendCommandResponse:
            _check_consent(db, kind, [device_id], now_ns)
            sent = commands.send(
                db,
                command_id=command_id,
                device_id=device_id,
                kind=kind,
                asked_by=actor,
                now_ns=now_ns,
                expires_ns=expires_ns,
                duration_s=duration_s,
            )
            if sent is Sent.TAKEN:
                raise bad_field("command_id", "it was used for another command: take 16 new random bytes")
            if sent is Sent.NO_DEVICE:
                raise not_found("device", device_id, "no such device has reported yet")
            return fleet_pb2.SendCommandResponse(expires_at=timestamp(expires_ns))

        answer = await self._calls.change(context, request, fleet_pb2.SendCommandResponse, send)
        self._desks.commands.look(device_id)
        return answer

    async def SendCommands(  # noqa: N802
        self, request: fleet_pb2.SendCommandsRequest, context: Context
    ) -> fleet_pb2.SendCommandsResponse:
        """Ask all devices of a filter, if they are as many as the caller thinks."""
        kind, duration_s = self._checked(context, request.kind, request.lifetime, request.duration)
        expires_ns = self._calls.wall_ns() + request.lifetime.seconds * SECOND_NS
        device_ids = await chosen(self._calls, self._presence, request.filter)

        def send(db: Database, now_ns: int, actor: str) -> fleet_pb2.SendCommandsResponse:
            if not device_ids:
                raise bad_field("filter", "no device matches it: list the devices with it first")
            if len(device_ids) != request.expected_devices:
                raise bad_field(
                    "expected_devices",
                    f"{len(device_ids)} devices match and not {request.expected_devices}: nothing was sent",
                )
            _check_consent(db, kind, device_ids, now_ns)
            ids = []
            for device_id in device_ids:
                ids.append(secrets.token_bytes(ID_BYTES))
                commands.send(
                    db,
                    command_id=ids[-1],
                    device_id=device_id,
                    kind=kind,
                    asked_by=actor,
                    now_ns=now_ns,
                    expires_ns=expires_ns,
                    duration_s=duration_s,
                )
            return fleet_pb2.SendCommandsResponse(command_ids=ids, expires_at=timestamp(expires_ns))

        answer = await self._calls.change(context, request, fleet_pb2.SendCommandsResponse, send)
        self._desks.commands.look(*device_ids)
        return answer

    async def CancelCommand(  # noqa: N802
        self, request: fleet_pb2.CancelCommandRequest, context: Context
    ) -> fleet_pb2.CancelCommandResponse:
        """Take a command back that was not delivered yet."""
        command_id = request.command_id

        def cancel(db: Database, now_ns: int, actor: str) -> fleet_pb2.CancelCommandResponse:
            match commands.cancel(db, command_id, now_ns, actor):
                case Cancelled.DONE:
                    return fleet_pb2.CancelCommandResponse()
                case Cancelled.MISSING:
                    raise not_found("command", command_id.hex())
                case ended:
                    raise not_now(*_not_cancelled(ended, command_id))

        return await self._calls.change(context, request, fleet_pb2.CancelCommandResponse, cancel)

    async def ListCommands(  # noqa: N802
        self, request: fleet_pb2.ListCommandsRequest, context: Context
    ) -> fleet_pb2.ListCommandsResponse:
        """List commands, the latest first."""
        binding = ("commands", request.device_id)
        seen = after(request.page_token, *binding)
        before = None
        if seen:
            asked_ns, _, command_id = seen.partition(" ")
            try:
                before = int(asked_ns), bytes.fromhex(command_id)
            except ValueError as error:
                raise bad_field("page_token", "take it from the answer before, or leave it empty") from error
        size = page_size(request.page_size)
        found = await self._calls.read(
            lambda db: commands.read(db, request.device_id or None, size + 1, before)
        )
        page = found[:size]
        last = f"{page[-1].asked_ns} {page[-1].command_id.hex()}" if len(found) > size else ""
        return fleet_pb2.ListCommandsResponse(
            commands=map(codec.command_state, page), next_page_token=token(last, *binding) if last else ""
        )

    def _checked(
        self,
        context: Context,
        asked: event_pb2.CommandKind.ValueType,
        lifetime: Duration,
        duration: Duration,
    ) -> tuple[CommandKind, int]:
        """Return kind and duration in seconds; raises Refused."""
        if (kind := COMMAND_KINDS.get(asked)) is None:
            raise bad_field("kind", "write a kind that this version knows")
        if kind in FOR_ADMINISTRATORS and self._calls.callers.of(context).role is not Role.ADMINISTRATOR:
            raise not_allowed("ADMINISTRATOR_NEEDED", f"{kind.value} is for administrators: ask one of them")
        within("lifetime", lifetime.seconds, COMMAND_S)
        if kind in GOES_ON:
            within("duration", duration.seconds, DURATION_S)
        elif duration.seconds:
            raise bad_field("duration", f"{kind.value} takes no time of its own: leave it empty")
        return kind, duration.seconds


def _check_consent(db: Database, kind: CommandKind, device_ids: Collection[str], now_ns: int) -> None:
    """Raise Refused where a site has not agreed to be looked into."""
    if kind in GOES_ON and (site := without_consent(db, device_ids, now_ns)) is not None:
        where = f"the site {site}" if site else "a device without a site"
        raise not_now(
            "SITE_CONSENT",
            site,
            f"{where} has not agreed to live logs and support sessions: have it agree, and note until when "
            "(`fleet sites set --consent-until`, or support_consent_until)",
        )


def _not_cancelled(why: Cancelled, command_id: bytes) -> tuple[str, str, str]:
    kind, sentence = _NOT_CANCELLED[why]
    return kind, command_id.hex(), sentence
