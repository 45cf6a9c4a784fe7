"""EnrolmentService: how a device gets its certificate, and the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, assert_never

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from structlog.typing import FilteringBoundLogger

from aggregator.authority import Authority
from aggregator.link import ending
from aggregator.link.presence import Presence
from aggregator.link.refusing import DOMAIN, Refused
from aggregator.store import identities
from aggregator.store.errors import StoreError
from aggregator.store.identities import Barred, Certificate, JoinPending, JoinRefused, Standing
from aggregator.store.writer import StoreWriter
from aidpost.v1 import enrolment_pb2, enrolment_pb2_grpc
from trust.checking import Request, RequestRefused, read_request
from trust.claim import SECRET_BYTES, claim_digest
from trust.names import DeviceName
from trust.tls.callers import Callers
from trust.tls.refusals import Refusals

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
ASK_AGAIN_S = 5  # a person stands before both screens


class EnrolmentService(enrolment_pb2_grpc.EnrolmentServiceServicer):
    """Takes requests to join, and gives certificates to devices that an operator has approved."""

    def __init__(
        self,
        store: StoreWriter,
        authority: Authority,
        callers: Callers,
        presence: Presence,
        wall_ns: Callable[[], int],
        log: FilteringBoundLogger,
        refusals: Refusals,
    ) -> None:
        self._store = store
        self._authority = authority
        self._callers = callers
        self._presence = presence
        self._wall_ns = wall_ns
        self._log = log
        self._refusals = refusals

    async def Join(  # noqa: N802
        self, request: enrolment_pb2.JoinRequest, context: Context
    ) -> enrolment_pb2.JoinResponse:
        """Note the request, or answer it."""
        asked = await self._read(request.certificate_request, context)
        if len(request.claim_secret) not in (0, SECRET_BYTES):
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "the claim's secret has 10 bytes")
        secret = request.claim_secret
        digest = claim_digest(self._authority.claim_key, secret) if secret else None
        now_ns = self._wall_ns()
        try:
            answer = await self._store.submit(
                lambda db: identities.join(
                    db, asked, digest, now_ns, lambda wanted: self._authority.issue(wanted, now_ns)
                )
            )
        except StoreError as error:
            await ending.not_stored(error).abort(context)
        match answer:
            case Certificate():
                self._log.info("join.answered", device=asked.named.uri())
                return enrolment_pb2.JoinResponse(approved=enrolment_pb2.JoinApproved(certificate=answer.der))
            case JoinPending():
                if answer.parted and isinstance(asked.named, DeviceName):
                    self._presence.end(asked.named.device_id, ending.barred(Standing.UNKNOWN))
                if answer.first_time:
                    self._log.info("join.pending", device=asked.named.uri())
                pending = enrolment_pb2.JoinPending(retry_after=Duration(seconds=ASK_AGAIN_S))
                return enrolment_pb2.JoinResponse(pending=pending)
            case JoinRefused():
                await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, answer.why, answer.reason)
            case _:
                assert_never(answer)
        raise AssertionError("abort does not return")

    async def RenewCertificate(  # noqa: N802
        self, request: enrolment_pb2.RenewCertificateRequest, context: Context
    ) -> enrolment_pb2.RenewCertificateResponse:
        """Give the caller its next certificate."""
        asked = await self._read(request.certificate_request, context)
        peer = self._callers.of(context).peer
        if peer is None:
            raise AssertionError("only devices may call this")
        now_ns = self._wall_ns()
        try:
            answer = await self._store.submit(
                lambda db: identities.renew(
                    db, peer.serial, asked, now_ns, lambda wanted: self._authority.issue(wanted, now_ns)
                )
            )
        except StoreError as error:
            await ending.not_stored(error).abort(context)
        match answer:
            case Certificate():
                self._log.info("certificate.renewed", device=asked.named.uri())
                return enrolment_pb2.RenewCertificateResponse(certificate=answer.der)
            case Barred():
                await ending.barred(answer.standing).abort(context)
            case JoinRefused():
                await self._refuse(context, grpc.StatusCode.PERMISSION_DENIED, answer.why)
            case _:
                assert_never(answer)
        raise AssertionError("abort does not return")

    async def _read(self, der: bytes, context: Context) -> Request:
        try:
            return read_request(der)
        except RequestRefused as error:
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise AssertionError("abort does not return") from error

    async def _refuse(self, context: Context, code: grpc.StatusCode, why: str, reason: str = "") -> None:
        self._refusals.note(self._callers.of(context).address, why)
        details = (ErrorInfo(reason=reason, domain=DOMAIN),) if reason else ()
        await Refused(code, why, *details).abort(context)
