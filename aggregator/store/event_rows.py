"""Events as rows of the store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, assert_never

import msgspec

from aggregator.holdings import Details
from aggregator.records import (
    COLLECTED_TWICE,
    CheckIn,
    CollectedAt,
    CollectionConflict,
    CommandResult,
    Complaint,
    DayClosed,
    DeviceFault,
    Event,
    ListErased,
    ListLoaded,
    Modality,
    Registration,
    Resemblance,
    Service,
    StageTime,
    TelemetryDropped,
)
from trust.telemetry import Telemetry

COLUMNS = (
    "outbox", "seq", "kind", "received_ns", "boot_id", "monotonic_ns", "wall_ns", "clock_quality",
    "record_id", "entry_id", "outcome", "mode", "tries", "score_llr", "threshold_llr", "reason",
    "details", "content",
)  # fmt: skip


class _CheckInDetails(msgspec.Struct, frozen=True):
    """What `Details` says of a check-in; its forty fields would take three times as long to encode."""

    modalities: tuple[Modality, ...]
    operating_point: str
    gallery_size: int
    confirmed: bool
    stages: tuple[StageTime, ...]


def row(outbox: int, event: Event, now_ns: int) -> tuple[Any, ...]:
    """Return an event that came just now in the order of COLUMNS."""
    # `_value_`: `value` is two functions in Python 3.11, 0.1 us each time.
    moment, body = event.moment, event.body
    checked: tuple[Any, ...] = (None,) * 6
    record_id = entry_id = None
    details: Details | _CheckInDetails
    match body:
        case CheckIn():
            kind, record_id, entry_id = "check_in", body.record_id, body.entry_id
            checked = (
                body.outcome._value_, body.mode._value_, body.tries,
                body.score_llr, body.threshold_llr, body.reason,
            )  # fmt: skip
            details = _CheckInDetails(
                body.modalities, body.operating_point, body.gallery_size, body.confirmed, body.stages
            )
        case Registration():
            kind, record_id, entry_id = "registration", body.record_id, body.entry_id
            details = Details(
                consent=body.consent.value,
                notice_version=body.notice_version,
                notice_language=body.notice_language,
                face_templates=body.face_templates,
                finger_templates=body.finger_templates,
            )
        case DeviceFault():
            kind = "device_fault"
            details = Details(part=body.part, recovered=body.recovered, fault=body.kind)
        case CommandResult():
            kind = "command_result"
            details = Details(command=body.kind.value, command_outcome=body.outcome.value, detail=body.detail)
        case TelemetryDropped():
            kind = "telemetry_dropped"
            details = Details(dropped=body.events)
        case Service():
            kind, record_id = "service", body.record_id
            reason = body.reason.value if body.reason else None
            checked = (body.answer.value, body.workflow.value, None, None, None, reason)
            details = Details(
                workflow=body.workflow.value,
                cycle=body.cycle,
                basis=body.basis.value if body.basis else None,
                check_ins=tuple(check_in.hex() for check_in in body.check_ins),
                household=body.household.hex() if body.household else None,
                duration_ns=body.duration_ns,
                declined=body.declined,
                cohort=body.cohort or None,
                operator=body.operator or None,
                supervisor=body.supervisor or None,
                countersigned_by=body.countersigned_by or None,
            )
        case ListLoaded():
            kind = "list_loaded"
            details = Details(
                workflow=body.workflow.value,
                cycle=body.cycle,
                entries=body.entries,
                digest=body.digest.hex(),
                approved_by=body.approved_by,
            )
        case ListErased():
            kind = "list_erased"
            details = Details(
                workflow=body.workflow.value,
                cycle=body.cycle,
                entries=body.entries,
                digest=body.digest.hex(),
            )
        case DayClosed():
            kind = "day_closed"
            details = Details(
                workflow=body.workflow.value,
                cycle=body.cycle,
                planned=body.planned,
                served=body.served,
                exceptions=body.exceptions,
                already_collected=body.already_collected,
                conflicts=body.conflicts,
                waiting=body.waiting,
                digest=body.seal.hex() or None,
                operator=body.operator or None,
            )
        case Complaint():
            kind, record_id = "complaint", body.record_id
            details = Details(workflow=body.workflow.value, concern=body.concern.value)
        case CollectionConflict():
            kind, record_id = "conflict", body.second.record_id
            checked = (COLLECTED_TWICE, None, None, None, None, None)
            details = Details(
                cycle=body.cycle,
                household=body.household.hex(),
                collected=(_where(body.first), _where(body.second)),
            )
        case Resemblance():
            kind, entry_id = "resemblance", body.entry_id
            checked = (None, None, None, body.score_llr, None, None)
            details = Details(resembles=body.resembles.hex(), strength=body.strength.value)
        case Telemetry():
            kind = "telemetry"
            details = Details()
        case _:
            assert_never(body)
    return (
        outbox, event.seq, kind, now_ns,
        moment.boot_id, moment.monotonic_ns, moment.wall_ns, moment.quality._value_,
        record_id, entry_id, *checked, msgspec.json.encode(details).decode(), event.content,
    )  # fmt: skip


def _where(collected: CollectedAt) -> str:
    moment = collected.moment
    at = datetime.fromtimestamp(moment.wall_ns / 1e9, UTC).isoformat(timespec="seconds")
    return f"{collected.device_id} {at.replace('+00:00', 'Z')} {collected.record_id.hex()}"
