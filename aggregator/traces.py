"""Traces of decisions as the aggregator sees them: from a batch's arrival to its commit. Off unless asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aggregator.records import Batch, CheckIn

if TYPE_CHECKING:
    from trust.tracing import DecisionTracer


@dataclass(frozen=True, slots=True)
class TracesTo:
    """An OpenTelemetry collector over HTTP; share: of the decisions, 0 to 1."""

    endpoint: str
    share: float = 1.0


class IngestTraces:
    """Tells a tracer."""

    def __init__(self, tracer: DecisionTracer, wall_ns: Callable[[], int]) -> None:
        self._tracer = tracer
        self._wall_ns = wall_ns

    def kept(self, device_id: str, batch: Batch, came_ns: int) -> None:
        """A batch is on the disk; device_id: as its certificate has it. came_ns: when it came."""
        ended_ns = max(came_ns, self._wall_ns())
        attributes: dict[str, str | int] = {
            "aidpost.device": device_id,
            "aidpost.batch_events": len(batch.events),
        }
        for event in batch.events:
            if isinstance(event.body, CheckIn):
                self._tracer.step(event.body.record_id, "ingest", came_ns, ended_ns, attributes)

    def close(self) -> None:
        """Send what waits."""
        self._tracer.close()
