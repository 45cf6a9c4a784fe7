"""What a call is refused with: a status, one sentence on what to do next, and google.rpc details."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

DOMAIN = "aidpost"
ETAG_MISMATCH = "ETAG_MISMATCH"


class Refused(Exception):
    """The call ends with this status; raised within a transaction, nothing of that call is kept."""

    def __init__(self, code: grpc.StatusCode, message: str, *details: Message) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    async def abort(self, context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
        """End the call."""
        metadata: tuple[tuple[str, str | bytes], ...] = ()
        if self.details:
            packed = []
            for detail in self.details:
                packed.append(AnyMessage())
                packed[-1].Pack(detail)
            status = Status(code=self.code.value[0], message=self.message, details=packed)
            metadata = rpc_status.to_status(status).trailing_metadata
        await context.abort(self.code, self.message, metadata)
        raise AssertionError("abort does not return")


def bad_field(field: str, why: str) -> Refused:
    """A field cannot be meant; why: what to write instead."""
    return bad_fields([(field, why)])


def bad_fields(faults: Iterable[tuple[str, str]]) -> Refused:
    """Some fields cannot be meant."""
    violations = [BadRequest.FieldViolation(field=field, description=why) for field, why in faults]
    message = "; ".join(f"{each.field}: {each.description}" for each in violations)
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message, BadRequest(field_violations=violations))


def not_found(kind: str, name: str, do_next: str = "") -> Refused:
    """There is no such thing."""
    message = f"there is no {kind} {name}: {do_next or f'list the {kind}s, and name one of them'}"
    return Refused(grpc.StatusCode.NOT_FOUND, message, ResourceInfo(resource_type=kind, resource_name=name))


def changed_meanwhile(kind: str, name: str, etag: str) -> Refused:
    """Somebody else changed it since it was read; etag: of what is there now."""
    info = ErrorInfo(
        reason=ETAG_MISMATCH, domain=DOMAIN, metadata={"resource": f"{kind} {name}".strip(), "etag": etag}
    )
    message = f"somebody else changed {kind} {name} meanwhile: read it again, and change what is there now"
    return Refused(grpc.StatusCode.ABORTED, message, info)


def not_now(kind: str, subject: str, why: str) -> Refused:
    """The state does not allow it; kind: a word for programs, as "COMMAND_DELIVERED"."""
    violation = PreconditionFailure.Violation(type=kind, subject=subject, description=why)
    return Refused(grpc.StatusCode.FAILED_PRECONDITION, why, PreconditionFailure(violations=[violation]))


def not_allowed(reason: str, why: str) -> Refused:
    """This caller may not do this; reason: a word for programs."""
    return Refused(grpc.StatusCode.PERMISSION_DENIED, why, ErrorInfo(reason=reason, domain=DOMAIN))


def spent(why: str, retry_s: int) -> Refused:
    """A limit is reached, and will be lifted after a time."""
    retry = RetryInfo(retry_delay=Duration(seconds=retry_s))
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, why, retry)
