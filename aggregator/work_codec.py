"""The records of the work, protobuf to values: services, lists, the close of the day, complaints."""

from __future__ import annotations

from aggregator.fields import MILLISECOND_NS, counted, digest, identifier, known, text
from aggregator.malformed import Malformed
from aggregator.records import Complaint, DayClosed, ListErased, ListLoaded, Service
from aidpost.v1 import event_pb2
from trust.lists.terms import MAX_LABEL
from trust.service import Answer, Basis, Concern, Reason, Workflow

MAX_CYCLE = 64
MAX_STAFF_NAME = 63
MAX_CHECK_INS = 16
MAX_APPROVALS = 4

_WORKFLOWS = {
    event_pb2.WORKFLOW_REGISTRATION: Workflow.REGISTRATION,
    event_pb2.WORKFLOW_CLINIC: Workflow.CLINIC,
    event_pb2.WORKFLOW_DISTRIBUTION: Workflow.DISTRIBUTION,
}
_ANSWERS = {
    event_pb2.ANSWER_REGISTERED: Answer.REGISTERED,
    event_pb2.ANSWER_VISIT: Answer.VISIT,
    event_pb2.ANSWER_GIVEN: Answer.GIVEN,
    event_pb2.ANSWER_NOT_GIVEN: Answer.NOT_GIVEN,
    event_pb2.ANSWER_ALREADY_COLLECTED: Answer.ALREADY_COLLECTED,
    event_pb2.ANSWER_DESK: Answer.DESK,
    event_pb2.ANSWER_PERSON: Answer.PERSON,
}
_BASES = {
    event_pb2.BASIS_BIOMETRIC: Basis.BIOMETRIC,
    event_pb2.BASIS_CONFIRMED: Basis.CONFIRMED,
    event_pb2.BASIS_CARD: Basis.CARD,
    event_pb2.BASIS_ALTERNATE: Basis.ALTERNATE,
    event_pb2.BASIS_EXCEPTION: Basis.EXCEPTION,
    event_pb2.BASIS_PAPER: Basis.PAPER,
}
_REASONS = {
    event_pb2.REASON_WORN_FINGERS: Reason.WORN_FINGERS,
    event_pb2.REASON_FACE_NOT_TAKEN: Reason.FACE_NOT_TAKEN,
    event_pb2.REASON_DEVICE_FAULT: Reason.DEVICE_FAULT,
    event_pb2.REASON_COLLECTOR_ABSENT: Reason.COLLECTOR_ABSENT,
    event_pb2.REASON_KNOWN_TO_STAFF: Reason.KNOWN_TO_STAFF,
    event_pb2.REASON_LIST_WRONG: Reason.LIST_WRONG,
}
_CONCERNS = {
    event_pb2.CONCERN_SERVICE: Concern.SERVICE,
    event_pb2.CONCERN_WAIT: Concern.WAIT,
    event_pb2.CONCERN_TREATMENT: Concern.TREATMENT,
    event_pb2.CONCERN_BIOMETRICS: Concern.BIOMETRICS,
    event_pb2.CONCERN_DATA: Concern.DATA,
    event_pb2.CONCERN_LIST: Concern.LIST,
    event_pb2.CONCERN_OTHER: Concern.OTHER,
}


def service(body: event_pb2.Service) -> Service:
    """Return a service; raises Malformed, as all here do."""
    if len(body.check_ins) > MAX_CHECK_INS:
        raise Malformed(f"a service rests on more than {MAX_CHECK_INS} check-ins")
    return Service(
        record_id=identifier(body.record_id, "record_id"),
        workflow=known(_WORKFLOWS, body.workflow, "workflow"),
        answer=known(_ANSWERS, body.answer, "answer"),
        basis=known(_BASES, body.basis, "basis") if body.basis else None,
        check_ins=tuple([identifier(check_in, "check_ins") for check_in in body.check_ins]),
        reason=known(_REASONS, body.reason, "reason") if body.reason else None,
        household=identifier(body.household, "household") if body.household else None,
        cycle=text(body.cycle, "cycle", MAX_CYCLE),
        duration_ns=counted(body.duration_ms * MILLISECOND_NS, "duration_ms"),
        declined=body.declined,
        cohort=text(body.cohort, "cohort", MAX_LABEL),
        operator=text(body.operator, "operator", MAX_STAFF_NAME),
        supervisor=text(body.supervisor, "supervisor", MAX_STAFF_NAME),
        countersigned_by=text(body.countersigned_by, "countersigned_by", MAX_STAFF_NAME),
    )


def list_loaded(body: event_pb2.ListLoaded) -> ListLoaded:
    """Return the loading of a list."""
    if len(body.approved_by) > MAX_APPROVALS:
        raise Malformed(f"a list was approved by more than {MAX_APPROVALS} people")
    return ListLoaded(
        workflow=known(_WORKFLOWS, body.workflow, "workflow"),
        cycle=text(body.cycle, "cycle", MAX_CYCLE),
        entries=body.entries,
        digest=digest(body.digest, "digest"),
        approved_by=tuple([text(name, "approved_by", MAX_STAFF_NAME) for name in body.approved_by]),
    )


def list_erased(body: event_pb2.ListErased) -> ListErased:
    """Return the receipt for a list's erasure."""
    return ListErased(
        workflow=known(_WORKFLOWS, body.workflow, "workflow"),
        cycle=text(body.cycle, "cycle", MAX_CYCLE),
        entries=body.entries,
        digest=digest(body.digest, "digest"),
    )


def day_closed(body: event_pb2.DayClosed) -> DayClosed:
    """Return the close of a day."""
    return DayClosed(
        workflow=known(_WORKFLOWS, body.workflow, "workflow"),
        cycle=text(body.cycle, "cycle", MAX_CYCLE),
        planned=body.planned,
        served=body.served,
        exceptions=body.exceptions,
        already_collected=body.already_collected,
        conflicts=body.conflicts,
        waiting=counted(body.waiting, "waiting"),
        seal=digest(body.seal, "seal") if body.seal else b"",
        operator=text(body.operator, "operator", MAX_STAFF_NAME),
    )


def complaint(body: event_pb2.Complaint) -> Complaint:
    """Return a complaint."""
    return Complaint(
        record_id=identifier(body.record_id, "record_id"),
        workflow=known(_WORKFLOWS, body.workflow, "workflow"),
        concern=known(_CONCERNS, body.concern, "concern"),
    )
