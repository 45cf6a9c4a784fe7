"""Asking the aggregator for a certificate: pin its authority, join, renew."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import grpc.aio
from cryptography import x509

from aidpost.v1 import enrolment_pb2, enrolment_pb2_grpc
from firmware.uplink.channel import Target, cleaned, error_reason, open_channel
from firmware.uplink.errors import BadAnswer, JoinRefused, LinkLost, WrongAggregator
from trust.certificates import from_der, to_pem
from trust.checking import CertificateRefused, check_device_certificate, fingerprint
from trust.claim import AUTHORITY_PROTOCOL, Claim
from trust.guarded import GuardedKey
from trust.names import DeviceName

ANSWER_TIMEOUT_S = 30.0
MAX_AUTHORITY_BYTES = 8192
_REFUSALS = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
)


@dataclass(frozen=True, slots=True)
class Pending:
    """An operator has to decide; ask again after so long."""

    retry_s: float


JoinAnswer: TypeAlias = x509.Certificate | Pending


async def fetch_authority(target: Target, claim: Claim) -> x509.Certificate:
    """Return the authority's certificate that the claim code pins; raises LinkLost and WrongAggregator.

    The connection is trusted for nothing, and nothing is said on it: what comes is the pinned certificate, or
    it is refused.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([AUTHORITY_PROTOCOL])
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
            try:
                der = await reader.read(MAX_AUTHORITY_BYTES)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError) as error:
        raise LinkLost(
            f"no aggregator answers at {target} ({cleaned(str(error)) or 'no answer'}); check the address"
        ) from error
    try:
        authority = from_der(der)
    except ValueError as error:
        raise WrongAggregator(f"what answers at {target} is no aggregator; check the address") from error
    if not claim.pins(fingerprint(authority)):
        raise WrongAggregator(
            f"the claim code is of another aggregator than the one at {target}; nothing was sent to it: "
            "check the address, and that nobody stands in between"
        )
    return authority


async def ask_to_join(
    target: Target, authority: x509.Certificate, key: GuardedKey, request: bytes, secret: bytes
) -> JoinAnswer:
    """Ask once; request: PKCS #10, DER; secret: of the claim code, empty for a device that joins again.

    Raises LinkLost, JoinRefused and BadAnswer.
    """
    tls = grpc.ssl_channel_credentials(to_pem(authority))
    async with open_channel(target, tls) as channel:
        stub: enrolment_pb2_grpc.EnrolmentServiceAsyncStub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
        try:
            answer = await stub.Join(
                enrolment_pb2.JoinRequest(certificate_request=request, claim_secret=secret),
                timeout=ANSWER_TIMEOUT_S,
            )
        except grpc.aio.AioRpcError as error:
            raise _fault(error, target) from error
    if answer.HasField("approved"):
        return _checked(answer.approved.certificate, authority, key)
    retry = answer.pending.retry_after
    return Pending(min(max(retry.seconds + retry.nanos / 1e9, 1.0), 600.0))


async def renew(
    channel: grpc.aio.Channel, target: Target, authority: x509.Certificate, key: GuardedKey, request: bytes
) -> x509.Certificate:
    """Return the next certificate; channel: one that shows the present one.

    Raises LinkLost, JoinRefused and BadAnswer.
    """
    stub: enrolment_pb2_grpc.EnrolmentServiceAsyncStub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
    try:
        answer = await stub.RenewCertificate(
            enrolment_pb2.RenewCertificateRequest(certificate_request=request), timeout=ANSWER_TIMEOUT_S
        )
    except grpc.aio.AioRpcError as error:
        raise _fault(error, target) from error
    return _checked(answer.certificate, authority, key)


def _checked(der: bytes, authority: x509.Certificate, key: GuardedKey) -> x509.Certificate:
    try:
        certificate = from_der(der)
        named = check_device_certificate(certificate, authority, key.public_key())
    except (ValueError, CertificateRefused) as error:
        raise BadAnswer(f"the aggregator gave a certificate that cannot be used: {error}") from error
    if not isinstance(named, DeviceName):
        raise BadAnswer("the aggregator gave a certificate that is not a device's")
    return certificate


def _fault(error: grpc.aio.AioRpcError, target: Target) -> LinkLost | JoinRefused:
    details = cleaned(error.details())
    if error.code() in _REFUSALS:
        return JoinRefused(f"the aggregator refused: {details}", error_reason(error.trailing_metadata()))
    return LinkLost(f"no aggregator answers at {target} ({error.code().name}: {details}); check the address")
