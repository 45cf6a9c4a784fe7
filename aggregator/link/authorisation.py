"""Who may make which call: one table, and the interceptor that holds every call against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from types import MappingProxyType
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from aggregator.link import ending
from aggregator.link.ending import LinkEnded
from aggregator.link.refusing import Refused
from aggregator.records import CommandKind
from aggregator.store import identities
from aggregator.store.errors import StoreError
from aggregator.store.identities import Standing
from aggregator.store.view import StoreView
from aidpost.v1 import artifact_pb2, enrolment_pb2, fleet_pb2, gallery_pb2, ingest_pb2, link_pb2
from trust.names import PEOPLE, Role
from trust.tls.callers import Caller, Callers
from trust.tls.refusals import Refusals

NOBODY = None
"""Stands in the table for a caller without a certificate."""

ENROLMENT = enrolment_pb2.DESCRIPTOR.services_by_name["EnrolmentService"].full_name
LINK = link_pb2.DESCRIPTOR.services_by_name["DeviceLinkService"].full_name
INGEST = ingest_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name
FLEET = fleet_pb2.DESCRIPTOR.services_by_name["FleetService"].full_name
ARTIFACTS = artifact_pb2.DESCRIPTOR.services_by_name["ArtifactService"].full_name
DIAGNOSTICS = artifact_pb2.DESCRIPTOR.services_by_name["DiagnosticsService"].full_name
GALLERY = gallery_pb2.DESCRIPTOR.services_by_name["GalleryService"].full_name
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name

_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
_OPERATORS = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})
_OVERSIGHT = frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR})
_CUSTODY = frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.CUSTODIAN})
_DEVICES = frozenset({Role.DEVICE})
_KNOWN = frozenset({*PEOPLE, Role.DEVICE})

ALLOWED: Mapping[str, frozenset[Role | None]] = MappingProxyType(
    {
        f"/{ENROLMENT}/Join": frozenset({NOBODY}),
        f"/{ENROLMENT}/RenewCertificate": _DEVICES,
        f"/{LINK}/Connect": _DEVICES,
        f"/{INGEST}/ReportResults": _DEVICES,
        f"/{FLEET}/CreateClaim": _OPERATORS,
        f"/{FLEET}/ListEnrolments": _OVERSIGHT,
        f"/{FLEET}/ApproveDevice": _OPERATORS,
        f"/{FLEET}/RevokeDevice": _OPERATORS,
        f"/{FLEET}/AddPerson": _ADMINISTRATOR,
        f"/{FLEET}/RemovePerson": _ADMINISTRATOR,
        f"/{FLEET}/SendCommand": _OPERATORS,
        f"/{FLEET}/ListCommands": _OVERSIGHT,
        f"/{FLEET}/SendCommands": _OPERATORS,
        f"/{FLEET}/CancelCommand": _OPERATORS,
        f"/{FLEET}/ListAudit": frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
        f"/{FLEET}/ListDevices": _OVERSIGHT,
        f"/{FLEET}/GetDevice": _OVERSIGHT,
        f"/{FLEET}/UpdateDevice": _OPERATORS,
        f"/{FLEET}/ListTelemetry": _OVERSIGHT,
        f"/{FLEET}/ListSites": _OVERSIGHT,
        f"/{FLEET}/UpdateSite": _OPERATORS,
        f"/{FLEET}/ListGroups": _OVERSIGHT,
        f"/{FLEET}/UpdateGroup": _OPERATORS,
        f"/{FLEET}/DeleteGroup": _OPERATORS,
        f"/{FLEET}/GetDesire": _OVERSIGHT,
        f"/{FLEET}/UpdateDesire": _OPERATORS,
        f"/{FLEET}/AddArtifact": _ADMINISTRATOR,
        f"/{FLEET}/ListArtifacts": _OVERSIGHT,
        f"/{FLEET}/PlanRollout": _OVERSIGHT,
        f"/{FLEET}/CreateRollout": _OPERATORS,
        f"/{FLEET}/GetRollout": _OVERSIGHT,
        f"/{FLEET}/ListRollouts": _OVERSIGHT,
        f"/{FLEET}/PauseRollout": _OPERATORS,
        f"/{FLEET}/ResumeRollout": _OPERATORS,
        f"/{FLEET}/CancelRollout": _OPERATORS,
        f"/{FLEET}/ListAlerts": _OVERSIGHT,
        f"/{FLEET}/AcknowledgeAlert": _OPERATORS,
        f"/{FLEET}/ListHooks": _ADMINISTRATOR,
        f"/{FLEET}/UpdateHook": _ADMINISTRATOR,
        f"/{FLEET}/DeleteHook": _ADMINISTRATOR,
        f"/{FLEET}/ListDiagnostics": _OVERSIGHT,
        f"/{FLEET}/FetchDiagnostics": _OPERATORS,
        f"/{FLEET}/FollowLog": _OPERATORS,
        f"/{FLEET}/ExportResults": _ADMINISTRATOR,
        f"/{ARTIFACTS}/Download": _DEVICES,
        f"/{DIAGNOSTICS}/GetUpload": _DEVICES,
        f"/{DIAGNOSTICS}/Upload": _DEVICES,
        f"/{DIAGNOSTICS}/TailLog": _DEVICES,
        f"/{GALLERY}/PublishCard": _DEVICES,
        f"/{GALLERY}/ListCards": _CUSTODY | _OVERSIGHT,
        f"/{GALLERY}/PublishRoster": _CUSTODY,
        f"/{GALLERY}/ListGalleries": _CUSTODY | _OVERSIGHT,
        f"/{GALLERY}/ListErasures": _CUSTODY | _OVERSIGHT,
        f"/{GALLERY}/ListAdjudications": _CUSTODY | _OVERSIGHT,
        f"/{GALLERY}/DecideAdjudication": _CUSTODY,
        f"/{GALLERY}/UndoAdjudication": _CUSTODY,
        f"/{GALLERY}/Sync": _DEVICES,
        f"/{GALLERY}/PushChanges": _DEVICES,
        f"/{_HEALTH}/Check": _KNOWN,
        f"/{_HEALTH}/Watch": _KNOWN,
        f"/{_REFLECTION}/ServerReflectionInfo": frozenset(PEOPLE),
    }
)
"""A call that is not listed is refused, also if a service has it."""

FOR_ADMINISTRATORS = frozenset({CommandKind.LOCK, CommandKind.WIPE})
"""Commands after which nothing on the device opens any more; operators may send the others."""


class Authorisation(grpc.aio.ServerInterceptor):
    """Refuses what the table does not allow, and whoever's certificate is not good any more.

    view: of its own, since every call waits for it. What was revoked is refused from the commit on.
    """

    def __init__(
        self, callers: Callers, view: StoreView, wall_ns: Callable[[], int], refusals: Refusals
    ) -> None:
        self._callers = callers
        self._view = view
        self._wall_ns = wall_ns
        self._refusals = refusals

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a handler that checks before it does what the service's own would."""
        method = handler_call_details.method
        handler: Any = await continuation(handler_call_details)
        if handler is None or method not in ALLOWED:
            return grpc.unary_unary_rpc_method_handler(self._refuse_unlisted)
        codecs = (handler.request_deserializer, handler.response_serializer)
        if handler.response_streaming:
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(self._guard_stream(method, inner), *codecs)
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary
        make_unary: Any = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        guarded: grpc.RpcMethodHandler[Any, Any] = make_unary(self._guard_unary(method, inner), *codecs)
        return guarded

    def _guard_unary(self, method: str, inner: Any) -> Any:
        async def guarded(request: Any, context: Any) -> Any:
            await self._check(method, context)
            async with _refusals(context):
                return await inner(request, context)

        return guarded

    def _guard_stream(self, method: str, inner: Any) -> Any:
        async def guarded(request: Any, context: Any) -> None:
            life_s = await self._check(method, context)
            try:
                async with asyncio.timeout(life_s) as life, _refusals(context):
                    answers = inner(request, context)
                    if hasattr(answers, "__aiter__"):
                        async with aclosing(answers):  # a call that ends early gives back what it holds
                            async for answer in answers:
                                await context.write(answer)
                    else:
                        await answers
            except TimeoutError:
                if not life.expired():
                    raise
                await ending.certificate_ended().abort(context)

        return guarded

    async def _check(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
        """Return how many seconds the caller's certificate still lasts, None without one; or end the call."""
        caller = self._callers.of(context)
        try:
            _refuse_role(caller, method)
            return await self._life_s(caller)
        except LinkEnded as refused:
            self._refusals.note(f"{caller} at {caller.address}", refused.message, method=method)
            await refused.abort(context)

    async def _life_s(self, caller: Caller) -> float | None:
        """Return how many seconds the caller's certificate still lasts; raises LinkEnded."""
        peer = caller.peer
        if peer is None:
            return None
        now_ns = self._wall_ns()
        try:
            worth = await self._view.look(lambda db: identities.worth(db, peer, now_ns))
        except StoreError as error:
            raise ending.not_stored(error) from error
        if worth.standing is not Standing.GOOD:
            raise ending.barred(worth.standing)
        return (worth.ends_ns - now_ns) / 1e9

    async def _refuse_unlisted(self, _request: Any, context: Any) -> None:
        caller = self._callers.of(context)
        self._refusals.note(f"{caller} at {caller.address}", "there is no such call")
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "there is no such call")


@asynccontextmanager
async def _refusals(context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[None]:
    """End the call with what a service raises: a refusal, or a fault of the store."""
    try:
        yield
    except Refused as refused:
        await refused.abort(context)
    except StoreError as error:
        await ending.not_stored(error).abort(context)


def _refuse_role(caller: Caller, method: str) -> None:
    if caller.role in ALLOWED[method]:
        return
    if caller.role is None:
        raise LinkEnded(grpc.StatusCode.UNAUTHENTICATED, "this call needs a certificate")
    raise LinkEnded(grpc.StatusCode.PERMISSION_DENIED, f"this call is not for the role {caller.role.value}")
