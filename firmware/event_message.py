"""Records as protobuf, and their canonical form, which the hash chain covers and the aggregator compares."""

from __future__ import annotations

from typing import assert_never

from aidpost.v1 import event_pb2
from firmware.records import (
    CheckIn,
    ClockQuality,
    CollectedAt,
    CollectionConflict,
    CommandKind,
    CommandOutcome,
    CommandResult,
    Complaint,
    DayClosed,
    DeviceFault,
    Event,
    ListErased,
    ListLoaded,
    Measured,
    Mode,
    Moment,
    Outcome,
    Registration,
    Resemblance,
    Service,
    TelemetryDropped,
)
from firmware.telemetry_message import telemetry_to
from firmware.work_message import (
    complaint_to,
    day_closed_to,
    list_erased_to,
    list_loaded_to,
    service_to,
)
from inference.types import Modality
from trust.consent import Consent

MILLISECOND_NS = 1_000_000
TENTH_MS_NS = 100_000
_INT32 = 2**31

CLOCK_QUALITIES = {
    ClockQuality.UNSET: event_pb2.CLOCK_QUALITY_UNSET,
    ClockQuality.SYNCHRONISED: event_pb2.CLOCK_QUALITY_SYNCHRONISED,
    ClockQuality.CHECKED: event_pb2.CLOCK_QUALITY_CHECKED,
    ClockQuality.WRONG: event_pb2.CLOCK_QUALITY_WRONG,
}
_MODES = {Mode.VERIFY: event_pb2.MODE_VERIFY, Mode.IDENTIFY: event_pb2.MODE_IDENTIFY}
_OUTCOMES = {
    Outcome.MATCH: event_pb2.OUTCOME_MATCH,
    Outcome.NO_MATCH: event_pb2.OUTCOME_NO_MATCH,
    Outcome.SUGGESTION: event_pb2.OUTCOME_SUGGESTION,
    Outcome.RETRY: event_pb2.OUTCOME_RETRY,
    Outcome.UNAVAILABLE: event_pb2.OUTCOME_UNAVAILABLE,
}
_MODALITIES = {Modality.FACE: event_pb2.MODALITY_FACE, Modality.FINGER: event_pb2.MODALITY_FINGER}
_CONSENTS = {
    Consent.ACCEPTED: event_pb2.CONSENT_ACCEPTED,
    Consent.DECLINED: event_pb2.CONSENT_DECLINED,
}
COMMAND_KINDS = {
    CommandKind.SELF_TEST: event_pb2.COMMAND_KIND_SELF_TEST,
    CommandKind.SYNC_NOW: event_pb2.COMMAND_KIND_SYNC_NOW,
    CommandKind.LOCK: event_pb2.COMMAND_KIND_LOCK,
    CommandKind.RENEW_LEASE: event_pb2.COMMAND_KIND_RENEW_LEASE,
    CommandKind.RESTART: event_pb2.COMMAND_KIND_RESTART,
    CommandKind.REBOOT: event_pb2.COMMAND_KIND_REBOOT,
    CommandKind.WIPE: event_pb2.COMMAND_KIND_WIPE,
    CommandKind.COLLECT_DIAGNOSTICS: event_pb2.COMMAND_KIND_COLLECT_DIAGNOSTICS,
    CommandKind.OPEN_SUPPORT: event_pb2.COMMAND_KIND_OPEN_SUPPORT,
    CommandKind.TAIL_LOG: event_pb2.COMMAND_KIND_TAIL_LOG,
}
_COMMAND_OUTCOMES = {
    CommandOutcome.DONE: event_pb2.COMMAND_OUTCOME_DONE,
    CommandOutcome.FAILED: event_pb2.COMMAND_OUTCOME_FAILED,
    CommandOutcome.EXPIRED: event_pb2.COMMAND_OUTCOME_EXPIRED,
    CommandOutcome.REFUSED: event_pb2.COMMAND_OUTCOME_REFUSED,
    CommandOutcome.INTERRUPTED: event_pb2.COMMAND_OUTCOME_INTERRUPTED,
}

# By the words of `inference.operating_point.Strength`, which the commands do not wait to import.
_STRENGTHS = {
    "strong": event_pb2.SCORE_STRENGTH_STRONG,
    "fair": event_pb2.SCORE_STRENGTH_FAIR,
    "weak": event_pb2.SCORE_STRENGTH_WEAK,
}


def canonical(event: Event) -> bytes:
    """Return the event's canonical form."""
    return to_message(event).SerializeToString(deterministic=True)


