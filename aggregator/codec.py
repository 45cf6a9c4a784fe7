"""The wire's edge: protobuf to values and back; no other module reads a field of a device's message."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.records import (
    CheckIn,
    ClockQuality,
    DeviceFault,
    Event,
    EventBody,
    Hello,
    Modality,
    Mode,
    Moment,
    Outcome,
    Registration,
    StageTime,
)
from aidpost.v1 import event_pb2, link_pb2
from trust.consent import Consent

MAX_INT64 = 2**63 - 1  # SQLite's integer; 2262-04-11 as nanoseconds since 1970
MAX_STAGES = 32
MAX_MODALITIES = 8
MAX_LANGUAGE_TAG = 35  # RFC 5646, 4.4.1: a buffer of 35 characters holds every registered tag

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CLOCK_QUALITIES = {
    event_pb2.CLOCK_QUALITY_UNSET: ClockQuality.UNSET,
    event_pb2.CLOCK_QUALITY_SYNCHRONISED: ClockQuality.SYNCHRONISED,
}
_MODES = {event_pb2.MODE_VERIFY: Mode.VERIFY, event_pb2.MODE_IDENTIFY: Mode.IDENTIFY}
_OUTCOMES = {
    event_pb2.OUTCOME_MATCH: Outcome.MATCH,
    event_pb2.OUTCOME_NO_MATCH: Outcome.NO_MATCH,
    event_pb2.OUTCOME_SUGGESTION: Outcome.SUGGESTION,
    event_pb2.OUTCOME_RETRY: Outcome.RETRY,
    event_pb2.OUTCOME_UNAVAILABLE: Outcome.UNAVAILABLE,
}
_MODALITIES = {event_pb2.MODALITY_FACE: Modality.FACE, event_pb2.MODALITY_FINGER: Modality.FINGER}
_CONSENTS = {event_pb2.CONSENT_ACCEPTED: Consent.ACCEPTED, event_pb2.CONSENT_DECLINED: Consent.DECLINED}

Batch: TypeAlias = tuple[Event, ...]
_EnumT = TypeVar("_EnumT", bound=int)
_ValueT = TypeVar("_ValueT")


class Malformed(ValueError):
    """A device sent what the protocol does not allow; the message repeats nothing that the device wrote."""


def parse_request(request: link_pb2.ConnectRequest, *, max_events: int) -> Hello | Batch:
    """Return the hello or the events of a batch, in rising order of seq; raises Malformed."""
    match request.WhichOneof("message"):
        case "hello":
            return _hello(request.hello)
        case "batch":
            return _batch(request.batch, max_events)
        case _:
            raise Malformed("a message holds neither a hello nor a batch")


def welcome(acked_seq: int, server_ns: int, max_events: int) -> link_pb2.ConnectResponse:
    """Return the answer to a hello; server_ns: nanoseconds since 1970 UTC."""
    server_time = Timestamp(seconds=server_ns // 1_000_000_000, nanos=server_ns % 1_000_000_000)
    return link_pb2.ConnectResponse(
        welcome=link_pb2.Welcome(acked_seq=acked_seq, server_time=server_time, max_batch_events=max_events)
    )


def ack(acked_seq: int) -> link_pb2.ConnectResponse:
    """Return the acknowledgement of everything up to acked_seq."""
    return link_pb2.ConnectResponse(ack=link_pb2.Ack(seq=acked_seq))


def _hello(hello: link_pb2.Hello) -> Hello:
    if not _NAME.fullmatch(hello.device_id):
        raise Malformed("device_id must be 1 to 63 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    if hello.site and not _NAME.fullmatch(hello.site):
        raise Malformed("site must be empty or 1 to 63 of A-Z a-z 0-9 . _ - and begin with a letter or digit")
    if hello.last_seq > MAX_INT64:
        raise Malformed("last_seq must be below 2^63")
    if not 1 <= hello.generation <= MAX_INT64:
        raise Malformed("generation must start at 1 and stay below 2^63")
    return Hello(
        device_id=hello.device_id,
        epoch=_id(hello.epoch, "epoch"),
        last_seq=hello.last_seq,
        software_version=_text(hello.software_version, "software_version", 64),
        site=hello.site,
        generation=hello.generation,
        instance=_id(hello.instance, "instance"),
    )


def _batch(batch: link_pb2.EventBatch, max_events: int) -> Batch:
    if not batch.events:
        raise Malformed("a batch holds no events")
    if len(batch.events) > max_events:
        raise Malformed(f"a batch holds more than the {max_events} events that the welcome allows")
    events: list[Event] = []
    previous_seq = 0
    for message in batch.events:
        if not previous_seq < message.seq <= MAX_INT64:
            raise Malformed("seq must start at 1, rise within a batch, and stay below 2^63")
        previous_seq = message.seq
        events.append(_event(message))
    return tuple(events)


def _event(message: event_pb2.Event) -> Event:
    body: EventBody
    match message.WhichOneof("body"):
        case "check_in":
            body = _check_in(message.check_in)
        case "registration":
            body = _registration(message.registration)
        case "device_fault":
            body = _device_fault(message.device_fault)
        case _:
            raise Malformed("an event has no body that this version knows")
    return Event(message.seq, _moment(message.moment), body, message.SerializeToString(deterministic=True))


def _moment(moment: event_pb2.Moment) -> Moment:
    return Moment(
        boot_id=_id(moment.boot_id, "boot_id"),
        monotonic_ns=_nanoseconds(moment.monotonic, "monotonic"),
        wall_ns=_nanoseconds(moment.wall, "wall"),
        quality=_known(_CLOCK_QUALITIES, moment.clock_quality, "clock_quality"),
    )


def _check_in(body: event_pb2.CheckIn) -> CheckIn:
    return CheckIn(
        record_id=_id(body.record_id, "record_id"),
        mode=_known(_MODES, body.mode, "mode"),
        outcome=_known(_OUTCOMES, body.outcome, "outcome"),
        entry_id=_id(body.entry_id, "entry_id") if body.entry_id else None,
        reason=_text(body.reason, "reason", 200),
        modalities=_modalities(body.modalities),
        tries=body.tries,
        score_llr=_finite(body.score_llr, "score_llr") if body.HasField("score_llr") else None,
        threshold_llr=_finite(body.threshold_llr, "threshold_llr")
        if body.HasField("threshold_llr")
        else None,
        operating_point=_text(body.operating_point, "operating_point", 200),
        gallery_size=body.gallery_size,
        stages=_stages(body.stages),
        confirmed=body.confirmed,
    )


def _modalities(modalities: Sequence[event_pb2.Modality.ValueType]) -> tuple[Modality, ...]:
    if len(modalities) > MAX_MODALITIES:
        raise Malformed(f"a check-in has more than {MAX_MODALITIES} modalities")
    return tuple([_known(_MODALITIES, modality, "modality") for modality in modalities])


def _stages(stages: Sequence[event_pb2.StageTime]) -> tuple[StageTime, ...]:
    if len(stages) > MAX_STAGES:
        raise Malformed(f"a check-in has more than {MAX_STAGES} stages")
    return tuple(
        [
            StageTime(_text(stage.stage, "stage", 32), _nanoseconds(stage.duration, "duration"))
            for stage in stages
        ]
    )


def _registration(body: event_pb2.Registration) -> Registration:
    return Registration(
        record_id=_id(body.record_id, "record_id"),
        entry_id=_id(body.entry_id, "entry_id") if body.entry_id else None,
        consent=_known(_CONSENTS, body.consent, "consent"),
        notice_version=_text(body.notice_version, "notice_version", 64),
        notice_language=_text(body.notice_language, "notice_language", MAX_LANGUAGE_TAG),
        face_templates=body.face_templates,
        finger_templates=body.finger_templates,
    )


def _device_fault(body: event_pb2.DeviceFault) -> DeviceFault:
    return DeviceFault(_text(body.part, "part", 32), body.recovered, _text(body.kind, "kind", 64))


def _known(known: Mapping[_EnumT, _ValueT], value: _EnumT, field: str) -> _ValueT:
    try:
        return known[value]
    except KeyError:
        raise Malformed(f"{field} is not a value that this version knows") from None


def _id(value: bytes, field: str) -> bytes:
    if len(value) != 16:
        raise Malformed(f"{field} must be 16 bytes")
    return value


def _text(value: str, field: str, max_characters: int) -> str:
    # isprintable is false for control characters, line breaks and marks that reverse the reading direction.
    if len(value) > max_characters or not value.isprintable():
        raise Malformed(f"{field} must be at most {max_characters} printable characters")
    return value


def _finite(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise Malformed(f"{field} must be a finite number")
    return value


def _nanoseconds(value: Timestamp | Duration, field: str) -> int:
    nanoseconds = value.seconds * 1_000_000_000 + value.nanos
    if not (0 <= nanoseconds <= MAX_INT64 and 0 <= value.nanos < 1_000_000_000):
        raise Malformed(f"{field} must lie between 0 and 2^63 nanoseconds")
    return nanoseconds
