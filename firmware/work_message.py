"""The records of the work as protobuf: services, lists, the close of the day, complaints."""

from __future__ import annotations

from aidpost.v1 import event_pb2
from firmware.records import Complaint, DayClosed, ListErased, ListLoaded, Service
from trust.service import Answer, Basis, Concern, Reason, Workflow

MILLISECOND_NS = 1_000_000

_WORKFLOWS = {
    Workflow.REGISTRATION: event_pb2.WORKFLOW_REGISTRATION,
    Workflow.CLINIC: event_pb2.WORKFLOW_CLINIC,
    Workflow.DISTRIBUTION: event_pb2.WORKFLOW_DISTRIBUTION,
}
_ANSWERS = {
    Answer.REGISTERED: event_pb2.ANSWER_REGISTERED,
    Answer.VISIT: event_pb2.ANSWER_VISIT,
    Answer.GIVEN: event_pb2.ANSWER_GIVEN,
    Answer.NOT_GIVEN: event_pb2.ANSWER_NOT_GIVEN,
    Answer.ALREADY_COLLECTED: event_pb2.ANSWER_ALREADY_COLLECTED,
    Answer.DESK: event_pb2.ANSWER_DESK,
    Answer.PERSON: event_pb2.ANSWER_PERSON,
}
_BASES = {
    Basis.BIOMETRIC: event_pb2.BASIS_BIOMETRIC,
    Basis.CONFIRMED: event_pb2.BASIS_CONFIRMED,
    Basis.CARD: event_pb2.BASIS_CARD,
    Basis.ALTERNATE: event_pb2.BASIS_ALTERNATE,
    Basis.EXCEPTION: event_pb2.BASIS_EXCEPTION,
    Basis.PAPER: event_pb2.BASIS_PAPER,
}
_REASONS = {
    Reason.WORN_FINGERS: event_pb2.REASON_WORN_FINGERS,
    Reason.FACE_NOT_TAKEN: event_pb2.REASON_FACE_NOT_TAKEN,
    Reason.DEVICE_FAULT: event_pb2.REASON_DEVICE_FAULT,
    Reason.COLLECTOR_ABSENT: event_pb2.REASON_COLLECTOR_ABSENT,
    Reason.KNOWN_TO_STAFF: event_pb2.REASON_KNOWN_TO_STAFF,
    Reason.LIST_WRONG: event_pb2.REASON_LIST_WRONG,
}
_CONCERNS = {
    Concern.SERVICE: event_pb2.CONCERN_SERVICE,
    Concern.WAIT: event_pb2.CONCERN_WAIT,
    Concern.TREATMENT: event_pb2.CONCERN_TREATMENT,
    Concern.BIOMETRICS: event_pb2.CONCERN_BIOMETRICS,
    Concern.DATA: event_pb2.CONCERN_DATA,
    Concern.LIST: event_pb2.CONCERN_LIST,
    Concern.OTHER: event_pb2.CONCERN_OTHER,
}


def service_to(body: Service) -> event_pb2.Service:
    """Return a service as protobuf."""
    return event_pb2.Service(
        record_id=body.record_id,
        workflow=_WORKFLOWS[body.workflow],
        answer=_ANSWERS[body.answer],
        basis=event_pb2.BASIS_UNSPECIFIED if body.basis is None else _BASES[body.basis],
        check_ins=body.check_ins,
        reason=event_pb2.REASON_UNSPECIFIED if body.reason is None else _REASONS[body.reason],
        household=body.household or b"",
        cycle=body.cycle,
        duration_ms=body.duration_ns // MILLISECOND_NS,
        declined=body.declined,
        cohort=body.cohort,
        operator=body.operator,
        supervisor=body.supervisor,
        countersigned_by=body.countersigned_by,
    )


def list_loaded_to(body: ListLoaded) -> event_pb2.ListLoaded:
    """Return the loading of a list as protobuf."""
    return event_pb2.ListLoaded(
        workflow=_WORKFLOWS[body.workflow],
        cycle=body.cycle,
        entries=body.entries,
        digest=body.digest,
        approved_by=body.approved_by,
    )


def list_erased_to(body: ListErased) -> event_pb2.ListErased:
    """Return the receipt for a list's erasure as protobuf."""
    return event_pb2.ListErased(
        workflow=_WORKFLOWS[body.workflow], cycle=body.cycle, entries=body.entries, digest=body.digest
    )


def day_closed_to(body: DayClosed) -> event_pb2.DayClosed:
    """Return the close of a day as protobuf."""
    return event_pb2.DayClosed(
        workflow=_WORKFLOWS[body.workflow],
        cycle=body.cycle,
        planned=body.planned,
        served=body.served,
        exceptions=body.exceptions,
        already_collected=body.already_collected,
        conflicts=body.conflicts,
        waiting=body.waiting,
        seal=body.seal,
        operator=body.operator,
    )


def complaint_to(body: Complaint) -> event_pb2.Complaint:
    """Return a complaint as protobuf."""
    return event_pb2.Complaint(
        record_id=body.record_id, workflow=_WORKFLOWS[body.workflow], concern=_CONCERNS[body.concern]
    )
