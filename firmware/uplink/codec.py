"""Records to protobuf, and the answers back: the only module of the appliance that sees both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from aidpost.v1 import event_pb2, link_pb2
from firmware.records import (
    CheckIn,
    ClockQuality,
    DeviceFault,
    Event,
    Mode,
    Moment,
    Outcome,
    Registration,
)
from inference.types import Modality
from trust.consent import Consent

SECOND_NS = 1_000_000_000
CONNECT = f"/{link_pb2.DESCRIPTOR.services_by_name['DeviceLinkService'].full_name}/Connect"

_CLOCK_QUALITIES = {
    ClockQuality.UNSET: event_pb2.CLOCK_QUALITY_UNSET,
    ClockQuality.SYNCHRONISED: event_pb2.CLOCK_QUALITY_SYNCHRONISED,
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


@dataclass(frozen=True, slots=True)
class Standing:
    """What the outbox says of itself when a stream begins; up to acked_seq nothing waits.

    generation: given for this stream alone; it rises with each, so that a copied card shows.
    """

    epoch: bytes
    site: str
    last_seq: int
    acked_seq: int
    generation: int


class Malformed(ValueError):
    """A message does not say what its kind must say."""


class Welcome(msgspec.Struct, frozen=True):
    """The aggregator holds everything up to acked_seq and takes at most max_batch_events at once."""

    acked_seq: int
    max_batch_events: int


class Ack(msgspec.Struct, frozen=True):
    """The aggregator holds everything up to seq."""

    seq: int


Answer: TypeAlias = Welcome | Ack


def hello(
    device_id: str, standing: Standing, software_version: str, instance: bytes
) -> link_pb2.ConnectRequest:
    """Return the first message of a stream; instance: of this process, 16 bytes."""
    return link_pb2.ConnectRequest(
        hello=link_pb2.Hello(
            device_id=device_id,
            epoch=standing.epoch,
            last_seq=standing.last_seq,
            software_version=software_version,
            site=standing.site,
            generation=standing.generation,
            instance=instance,
        )
    )


def batch(events: Sequence[Event]) -> link_pb2.ConnectRequest:
    """Return events in rising order of seq as one message."""
    return link_pb2.ConnectRequest(batch=link_pb2.EventBatch(events=map(to_message, events)))


def answer(data: bytes) -> Answer | Malformed:
    """Return what the aggregator said; Malformed as a value, since grpc.aio swallows what is raised here."""
    try:
        response = link_pb2.ConnectResponse.FromString(data)
    except DecodeError:
        return Malformed("an answer cannot be read")
    match response.WhichOneof("message"):
        case "welcome":
            return Welcome(response.welcome.acked_seq, response.welcome.max_batch_events)
        case "ack":
            return Ack(response.ack.seq)
        case _:
            return Malformed("an answer is neither a welcome nor an acknowledgement")


def to_message(event: Event) -> event_pb2.Event:
    """Return the event as protobuf."""
    message = event_pb2.Event(seq=event.seq, moment=_moment_to(event.moment))
    match event.body:
        case CheckIn() as body:
            message.check_in.CopyFrom(_check_in_to(body))
        case Registration() as body:
            message.registration.CopyFrom(_registration_to(body))
        case DeviceFault() as body:
            message.device_fault.CopyFrom(
                event_pb2.DeviceFault(part=body.part, recovered=body.recovered, kind=body.kind)
            )
        case _:
            assert_never(event.body)
    return message


def _moment_to(moment: Moment) -> event_pb2.Moment:
    return event_pb2.Moment(
        boot_id=moment.boot_id,
        monotonic=_duration(moment.monotonic_ns),
        wall=Timestamp(seconds=moment.wall_ns // SECOND_NS, nanos=moment.wall_ns % SECOND_NS),
        clock_quality=_CLOCK_QUALITIES[moment.quality],
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
        score_llr=body.score_llr,
        threshold_llr=body.threshold_llr,
        operating_point=body.operating_point,
        gallery_size=body.gallery_size,
        stages=[
            event_pb2.StageTime(stage=time.stage, duration=_duration(time.duration_ns))
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


def _duration(nanoseconds: int) -> Duration:
    return Duration(seconds=nanoseconds // SECOND_NS, nanos=nanoseconds % SECOND_NS)
