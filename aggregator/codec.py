"""The wire's edge: protobuf to values and back; no other module reads a field of a device's message."""

from __future__ import annotations

import re

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aggregator.columns import CLOCK_QUALITIES, events_of
from aggregator.fields import MILLISECOND_NS, counted, identifier, known, text
from aggregator.holdings import Command
from aggregator.malformed import Malformed
from aggregator.records import (
    Batch,
    CollectedAt,
    CollectionConflict,
    CommandKind,
    CommandOutcome,
    CommandResult,
    Credit,
    DeviceFault,
    EventBody,
    Hello,
    Moment,
    Registration,
    Resemblance,
    Strength,
    TelemetryDropped,
)
from aggregator.state_codec import parse_reported
from aggregator.telemetry_codec import telemetry
from aggregator.unpacking import MAX_INT64, MAX_TEXT, open_batch
from aggregator.work_codec import MAX_CYCLE, complaint, day_closed, list_erased, list_loaded, service
from aidpost.v1 import batch_pb2, event_pb2, fleet_pb2, ingest_pb2, link_pb2
from trust.chain import LINK_BYTES
from trust.consent import Consent
from trust.names import is_name
from trust.state import ReportedState

SECOND_NS = 1_000_000_000
NO_TIME = "write seconds since 1970, to the year 2262 at most, and nanoseconds from 0 to 999999999"
MAX_LANGUAGE_TAG = 35  # RFC 5646, 4.4.1: a buffer of 35 characters holds every registered tag

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CONSENTS = {event_pb2.CONSENT_ACCEPTED: Consent.ACCEPTED, event_pb2.CONSENT_DECLINED: Consent.DECLINED}

STRENGTHS = {
    event_pb2.SCORE_STRENGTH_STRONG: Strength.STRONG,
    event_pb2.SCORE_STRENGTH_FAIR: Strength.FAIR,
    event_pb2.SCORE_STRENGTH_WEAK: Strength.WEAK,
}

COMMAND_KINDS = {
    event_pb2.COMMAND_KIND_SELF_TEST: CommandKind.SELF_TEST,
    event_pb2.COMMAND_KIND_SYNC_NOW: CommandKind.SYNC_NOW,
    event_pb2.COMMAND_KIND_LOCK: CommandKind.LOCK,
    event_pb2.COMMAND_KIND_RENEW_LEASE: CommandKind.RENEW_LEASE,
    event_pb2.COMMAND_KIND_RESTART: CommandKind.RESTART,
    event_pb2.COMMAND_KIND_REBOOT: CommandKind.REBOOT,
    event_pb2.COMMAND_KIND_WIPE: CommandKind.WIPE,
    event_pb2.COMMAND_KIND_COLLECT_DIAGNOSTICS: CommandKind.COLLECT_DIAGNOSTICS,
    event_pb2.COMMAND_KIND_OPEN_SUPPORT: CommandKind.OPEN_SUPPORT,
    event_pb2.COMMAND_KIND_TAIL_LOG: CommandKind.TAIL_LOG,
}
_KINDS_OF_COMMANDS = {kind: message for message, kind in COMMAND_KINDS.items()}
_COMMAND_OUTCOMES = {
    event_pb2.COMMAND_OUTCOME_DONE: CommandOutcome.DONE,
    event_pb2.COMMAND_OUTCOME_FAILED: CommandOutcome.FAILED,
    event_pb2.COMMAND_OUTCOME_EXPIRED: CommandOutcome.EXPIRED,
    event_pb2.COMMAND_OUTCOME_REFUSED: CommandOutcome.REFUSED,
    event_pb2.COMMAND_OUTCOME_INTERRUPTED: CommandOutcome.INTERRUPTED,
}
_OUTCOMES_OF_COMMANDS = {
    **{outcome: message for message, outcome in _COMMAND_OUTCOMES.items()},
    CommandOutcome.CANCELLED: event_pb2.COMMAND_OUTCOME_CANCELLED,
}