def to_message(event: Event) -> event_pb2.Event:
    """Return the event as protobuf; times are rounded down to what the wire tells."""
    message = event_pb2.Event(seq=event.seq, moment=moment_to(event.moment))
    match event.body:
        case CheckIn() as body:
            message.check_in.CopyFrom(_check_in_to(body))
        case Registration() as body:
            message.registration.CopyFrom(_registration_to(body))
        case DeviceFault() as body:
            message.device_fault.CopyFrom(
                event_pb2.DeviceFault(part=body.part, recovered=body.recovered, kind=body.kind)
            )
        case CommandResult() as body:
            message.command_result.CopyFrom(
                event_pb2.CommandResult(
                    command_id=body.command_id,
                    kind=COMMAND_KINDS[body.kind],
                    outcome=_COMMAND_OUTCOMES[body.outcome],
                    detail=body.detail,
                )
            )
        case TelemetryDropped() as body:
            message.telemetry_dropped.CopyFrom(event_pb2.TelemetryDropped(events=body.events))
        case Service() as body:
            message.service.CopyFrom(service_to(body))
        case ListLoaded() as body:
            message.list_loaded.CopyFrom(list_loaded_to(body))
        case ListErased() as body:
            message.list_erased.CopyFrom(list_erased_to(body))
        case DayClosed() as body:
            message.day_closed.CopyFrom(day_closed_to(body))
        case Complaint() as body:
            message.complaint.CopyFrom(complaint_to(body))
        case CollectionConflict() as body:
            message.collection_conflict.CopyFrom(
                event_pb2.CollectionConflict(
                    household=body.household,
                    cycle=body.cycle,
                    first=_collected_to(body.first),
                    second=_collected_to(body.second),
                )
            )
        case Resemblance() as body:
            message.resemblance.CopyFrom(
                event_pb2.Resemblance(
                    gallery_id=body.gallery_id,
                    entry_id=body.entry_id,
                    resembles=body.resembles,
                    score_hundredths=_whole_hundredths(body.score_llr),
                    strength=_STRENGTHS[body.strength],
                )
            )
        case Measured() as body:
            message.telemetry.CopyFrom(telemetry_to(body.telemetry))
        case _:
            assert_never(event.body)
    return message


def moment_to(moment: Moment) -> event_pb2.Moment:
    """Return a moment as protobuf."""
    return event_pb2.Moment(
        boot_id=moment.boot_id,
        monotonic_ms=moment.monotonic_ns // MILLISECOND_NS,
        wall_ms=moment.wall_ns // MILLISECOND_NS,
        clock_quality=CLOCK_QUALITIES[moment.quality],
    )


def _collected_to(collected: CollectedAt) -> event_pb2.CollectedAt:
    return event_pb2.CollectedAt(
        record_id=collected.record_id,
        device_id=collected.device_id,
        moment=moment_to(collected.moment),
    )


def _check_in_to(body: CheckIn) -> event_pb2.CheckIn:
    return event_pb2.CheckIn(
        record_id=body.record_id,
        mode=_MODES[body.mode],
        outcome=_OUTCOMES[body.outcome],
        entry_id=body.entry_id or b"",
        reason=body.reason,
        modalities=[_MODALITIES[modality] for modality in body.modalities],
        tries=body.tries,
        score_hundredths=_hundredths(body.score_llr),
        threshold_hundredths=_hundredths(body.threshold_llr),
        operating_point=body.operating_point,
        gallery_size=body.gallery_size,
        stages=[
            event_pb2.StageTime(stage=time.stage, tenths_ms=round(time.duration_ns / TENTH_MS_NS))
            for time in body.stages
        ],
        confirmed=body.confirmed,
    )


def _registration_to(body: Registration) -> event_pb2.Registration:
    return event_pb2.Registration(
        record_id=body.record_id,
        entry_id=body.entry_id or b"",
        consent=_CONSENTS[body.consent],
        notice_version=body.notice_version,
        notice_language=body.notice_language,
        face_templates=body.face_templates,
        finger_templates=body.finger_templates,
    )


def _hundredths(score_llr: float | None) -> int | None:
    return None if score_llr is None else _whole_hundredths(score_llr)


def _whole_hundredths(score_llr: float) -> int:
    """Round down, so that a score keeps its side of the threshold; the packed column holds no more."""
    # 0.29 * 100 is 28.999999999999996: what is a whole number of hundredths stays one.
    return int(min(max(round(score_llr * 100, 6) // 1, -_INT32), _INT32 - 2))
