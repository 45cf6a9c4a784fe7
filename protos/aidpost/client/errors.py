"""What FleetService refuses, as exceptions: the class by the status, google.rpc details as fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of a request that cannot be meant; field: its path, as "group.filter"."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One condition that does not hold; kind: a word of docs/fleet.md, as "ROLLOUT_ENDED"."""

    kind: str
    subject: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    fields: tuple[FieldFault, ...] = ()
    resource_kind: str = ""
    resource: str = ""
    violations: tuple[Violation, ...] = ()
    retry_after_s: float | None = None


class FleetError(Exception):
    """A call was not done; str() is the server's sentence, which says what to do next.

    reason, metadata: of google.rpc.ErrorInfo. fields: of BadRequest. resource_kind, resource: of
    ResourceInfo. violations: of PreconditionFailure. retry_after_s: of RetryInfo, None where the server named
    no delay. What the server did not send is empty.
    """

    def __init__(self, code: grpc.StatusCode, message: str, details: _Details) -> None:
        super().__init__(message)
        self.code = code
        self.reason = details.reason
        self.metadata = details.metadata
        self.fields = details.fields
        self.resource_kind = details.resource_kind
        self.resource = details.resource
        self.violations = details.violations
        self.retry_after_s = details.retry_after_s


class NotAuthenticated(FleetError):
    """The credential ended, or there is none (UNAUTHENTICATED)."""


class NotAllowed(FleetError):
    """This role may not make this call, or the person was shut out (PERMISSION_DENIED)."""


class InvalidRequest(FleetError):
    """The request cannot be meant (INVALID_ARGUMENT, OUT_OF_RANGE); `fields` names what is wrong."""


class NotFound(FleetError):
    """There is no such thing (NOT_FOUND); `resource` names it."""


class Changed(FleetError):
    """Somebody else changed it meanwhile (ABORTED): read it again, and decide again."""


class NotPossible(FleetError):
    """The state does not allow it (FAILED_PRECONDITION, ALREADY_EXISTS); `violations` says why."""


class Exhausted(FleetError):
    """A limit is reached (RESOURCE_EXHAUSTED); `retry_after_s` says until when, if the server knows."""


class Unreachable(FleetError):
    """No aggregator answers, or it can store nothing now (UNAVAILABLE)."""


class TimedOut(FleetError):
    """No answer came in time (DEADLINE_EXCEEDED): whether it was done is not known."""


_CLASSES = {
    grpc.StatusCode.UNAUTHENTICATED: NotAuthenticated,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ABORTED: Changed,
    grpc.StatusCode.FAILED_PRECONDITION: NotPossible,
    grpc.StatusCode.ALREADY_EXISTS: NotPossible,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Exhausted,
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
}


def error_of(failed: grpc.RpcError) -> FleetError:
    """Return the exception for a call that ended badly."""
    call: Any = failed  # every error of a call is a grpc.Call too, which the stubs do not know
    code: grpc.StatusCode = call.code()
    message = call.details() or code.name.lower().replace("_", " ")
    return _CLASSES.get(code, FleetError)(code, message, _details(call.trailing_metadata() or ()))


def _details(metadata: Any) -> _Details:
    status = Status()
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            try:
                status.ParseFromString(value)
            except DecodeError:
                return _Details()
    info, bad, resource = ErrorInfo(), BadRequest(), ResourceInfo()
    failure, retry = PreconditionFailure(), RetryInfo()
    for detail in status.details:
        for kind in (info, bad, resource, failure, retry):
            if detail.Is(kind.DESCRIPTOR):
                detail.Unpack(kind)
    delay = retry.retry_delay
    return _Details(
        reason=info.reason,
        metadata=MappingProxyType(dict(info.metadata)),
        fields=tuple(FieldFault(each.field, each.description) for each in bad.field_violations),
        resource_kind=resource.resource_type,
        resource=resource.resource_name,
        violations=tuple(Violation(each.type, each.subject, each.description) for each in failure.violations),
        retry_after_s=delay.seconds + delay.nanos / 1e9 if retry.HasField("retry_delay") else None,
    )
