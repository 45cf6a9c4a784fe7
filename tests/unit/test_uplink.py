"""The uplink's parts that need no aggregator: messages, delays, addresses."""

from __future__ import annotations

import random
from enum import Enum

import msgspec
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc.aio import Metadata
from hypothesis import given
from hypothesis import strategies as st

from aggregator.codec import parse_batch
from aidpost.v1 import batch_pb2
from firmware.event_message import canonical
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
    Queued,
    Registration,
    Resemblance,
    Service,
    StageTime,
    TelemetryDropped,
)
from firmware.uplink import codec
from firmware.uplink.backoff import TOLD_CAP_S, TOLD_FLOOR_S, Backoff
from firmware.uplink.channel import Target, cleaned, retry_delay_s
from firmware.uplink.errors import UplinkMisconfigured
from inference.operating_point import Strength
from inference.types import Modality
from trust.consent import Consent
from trust.service import Answer, Basis, Concern, Reason, Workflow
from trust.telemetry import LinkUse, OutcomeCount, SensorHealth, StageSummary, Telemetry

IDS = st.binary(min_size=16, max_size=16)
COUNTS = st.integers(0, 2**32 - 1)
# As fine as the wire is: milliseconds, tenths of them, hundredths of a score.
TIMES_NS = st.integers(0, 2**62 // 10**6).map(lambda ms: ms * 10**6)
DURATIONS_NS = st.integers(0, 2**32 - 1).map(lambda tenths_ms: tenths_ms * 10**5)
SCORES = st.none() | st.integers(-(2**31), 2**31 - 2).map(lambda hundredths: hundredths / 100)
TEXTS = st.text(st.characters(codec="utf-8").filter(str.isprintable), max_size=32)  # as the aggregator has it

MOMENTS = st.builds(Moment, IDS, TIMES_NS, TIMES_NS, st.sampled_from(ClockQuality))
CHECK_INS = st.builds(
    CheckIn,
    record_id=IDS,
    mode=st.sampled_from(Mode),
    outcome=st.sampled_from(Outcome),
    entry_id=st.none() | IDS,
    reason=TEXTS,
    modalities=st.lists(st.sampled_from(Modality), max_size=4).map(tuple),
    tries=COUNTS,
    score_llr=SCORES,
    threshold_llr=SCORES,
    operating_point=TEXTS,
    gallery_size=COUNTS,
    stages=st.lists(st.builds(StageTime, TEXTS, DURATIONS_NS), max_size=4).map(tuple),
    confirmed=st.booleans(),
)
REGISTRATIONS = st.builds(
    Registration,
    record_id=IDS,
    entry_id=st.none() | IDS,
    consent=st.sampled_from(Consent),
    notice_version=TEXTS,
    notice_language=TEXTS,
    face_templates=COUNTS,
    finger_templates=COUNTS,
)
FAULTS = st.builds(DeviceFault, TEXTS, st.booleans(), TEXTS)
RESULTS = st.builds(CommandResult, IDS, st.sampled_from(CommandKind), st.sampled_from(CommandOutcome), TEXTS)
DROPPED = st.builds(TelemetryDropped, st.integers(0, 2**63 - 1))
WORKFLOWS = st.sampled_from(Workflow)
DIGESTS = st.binary(min_size=32, max_size=32)
SERVICES = st.builds(
    Service,
    record_id=IDS,
    workflow=WORKFLOWS,
    answer=st.sampled_from(Answer),
    basis=st.none() | st.sampled_from(Basis),
    check_ins=st.lists(IDS, max_size=4).map(tuple),
    reason=st.none() | st.sampled_from(Reason),
    household=st.none() | IDS,
    cycle=TEXTS,
    duration_ns=TIMES_NS,
    declined=st.booleans(),
    cohort=TEXTS,
    operator=TEXTS,
    supervisor=TEXTS,
    countersigned_by=TEXTS,
)
LISTS_LOADED = st.builds(
    ListLoaded,
    workflow=WORKFLOWS,
    cycle=TEXTS,
    entries=COUNTS,
    digest=DIGESTS,
    approved_by=st.lists(TEXTS, max_size=4).map(tuple),
)
LISTS_ERASED = st.builds(ListErased, workflow=WORKFLOWS, cycle=TEXTS, entries=COUNTS, digest=DIGESTS)
DAYS_CLOSED = st.builds(
    DayClosed,
    workflow=WORKFLOWS,
    cycle=TEXTS,
    planned=COUNTS,
    served=COUNTS,
    exceptions=COUNTS,
    already_collected=COUNTS,
    conflicts=COUNTS,
    waiting=st.integers(0, 2**63 - 1),
    seal=st.just(b"") | DIGESTS,
    operator=TEXTS,
)
COMPLAINTS = st.builds(Complaint, record_id=IDS, workflow=WORKFLOWS, concern=st.sampled_from(Concern))
COLLECTED = st.builds(CollectedAt, record_id=IDS, device_id=st.just("desk-2"), moment=MOMENTS)
RESEMBLANCES = st.builds(
    Resemblance,
    gallery_id=IDS,
    entry_id=IDS.map(lambda entry_id: b"1" + entry_id[1:]),
    resembles=IDS.map(lambda entry_id: b"2" + entry_id[1:]),
    score_llr=SCORES.filter(lambda score: score is not None),
    strength=st.sampled_from([strength.value for strength in Strength]),
)
CONFLICTS = st.builds(CollectionConflict, household=IDS, cycle=TEXTS, first=COLLECTED, second=COLLECTED)
NUMBERS = st.integers(0, 2**32 - 1)
MAYBE = st.none() | NUMBERS
WORDS = st.text(st.characters(categories=("Ll", "Nd")), max_size=32)
MEASURED = st.builds(
    Measured,
    st.builds(
        Telemetry,
        **dict.fromkeys(
            ("period_s", "uptime_s", "memory_resident_mb", "memory_available_mb", "disk_free_mb"), NUMBERS
        ),
        **dict.fromkeys(("store_used_percent", "waiting", "turned_to_people"), NUMBERS),
        **dict.fromkeys(("throttled", "disk_written_mb", "disk_life_used_percent", "queue"), MAYBE),
        cpu_decidegrees=st.none() | st.integers(-(2**31), 2**31 - 1),
        sensors=st.lists(
            st.builds(
                SensorHealth, WORDS, st.booleans(), NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.booleans(), NUMBERS
            ),
            max_size=8,
        ).map(tuple),
        outcomes=st.lists(st.builds(OutcomeCount, WORDS, WORDS, NUMBERS), max_size=4).map(tuple),
        stages=st.lists(st.builds(StageSummary, WORDS, NUMBERS, NUMBERS, NUMBERS), max_size=4).map(tuple),
        link=st.builds(LinkUse, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), NUMBERS),
        certificate_ends_s=st.integers(0, 2**63 - 1),
    ),
)
EVENTS = st.builds(
    Event,
    st.integers(1, 2**63 - 1),
    MOMENTS,
    st.one_of(
        CHECK_INS, REGISTRATIONS, FAULTS, RESULTS, DROPPED,
        SERVICES, LISTS_LOADED, LISTS_ERASED, DAYS_CLOSED, COMPLAINTS, CONFLICTS, RESEMBLANCES, MEASURED,
    ),
)  # fmt: skip


