"""What the aggregator reads from columns is what the device packed, and its bytes are the device's own."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from aggregator.codec import parse_batch
from aggregator.records import CheckIn, Modality, Outcome, StageTime
from aidpost.v1 import event_pb2
from firmware.uplink.packing import pack
from tests.kit.link_device import device_fault, registration

IDS = st.binary(min_size=16, max_size=16)
TEXTS = st.text(string.ascii_letters + " é水", max_size=200)
UINT32 = st.integers(0, 2**32 - 1)
SCORES = st.none() | st.integers(-(2**31) + 1, 2**31 - 2)  # one away from zero makes room for "none"
MILLISECONDS = st.integers(0, (2**63 - 1) // 1_000_000)
MOMENTS = st.builds(
    event_pb2.Moment,
    boot_id=IDS,
    monotonic_ms=MILLISECONDS,
    wall_ms=MILLISECONDS,
    clock_quality=st.integers(1, 4),
)
STAGES = st.builds(
    event_pb2.StageTime,
    stage=st.text(string.ascii_lowercase, max_size=32),
    tenths_ms=UINT32 | st.sampled_from([0, 1, 127, 128, 16_383, 16_384]),
)
CHECK_INS = st.builds(
    event_pb2.CheckIn,
    record_id=IDS,
    mode=st.integers(1, 2),
    outcome=st.integers(1, 5),
    entry_id=st.just(b"") | IDS,
    reason=TEXTS,
    modalities=st.lists(st.integers(1, 2), max_size=8),
    tries=UINT32,
    score_hundredths=SCORES,
    threshold_hundredths=SCORES,
    operating_point=TEXTS,
    gallery_size=UINT32,
    stages=st.lists(STAGES, max_size=32),
    confirmed=st.booleans(),
)


@given(st.lists(st.tuples(CHECK_INS | st.none(), MOMENTS, st.integers(1, 2**60)), min_size=1, max_size=6))
def test_bytes_are_those_that_the_device_chained(
    given_events: list[tuple[event_pb2.CheckIn | None, event_pb2.Moment, int]],
) -> None:
    events, seq = [], 0
    for body, moment, step in given_events:
        seq += step
        event = event_pb2.Event(check_in=body) if body is not None else registration(1)
        event.seq = seq
        event.moment.CopyFrom(moment)
        events.append(event)
    parsed = parse_batch(pack(events, bytes(32)), max_events=500).events
    assert [each.seq for each in parsed] == [event.seq for event in events]
    for each, event in zip(parsed, events, strict=True):
        assert each.content == event.SerializeToString(deterministic=True)
        assert each.moment.monotonic_ns == event.moment.monotonic_ms * 1_000_000
        assert each.moment.wall_ns == event.moment.wall_ms * 1_000_000


def test_a_check_in_is_read_as_it_was_told() -> None:
    body = event_pb2.CheckIn(
        record_id=b"r" * 16,
        mode=event_pb2.MODE_IDENTIFY,
        outcome=event_pb2.OUTCOME_SUGGESTION,
        entry_id=b"e" * 16,
        reason="two are alike",
        modalities=[event_pb2.MODALITY_FINGER, event_pb2.MODALITY_FACE],
        tries=2,
        score_hundredths=-350,
        operating_point="clinic 0123abcd",
        gallery_size=300,
        stages=[event_pb2.StageTime(stage="capture", tenths_ms=8_120), event_pb2.StageTime(stage="commit")],
        confirmed=True,
    )
    moment = event_pb2.Moment(boot_id=b"b" * 16, wall_ms=5, clock_quality=event_pb2.CLOCK_QUALITY_UNSET)
    events = [device_fault(1), event_pb2.Event(seq=2, moment=moment, check_in=body), registration(3)]
    (_, read, _) = parse_batch(pack(events, bytes(32)), max_events=500).events
    assert isinstance(read.body, CheckIn)
    assert read.body.outcome is Outcome.SUGGESTION
    assert read.body.entry_id == b"e" * 16
    assert read.body.modalities == (Modality.FINGER, Modality.FACE)
    assert (read.body.score_llr, read.body.threshold_llr) == (-3.5, None)
    assert read.body.stages == (StageTime("capture", 812_000_000), StageTime("commit", 0))
    assert read.body.confirmed
