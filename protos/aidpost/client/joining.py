"""Who belongs to the fleet: claims, devices that ask to join, people, and the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from aidpost.client.subject import Subject, duration
from aidpost.v1 import fleet_pb2

AUDIT_PAGE = 1000


class Joining(Subject):
    """Devices and people come and go."""

    def create_claim(self, site: str, lifetime: timedelta) -> fleet_pb2.CreateClaimResponse:
        """Make a claim code for one device; each call makes another, so it is never repeated by itself."""
        request = fleet_pb2.CreateClaimRequest(site=site, lifetime=duration(lifetime))
        return self._sending.once(self._service.CreateClaim, request)

    def list_enrolments(self) -> Sequence[fleet_pb2.Enrolment]:
        """Return the keys of devices that asked to join."""
        request = fleet_pb2.ListEnrolmentsRequest()
        return self._sending.safely(self._service.ListEnrolments, request).enrolments

    def approve_device(self, device_id: str, key_words: str) -> None:
        """Let a device join, or let one that is on hold go on; key_words: as its own screen shows them."""
        request = fleet_pb2.ApproveDeviceRequest(device_id=device_id, key_words=key_words)
        self._sending.once(self._service.ApproveDevice, request)

    def revoke_device(self, device_id: str) -> None:
        """Shut a device out, at once."""
        self._sending.once(self._service.RevokeDevice, fleet_pb2.RevokeDeviceRequest(device_id=device_id))

    def add_person(self, certificate_request: bytes, lifetime: timedelta) -> bytes:
        """Give a person a role; certificate_request: PKCS #10, DER. Returns the certificate, X.509, DER."""
        request = fleet_pb2.AddPersonRequest(
            certificate_request=certificate_request, lifetime=duration(lifetime)
        )
        return self._sending.once(self._service.AddPerson, request).certificate

    def remove_person(self, name: str) -> None:
        """Shut a person out, at once."""
        self._sending.once(self._service.RemovePerson, fleet_pb2.RemovePersonRequest(name=name))

    def list_audit(self, from_number: int = 1) -> Iterator[fleet_pb2.AuditEntry]:
        """Yield the acts of the audit log from a number on, oldest first."""
        while True:
            request = fleet_pb2.ListAuditRequest(from_number=from_number, limit=AUDIT_PAGE)
            entries = self._sending.safely(self._service.ListAudit, request).entries
            yield from entries
            if len(entries) < AUDIT_PAGE:
                return
            from_number = entries[-1].number + 1