def _random(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (delays are no secrets)


def plain(value: object) -> object:
    """Return a record by its fields, whichever end of the wire it belongs to."""
    match value:
        case Measured():
            return plain(value.telemetry)
        case msgspec.Struct():
            return {
                name: plain(getattr(value, name))
                for name in value.__struct_fields__
                if name not in ("content", "attack_score")  # the one is made there, the other stays here
            }
        case Enum():
            return value.value
        case tuple():
            return [plain(item) for item in value]
        case _:
            return value


@given(EVENTS)
def test_the_aggregator_reads_an_event_as_it_was_written(event: Event) -> None:
    wire = codec.batch([Queued(event, bytes(32))]).SerializeToString()
    parsed = parse_batch(batch_pb2.EventBatch.FromString(wire), max_events=1)
    assert [plain(one) for one in parsed.events] == [plain(event)]
    assert parsed.events[0].content == canonical(event)


def test_the_jitter_comes_after_the_cap() -> None:
    backoff = Backoff(_random(11), base_s=1.0, cap_s=60.0)
    delays = []
    for _ in range(300):
        backoff.reset()
        delays.append([backoff.next_s() for _ in range(12)])
    for attempt, column in enumerate(zip(*delays, strict=True)):
        limit_s = min(60.0, 2.0**attempt)
        assert max(column) <= limit_s
        assert max(column) > 0.9 * limit_s
        assert min(column) < 0.1 * limit_s


def test_a_told_delay_wins_within_reason_and_counts_as_an_attempt() -> None:
    backoff = Backoff(_random(1), base_s=1.0, cap_s=60.0)
    assert backoff.next_s(42.5) == 42.5
    assert backoff.next_s(-3.0) == TOLD_FLOOR_S
    assert backoff.next_s(10.0**9) == TOLD_CAP_S
    assert max(backoff.next_s() for _ in range(50)) > 30.0


def test_the_delay_is_read_from_retry_info() -> None:
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)))
    other = AnyMessage(type_url="type.example/unknown", value=b"\xff")
    status = Status(code=14, details=[other, detail]).SerializeToString()
    key = "grpc-status-details-bin"
    assert retry_delay_s(Metadata(("other", "x"), (key, status))) == 2.5
    assert retry_delay_s(Metadata((key, Status(details=[other]).SerializeToString()))) is None
    assert retry_delay_s(Metadata((key, b"\xff\xff\xff"))) is None
    assert retry_delay_s(None) is None


@pytest.mark.parametrize("text", ["127.0.0.1:50051", "localhost:1", "[::1]:65535", "127.8.8.8:50051"])
def test_this_machine_is_reached_in_the_clear(text: str) -> None:
    assert str(Target.parse(text, in_the_clear=True)) == text


@pytest.mark.parametrize(
    "text", ["10.0.0.7:50051", "aggregator.example:443", "0.0.0.0:50051", "localhost.evil:1"]
)
def test_another_machine_is_never_reached_in_the_clear(text: str) -> None:
    with pytest.raises(UplinkMisconfigured, match="insecure_loopback"):
        Target.parse(text, in_the_clear=True)
    assert str(Target.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", ":50051", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", "h:१"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UplinkMisconfigured, match="host:port"):
        Target.parse(text)


def test_a_peers_text_is_one_short_printable_line() -> None:
    assert cleaned("a\n\x1b[31mb" + "c" * 500) == "a  [31mb" + "c" * 192
    assert cleaned(None) == ""