def parse_request(request: link_pb2.ConnectRequest, *, max_events: int) -> Hello | Batch | ReportedState:
    """Return the hello, the batch or the report; raises Malformed."""
    match request.WhichOneof("message"):
        case "hello":
            return parse_hello(request.hello)
        case "batch":
            return parse_batch(request.batch, max_events=max_events)
        case "reported":
            return parse_reported(request.reported)
        case _:
            raise Malformed("a message holds neither a hello nor a batch nor a reported state")


def parse_report(request: ingest_pb2.ReportResultsRequest, *, max_events: int) -> tuple[Hello, Batch]:
    """Return what ReportResults was given; raises Malformed."""
    return parse_hello(request.hello), parse_batch(request.batch, max_events=max_events)


def parse_batch(batch: batch_pb2.EventBatch, *, max_events: int) -> Batch:
    """Return the batch, its events in rising order of seq; raises Malformed."""
    if len(batch.chain_head) != LINK_BYTES:
        raise Malformed(f"chain_head must be {LINK_BYTES} bytes")
    events = events_of(open_batch(batch, max_events), _body)
    return Batch(events, batch.chain_head, batch.ByteSize())


def welcome(
    acked_seq: int, server_ns: int, max_events: int, credit: Credit, receipt_key: bytes
) -> link_pb2.ConnectResponse:
    """Return the answer to a hello; server_ns: nanoseconds since 1970 UTC."""
    return link_pb2.ConnectResponse(
        welcome=link_pb2.Welcome(
            acked_seq=acked_seq,
            server_time=timestamp(server_ns),
            max_batch_events=max_events,
            credit=link_pb2.Credit(events=credit.events, bytes=credit.bytes),
            receipt_key=receipt_key,
        )
    )


def ack(acked_seq: int, server_ns: int, credit: Credit, receipt: bytes) -> link_pb2.Ack:
    """Return the acknowledgement of everything up to acked_seq."""
    return link_pb2.Ack(
        seq=acked_seq,
        credit=link_pb2.Credit(events=credit.events, bytes=credit.bytes),
        server_time=timestamp(server_ns),
        receipt=receipt,
    )


def command(asked: Command) -> link_pb2.ConnectResponse:
    """Return a command as a message of the stream."""
    return link_pb2.ConnectResponse(
        command=link_pb2.Command(
            command_id=asked.command_id,
            kind=_KINDS_OF_COMMANDS[CommandKind(asked.kind)],
            expires_at=timestamp(asked.expires_ns),
            duration=Duration(seconds=asked.duration_s) if asked.duration_s else None,
        )
    )


def command_state(command: Command) -> fleet_pb2.CommandState:
    """Return a command and what became of it."""
    delivered_ns, done_ns = command.delivered_ns, command.done_ns
    return fleet_pb2.CommandState(
        command_id=command.command_id,
        device_id=command.device_id,
        kind=_KINDS_OF_COMMANDS[CommandKind(command.kind)],
        asked_by=command.asked_by,
        asked_at=timestamp(command.asked_ns),
        expires_at=timestamp(command.expires_ns),
        delivered_at=None if delivered_ns is None else timestamp(delivered_ns),
        outcome=_OUTCOMES_OF_COMMANDS[CommandOutcome(command.outcome)]
        if command.outcome
        else event_pb2.COMMAND_OUTCOME_UNSPECIFIED,
        detail=command.detail or "",
        done_at=None if done_ns is None else timestamp(done_ns),
    )


def parse_hello(hello: link_pb2.Hello) -> Hello:
    """Return the hello; raises Malformed."""
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
        epoch=identifier(hello.epoch, "epoch"),
        last_seq=hello.last_seq,
        software_version=text(hello.software_version, "software_version", 64),
        site=hello.site,
        generation=hello.generation,
        instance=identifier(hello.instance, "instance"),
    )


