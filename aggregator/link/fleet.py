"""FleetService: administration of devices and people; every act is in the audit log with its actor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from sqlite_utils import Database

from aggregator import codec
from aggregator.authority import Authority
from aggregator.codec import COMMAND_KINDS
from aggregator.holdings import EnrolmentState
from aggregator.link import ending
from aggregator.link.commanding import CommandDesk
from aggregator.link.presence import Presence
from aggregator.store import administration, claims, commands, identities
from aggregator.store.errors import StoreError
from aggregator.store.writer import StoreWriter
from aggregator.unpacking import ID_BYTES
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc
from trust.checking import RequestRefused, read_request
from trust.claim import claim_digest
from trust.names import DeviceName, is_name
from trust.tls.callers import Callers

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ResultT = TypeVar("ResultT")

CLAIM_S = (60, 30 * 24 * 3600)
PERSON_S = (24 * 3600, 400 * 24 * 3600)
COMMAND_S = (60, 30 * 24 * 3600)
MAX_AUDIT_ENTRIES = 1000
MAX_COMMANDS = 1000
_STATES = {
    EnrolmentState.PENDING: fleet_pb2.ENROLMENT_STATE_PENDING,
    EnrolmentState.APPROVED: fleet_pb2.ENROLMENT_STATE_APPROVED,
    EnrolmentState.HELD: fleet_pb2.ENROLMENT_STATE_HELD,
    EnrolmentState.REVOKED: fleet_pb2.ENROLMENT_STATE_REVOKED,
    EnrolmentState.REPLACED: fleet_pb2.ENROLMENT_STATE_REPLACED,
}


class FleetService(fleet_pb2_grpc.FleetServiceServicer):
    """Does what operators ask for. Who may is checked before a call comes here."""

    def __init__(
        self,
        store: StoreWriter,
        authority: Authority,
        callers: Callers,
        presence: Presence,
        command_desk: CommandDesk,
        wall_ns: Callable[[], int],
    ) -> None:
        self._store = store
        self._authority = authority
        self._callers = callers
        self._presence = presence
        self._command_desk = command_desk
        self._wall_ns = wall_ns

    async def CreateClaim(  # noqa: N802
        self, request: fleet_pb2.CreateClaimRequest, context: Context
    ) -> fleet_pb2.CreateClaimResponse:
        """Make a code; its secret is kept as a keyed digest alone."""
        if not is_name(request.site):
            await _malformed(context, "site is no name")
        await _within(context, "lifetime", request.lifetime.seconds, CLAIM_S)
        claim = self._authority.new_claim()
        digest = claim_digest(self._authority.claim_key, claim.secret)
        ends_ns = self._wall_ns() + request.lifetime.seconds * 1_000_000_000
        await self._do(
            context,
            lambda db, now_ns, actor: claims.add(db, digest, request.site, now_ns, ends_ns, actor),
        )
        return fleet_pb2.CreateClaimResponse(code=claim.text(), expires_at=_timestamp(ends_ns))

    async def ListEnrolments(  # noqa: N802
        self, request: fleet_pb2.ListEnrolmentsRequest, context: Context
    ) -> fleet_pb2.ListEnrolmentsResponse:
        """List the keys that asked to join."""
        found = await self._do(context, lambda db, _now_ns, _actor: identities.enrolments(db))
        return fleet_pb2.ListEnrolmentsResponse(
            enrolments=[
                fleet_pb2.Enrolment(
                    device_id=each.device_id,
                    site=each.site,
                    state=_STATES[each.state],
                    key_words=each.key_words,
                    requested_at=_timestamp(each.requested_ns),
                    certificate_ends_at=None if each.ends_ns is None else _timestamp(each.ends_ns),
                )
                for each in found
            ]
        )

    async def ApproveDevice(  # noqa: N802
        self, request: fleet_pb2.ApproveDeviceRequest, context: Context
    ) -> fleet_pb2.ApproveDeviceResponse:
        """Approve the key with these words; another key of the device is replaced and its stream ends."""
        device_id, words = request.device_id, request.key_words
        approved = await self._do(
            context, lambda db, now_ns, actor: identities.approve(db, device_id, words, now_ns, actor)
        )
        if not approved:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, "no key with these words waits under this device: list them again"
            )
        self._presence.end(device_id, ending.superseded())  # whoever that was is judged anew
        return fleet_pb2.ApproveDeviceResponse()

    async def RevokeDevice(  # noqa: N802
        self, request: fleet_pb2.RevokeDeviceRequest, context: Context
    ) -> fleet_pb2.RevokeDeviceResponse:
        """Shut the device out, and end its stream as soon as that is on the disk."""
        device_id = request.device_id
        revoked = await self._do(
            context, lambda db, now_ns, actor: identities.revoke(db, device_id, now_ns, actor)
        )
        if not revoked:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such device, or it is revoked already")
        self._presence.end(device_id, ending.revoked())
        return fleet_pb2.RevokeDeviceResponse()

    async def AddPerson(  # noqa: N802
        self, request: fleet_pb2.AddPersonRequest, context: Context
    ) -> fleet_pb2.AddPersonResponse:
        """Give the person of the request a role and a certificate."""
        await _within(context, "lifetime", request.lifetime.seconds, PERSON_S)
        try:
            asked = read_request(request.certificate_request)
        except RequestRefused as error:
            await _malformed(context, str(error))
        person = asked.named
        if isinstance(person, DeviceName):
            await _malformed(context, "a device joins by a claim code")
        life = timedelta(seconds=request.lifetime.seconds)
        certificate = self._authority.issue(asked, self._wall_ns(), life)
        await self._do(
            context,
            lambda db, now_ns, actor: identities.add_person(db, person, certificate, now_ns, actor),
        )
        return fleet_pb2.AddPersonResponse(certificate=certificate.der)

    async def RemovePerson(  # noqa: N802
        self, request: fleet_pb2.RemovePersonRequest, context: Context
    ) -> fleet_pb2.RemovePersonResponse:
        """Shut the person out."""
        removed = await self._do(
            context, lambda db, now_ns, actor: identities.remove_person(db, request.name, now_ns, actor)
        )
        if not removed:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such person")
        return fleet_pb2.RemovePersonResponse()

    async def SendCommand(  # noqa: N802
        self, request: fleet_pb2.SendCommandRequest, context: Context
    ) -> fleet_pb2.SendCommandResponse:
        """Write the command down, and bring it to the device if it is connected."""
        command_id, device_id, kind = request.command_id, request.device_id, COMMAND_KINDS.get(request.kind)
        if len(command_id) != ID_BYTES or kind is None:
            await _malformed(context, "a command has an identifier of 16 bytes and a kind of this version")
        await _within(context, "lifetime", request.lifetime.seconds, COMMAND_S)
        expires_ns = self._wall_ns() + request.lifetime.seconds * 1_000_000_000
        known = await self._do(
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
        self._command_desk.look()
        return fleet_pb2.SendCommandResponse(expires_at=_timestamp(expires_ns))

    async def ListCommands(  # noqa: N802
        self, request: fleet_pb2.ListCommandsRequest, context: Context
    ) -> fleet_pb2.ListCommandsResponse:
        """List the latest commands."""
        device_id = request.device_id or None
        found = await self._do(
            context, lambda db, _now_ns, _actor: commands.read(db, device_id, MAX_COMMANDS)
        )
        return fleet_pb2.ListCommandsResponse(commands=map(codec.command_state, found))

    async def ListAudit(  # noqa: N802
        self, request: fleet_pb2.ListAuditRequest, context: Context
    ) -> fleet_pb2.ListAuditResponse:
        """Return entries of the audit log."""
        limit = min(request.limit or MAX_AUDIT_ENTRIES, MAX_AUDIT_ENTRIES)
        first = min(request.from_number, 2**63 - 1)
        found = await self._do(context, lambda db, _now_ns, _actor: administration.read(db, first, limit))
        return fleet_pb2.ListAuditResponse(
            entries=[
                fleet_pb2.AuditEntry(
                    number=each.number,
                    at=_timestamp(each.at_ns),
                    actor=each.actor,
                    act=each.act,
                    subject=each.subject,
                    chain=each.chain,
                )
                for each in found
            ]
        )

    async def _do(self, context: Context, work: Callable[[Database, int, str], ResultT]) -> ResultT:
        """Do `work` in the store with the time and the caller's name; ends the call when that fails."""
        now_ns, actor = self._wall_ns(), str(self._callers.of(context))
        try:
            return await self._store.submit(lambda db: work(db, now_ns, actor))
        except StoreError as error:
            await ending.not_stored(error).abort(context)


async def _malformed(context: Context, why: str) -> NoReturn:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, why)
    raise AssertionError("abort does not return")


async def _within(context: Context, field: str, value: int, bounds: tuple[int, int]) -> None:
    if not bounds[0] <= value <= bounds[1]:
        await _malformed(context, f"{field} must be from {bounds[0]} to {bounds[1]} seconds")


def _timestamp(wall_ns: int) -> Timestamp:
    return Timestamp(seconds=wall_ns // 1_000_000_000, nanos=wall_ns % 1_000_000_000)
