"""One decision is one trace across both ends, named by its record, and tells nothing of a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aggregator.codec import parse_batch
from aggregator.records import Batch
from aggregator.traces import IngestTraces
from firmware.config import Config, ConfigError, Device, Keys, Tracing
from firmware.config_file import load
from firmware.records import Event, Queued, StageTime
from firmware.traces import MAX_WAITING, Decided, DecisionTraces, NoTraces, open_traces
from firmware.uplink import codec
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.store_values import check_in, moment
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.tracing import DecisionTracer

MS = 1_000_000
STAGES = tuple(StageTime(stage, 50 * MS) for stage in ("capture", "quality", "template", "compare", "commit"))


class Ends:
    """An appliance and an aggregator that send their spans to one collector."""

    def __init__(self, share: float = 1.0) -> None:
        self.collector = InMemorySpanExporter()
        self.appliance = DecisionTraces(self._tracer("appliance", share))
        self.aggregator = IngestTraces(self._tracer("aggregator", share), lambda: NOW_NS + 5 * MS)

    def _tracer(self, name: str, share: float) -> DecisionTracer:
        return DecisionTracer(name, "post-1", SimpleSpanProcessor(self.collector), share)

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.collector.get_finished_spans()}


def decided(number: int) -> Decided:
    record = replace(check_in(number), record_id=number.to_bytes(16, "big"))
    return Decided(number, record, moment(1.0), moment(1.001), STAGES)


def batch_of(number: int) -> Batch:
    event = Event(number, moment(1.001), decided(number).record)
    return parse_batch(codec.batch([Queued(event, bytes(32))]), max_events=1)


def test_both_ends_tell_of_one_trace() -> None:
    ends = Ends()
    ends.appliance.decided(decided(7))
    ends.aggregator.kept("post-1", batch_of(7), NOW_NS)
    ends.appliance.acknowledged(7, moment(1.002))
    spans = ends.spans()
    assert list(spans) == [*(stage.stage for stage in STAGES), "decision", "ingest", "uplink"]
    decision = spans["decision"]
    assert decision.parent is None
    assert {span.context.trace_id for span in spans.values()} == {7}
    for name, span in spans.items():
        if name != "decision":
            assert span.parent is not None
            assert span.parent.span_id == decision.context.span_id
    assert spans["capture"].end_time == spans["quality"].start_time
    assert spans["commit"].end_time == decision.end_time == spans["uplink"].start_time
    assert (spans["ingest"].end_time or 0) - (spans["ingest"].start_time or 0) == 5 * MS


def test_no_span_holds_what_was_decided_or_of_whom() -> None:
    ends = Ends()
    ends.appliance.decided(decided(7))
    ends.aggregator.kept("post-1", batch_of(7), NOW_NS)
    told = {key for span in ends.spans().values() for key in span.attributes or {}}
    assert told == {
        "aidpost.mode", "aidpost.tries", "aidpost.clock_quality", "aidpost.device", "aidpost.batch_events",
    }  # fmt: skip


def test_both_ends_choose_the_same_share_of_the_decisions() -> None:
    ends = Ends(share=0.5)
    half = 2**63
    for low in (half - 1, half):
        ends.appliance.decided(replace_id(low))
    assert {span.context.trace_id & (2**64 - 1) for span in ends.collector.get_finished_spans()} == {half - 1}


def replace_id(low: int) -> Decided:
    one = decided(1)
    record = replace(one.record, record_id=bytes(7) + b"\1" + low.to_bytes(8, "big"))
    return Decided(1, record, one.began, one.ended, one.stages)


def test_an_acknowledgement_that_was_quicker_than_the_session_and_a_long_outage_are_told_rightly() -> None:
    ends = Ends()
    ends.appliance.acknowledged(7, moment(1.0005))
    ends.appliance.decided(decided(7))
    uplink = ends.spans()["uplink"]
    assert uplink.start_time == uplink.end_time
    ends.collector.clear()
    for number in range(8, 8 + MAX_WAITING + 10):
        ends.appliance.decided(decided(number))
    ends.collector.clear()
    ends.appliance.acknowledged(10_000, moment(2.0))
    assert len(ends.collector.get_finished_spans()) == MAX_WAITING


def test_it_is_off_until_asked_for_and_goes_nowhere_in_the_clear(tmp_path: Path) -> None:
    device = Device(id="post-1", site="north", purpose=Purpose.CLINIC_CHECK_IN, data=tmp_path)
    config = Config(device=device, keys=Keys(guard=GuardKind.FILE))
    assert isinstance(open_traces(config), NoTraces)
    asked = open_traces(replace(config, tracing=Tracing(endpoint="http://127.0.0.1:4318")))
    assert isinstance(asked, DecisionTraces)
    asked.close()
    file = tmp_path / "aidpost.toml"
    file.write_text(
        '[device]\nid = "a"\nsite = "b"\npurpose = "clinic check-in"\ndata = "c"\n[keys]\nguard = "file"\n'
        '[camera]\ndriver = "replay"\n[tracing]\nendpoint = "http://collector.example:4318"\n'
    )
    with pytest.raises(ConfigError, match="endpoint"):
        load(file)
