"""Who may connect: claims, enrolments and people."""

from __future__ import annotations

from datetime import timedelta

from aggregator.authority import Authority
from aggregator.codec import timestamp
from aggregator.holdings import EnrolmentState
from aggregator.link import ending
from aggregator.link.fleet.calls import Context, FleetCalls, within
from aggregator.link.presence import Presence
from aggregator.link.refusing import bad_field, not_found
from aggregator.store import claims, identities
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc
from trust.checking import RequestRefused, read_request
from trust.claim import claim_digest
from trust.names import NAMES, DeviceName, is_name

CLAIM_S = (60, 30 * 24 * 3600)
PERSON_S = (24 * 3600, 400 * 24 * 3600)
_STATES = {
    EnrolmentState.PENDING: fleet_pb2.ENROLMENT_STATE_PENDING,
    EnrolmentState.APPROVED: fleet_pb2.ENROLMENT_STATE_APPROVED,
    EnrolmentState.HELD: fleet_pb2.ENROLMENT_STATE_HELD,
    EnrolmentState.REVOKED: fleet_pb2.ENROLMENT_STATE_REVOKED,
    EnrolmentState.REPLACED: fleet_pb2.ENROLMENT_STATE_REPLACED,
}


class Joining(fleet_pb2_grpc.FleetServiceServicer):
    """Lets devices and people in, and shuts them out."""

    _calls: FleetCalls
    _authority: Authority
    _presence: Presence

    async def CreateClaim(  # noqa: N802
        self, request: fleet_pb2.CreateClaimRequest, context: Context
    ) -> fleet_pb2.CreateClaimResponse:
        """Make a code; its secret is kept as a keyed digest alone."""
        if not is_name(request.site):
            raise bad_field("site", NAMES)
        within("lifetime", request.lifetime.seconds, CLAIM_S)
        claim = self._authority.new_claim()
        digest = claim_digest(self._authority.claim_key, claim.secret)
        ends_ns = self._calls.wall_ns() + request.lifetime.seconds * 1_000_000_000
        await self._calls.do(
            context,
            lambda db, now_ns, actor: claims.add(db, digest, request.site, now_ns, ends_ns, actor),
        )
        return fleet_pb2.CreateClaimResponse(code=claim.text(), expires_at=timestamp(ends_ns))

    async def ListEnrolments(  # noqa: N802
        self, request: fleet_pb2.ListEnrolmentsRequest, context: Context
    ) -> fleet_pb2.ListEnrolmentsResponse:
        """List the keys that asked to join."""
        found = await self._calls.do(context, lambda db, _now_ns, _actor: identities.enrolments(db))
        return fleet_pb2.ListEnrolmentsResponse(
            enrolments=[
                fleet_pb2.Enrolment(
                    device_id=each.device_id,
                    site=each.site,
                    state=_STATES[each.state],
                    key_words=each.key_words,
                    requested_at=timestamp(each.requested_ns),
                    certificate_ends_at=None if each.ends_ns is None else timestamp(each.ends_ns),
                )
                for each in found
            ]
        )

    async def ApproveDevice(  # noqa: N802
        self, request: fleet_pb2.ApproveDeviceRequest, context: Context
    ) -> fleet_pb2.ApproveDeviceResponse:
        """Approve the key with these words; another key of the device is replaced and its stream ends."""
        device_id, words = request.device_id, request.key_words
        approved = await self._calls.do(
            context, lambda db, now_ns, actor: identities.approve(db, device_id, words, now_ns, actor)
        )
        if not approved:
            raise not_found(
                "enrolment", device_id, "no key with these words waits under this device, list them again"
            )
        self._presence.end(device_id, ending.superseded())  # whoever that was is judged anew
        return fleet_pb2.ApproveDeviceResponse()

    async def RevokeDevice(  # noqa: N802
        self, request: fleet_pb2.RevokeDeviceRequest, context: Context
    ) -> fleet_pb2.RevokeDeviceResponse:
        """Shut the device out, and end its stream as soon as that is on the disk."""
        device_id = request.device_id
        revoked = await self._calls.do(
            context, lambda db, now_ns, actor: identities.revoke(db, device_id, now_ns, actor)
        )
        if not revoked:
            raise not_found("device", device_id, "no such device has joined, or it is revoked already")
        self._presence.end(device_id, ending.revoked())
        return fleet_pb2.RevokeDeviceResponse()

    async def AddPerson(  # noqa: N802
        self, request: fleet_pb2.AddPersonRequest, context: Context
    ) -> fleet_pb2.AddPersonResponse:
        """Give the person of the request a role and a certificate."""
        within("lifetime", request.lifetime.seconds, PERSON_S)
        try:
            asked = read_request(request.certificate_request)
        except RequestRefused as error:
            raise bad_field("certificate_request", str(error)) from error
        person = asked.named
        if isinstance(person, DeviceName):
            raise bad_field("certificate_request", "a device joins by a claim code")
        life = timedelta(seconds=request.lifetime.seconds)
        certificate = self._authority.issue(asked, self._calls.wall_ns(), life)
        await self._calls.do(
            context,
            lambda db, now_ns, actor: identities.add_person(db, person, certificate, now_ns, actor),
        )
        return fleet_pb2.AddPersonResponse(certificate=certificate.der)

    async def RemovePerson(  # noqa: N802
        self, request: fleet_pb2.RemovePersonRequest, context: Context
    ) -> fleet_pb2.RemovePersonResponse:
        """Shut the person out."""
        removed = await self._calls.do(
            context, lambda db, now_ns, actor: identities.remove_person(db, request.name, now_ns, actor)
        )
        if not removed:
            raise not_found("person", request.name, "the audit log has everybody who was added")
        return fleet_pb2.RemovePersonResponse()
