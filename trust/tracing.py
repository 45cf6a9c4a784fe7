"""Traces of one decision across appliance and aggregator, by OpenTelemetry: the extra `tracing`.

The trace is named by the record: its id has 16 random bytes, as a trace id has, so both ends name the same
trace and nothing is added to the wire. No span holds an outcome, an entry, a score or a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

Attributes = Mapping[str, str | int | bool]


class DecisionTracer:
    """Makes spans of what has happened already; used from one thread. share: of the decisions, 0 to 1."""

    def __init__(self, service: str, instance: str, processor: SpanProcessor, share: float = 1.0) -> None:
        self._ids = _GivenIds()
        resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("aidpost")
        self._share = share

    @classmethod
    def to(cls, endpoint: str, service: str, instance: str, share: float) -> Self:
        """Return one that sends to an OTLP collector over HTTP; endpoint: without /v1/traces."""
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        return cls(service, instance, BatchSpanProcessor(exporter), share)

    def decision(
        self,
        record_id: bytes,
        began_ns: int,
        ended_ns: int,
        stages: Iterable[tuple[str, int]],
        attributes: Attributes,
    ) -> None:
        """Tell of a decision and its stages, (name, duration in ns); times: since 1970.

        A stage that ran more than once is one span with the sum of its times. Stages are set one after the
        other, so that the last ends with the decision.
        """
        if not self._wanted(record_id):
            return
        self._ids.next_trace, self._ids.next_span = _trace_id(record_id), _span_id(record_id)
        root = self._tracer.start_span(
            "decision", context=Context(), start_time=began_ns, attributes=dict(attributes)
        )
        inside = set_span_in_context(root)
        timed = list(stages)
        at_ns = ended_ns - sum(duration_ns for _, duration_ns in timed)
        for name, duration_ns in timed:
            span = self._tracer.start_span(name, context=inside, start_time=at_ns)
            at_ns += duration_ns
            span.end(at_ns)
        root.end(ended_ns)

    def step(self, record_id: bytes, name: str, began_ns: int, ended_ns: int, attributes: Attributes) -> None:
        """Tell of something that was done about a decision afterwards, here or elsewhere."""
        if not self._wanted(record_id):
            return
        decision = SpanContext(
            _trace_id(record_id),
            _span_id(record_id),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
        span = self._tracer.start_span(
            name,
            context=set_span_in_context(NonRecordingSpan(decision), Context()),
            start_time=began_ns,
            attributes=dict(attributes),
        )
        span.end(ended_ns)

    def close(self) -> None:
        """Send what waits, and end; takes as long as the collector does, at most half a minute."""
        self._provider.shutdown()

    def _wanted(self, record_id: bytes) -> bool:
        # By the id, so that both ends choose the same.
        return any(record_id) and int.from_bytes(record_id[8:], "big") < self._share * 2**64


class _GivenIds(IdGenerator):
    """Names the next trace and span as they were given, and all others at random."""

    def __init__(self) -> None:
        self.next_trace: int | None = None
        self.next_span: int | None = None
        self._random = RandomIdGenerator()

    def generate_span_id(self) -> int:
        given, self.next_span = self.next_span, None
        return self._random.generate_span_id() if given is None else given

    def generate_trace_id(self) -> int:
        given, self.next_trace = self.next_trace, None
        return self._random.generate_trace_id() if given is None else given


def _trace_id(record_id: bytes) -> int:
    return int.from_bytes(record_id, "big")


def _span_id(record_id: bytes) -> int:
    """Return the id of the decision's own span, which both ends know; never 0, which names none."""
    return int.from_bytes(hashlib.sha256(b"decision" + record_id).digest()[:8], "big") or 1