def _body(message: event_pb2.Event) -> EventBody:
    """Return the body of an event that is no check-in: those come as columns."""
    match message.WhichOneof("body"):
        case "registration":
            return _registration(message.registration)
        case "device_fault":
            return _device_fault(message.device_fault)
        case "command_result":
            return _command_result(message.command_result)
        case "telemetry_dropped":
            return TelemetryDropped(counted(message.telemetry_dropped.events, "events"))
        case "service":
            return service(message.service)
        case "list_loaded":
            return list_loaded(message.list_loaded)
        case "list_erased":
            return list_erased(message.list_erased)
        case "day_closed":
            return day_closed(message.day_closed)
        case "telemetry":
            return telemetry(message.telemetry)
        case "complaint":
            return complaint(message.complaint)
        case "collection_conflict":
            return _collection_conflict(message.collection_conflict)
        case "resemblance":
            return _resemblance(message.resemblance)
        case _:
            raise Malformed("an event has no body that this version knows")


def _moment(moment: event_pb2.Moment) -> Moment:
    return Moment(
        boot_id=identifier(moment.boot_id, "boot_id"),
        monotonic_ns=counted(moment.monotonic_ms * MILLISECOND_NS, "monotonic_ms"),
        wall_ns=counted(moment.wall_ms * MILLISECOND_NS, "wall_ms"),
        quality=known(CLOCK_QUALITIES, moment.clock_quality, "clock_quality"),
    )


def _collection_conflict(body: event_pb2.CollectionConflict) -> CollectionConflict:
    return CollectionConflict(
        household=identifier(body.household, "household"),
        cycle=text(body.cycle, "cycle", MAX_CYCLE),
        first=_collected_at(body.first),
        second=_collected_at(body.second),
    )


def _collected_at(collected: event_pb2.CollectedAt) -> CollectedAt:
    if not is_name(collected.device_id):
        raise Malformed("device_id is no name of a device")
    return CollectedAt(
        identifier(collected.record_id, "record_id"), collected.device_id, _moment(collected.moment)
    )


def _resemblance(body: event_pb2.Resemblance) -> Resemblance:
    if body.entry_id == body.resembles:
        raise Malformed("an entry resembles itself")
    return Resemblance(
        gallery_id=identifier(body.gallery_id, "gallery_id"),
        entry_id=identifier(body.entry_id, "entry_id"),
        resembles=identifier(body.resembles, "resembles"),
        score_llr=body.score_hundredths / 100,
        strength=known(STRENGTHS, body.strength, "strength"),
    )


def _registration(body: event_pb2.Registration) -> Registration:
    return Registration(
        record_id=identifier(body.record_id, "record_id"),
        entry_id=identifier(body.entry_id, "entry_id") if body.entry_id else None,
        consent=known(_CONSENTS, body.consent, "consent"),
        notice_version=text(body.notice_version, "notice_version", 64),
        notice_language=text(body.notice_language, "notice_language", MAX_LANGUAGE_TAG),
        face_templates=body.face_templates,
        finger_templates=body.finger_templates,
    )


def _device_fault(body: event_pb2.DeviceFault) -> DeviceFault:
    return DeviceFault(text(body.part, "part", 32), body.recovered, text(body.kind, "kind", 64))


def _command_result(body: event_pb2.CommandResult) -> CommandResult:
    return CommandResult(
        command_id=identifier(body.command_id, "command_id"),
        kind=known(COMMAND_KINDS, body.kind, "kind"),
        outcome=known(_COMMAND_OUTCOMES, body.outcome, "outcome"),
        detail=text(body.detail, "detail", MAX_TEXT),
    )


def timestamp(wall_ns: int) -> Timestamp:
    """Return a time as protobuf; wall_ns: nanoseconds since 1970 UTC."""
    return Timestamp(seconds=wall_ns // SECOND_NS, nanos=wall_ns % SECOND_NS)


def wall_ns_of(moment: Timestamp) -> int | None:
    """Return nanoseconds since 1970, 0 for what was before; None for what no store can hold."""
    wall_ns = moment.seconds * SECOND_NS + moment.nanos
    return max(0, wall_ns) if 0 <= moment.nanos < SECOND_NS and wall_ns <= MAX_INT64 else None
