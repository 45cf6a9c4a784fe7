"""Traces of decisions as the appliance sees them: stages, and the way to the aggregator. Off unless asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from firmware.config import Config, ConfigError
from firmware.records import CheckIn, Moment, StageTime

if TYPE_CHECKING:
    from trust.tracing import DecisionTracer

MAX_WAITING = 1000
"""Decisions that wait and are remembered for their trace; a longer outage is no latency."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A check-in that is on the disk; began, ended: of the session. stages: the commit is among them."""

    seq: int
    record: CheckIn
    began: Moment
    ended: Moment
    stages: Sequence[StageTime]


class Traces(Protocol):
    """What is told of decisions. Called from the event loop, and never waits."""

    def decided(self, decided: Decided) -> None:
        """A check-in was committed."""

    def acknowledged(self, seq: int, now: Moment) -> None:
        """The aggregator holds everything up to seq."""

    def close(self) -> None:
        """Send what waits."""


class NoTraces:
    """Nobody asked for traces."""

    def decided(self, decided: Decided) -> None:
        """Nothing is told."""

    def acknowledged(self, seq: int, now: Moment) -> None:
        """Nothing is told."""

    def close(self) -> None:
        """Nothing waits."""


class DecisionTraces:
    """Tells a tracer."""

    def __init__(self, tracer: DecisionTracer) -> None:
        self._tracer = tracer
        self._waiting: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._acked_seq = 0

    def decided(self, decided: Decided) -> None:
        """Tell of the decision, and remember since when it waits."""
        record = decided.record
        self._tracer.decision(
            record.record_id,
            decided.began.wall_ns,
            decided.ended.wall_ns,
            [(stage.stage, stage.duration_ns) for stage in decided.stages],
            {
                "aidpost.mode": record.mode.value,
                "aidpost.tries": record.tries,
                "aidpost.clock_quality": decided.ended.quality.value,
            },
        )
        self._waiting[decided.seq] = (record.record_id, decided.ended.wall_ns)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
        if decided.seq <= self._acked_seq:
            # The aggregator was quicker than the end of this session.
            self.acknowledged(self._acked_seq, decided.ended)

    def acknowledged(self, seq: int, now: Moment) -> None:
        """Tell how long each decision was on its way."""
        self._acked_seq = max(self._acked_seq, seq)
        while self._waiting and next(iter(self._waiting)) <= seq:
            _, (record_id, since_ns) = self._waiting.popitem(last=False)
            self._tracer.step(record_id, "uplink", since_ns, max(since_ns, now.wall_ns), {})

    def close(self) -> None:
        """Send what waits."""
        self._tracer.close()


def open_traces(config: Config) -> Traces:
    """Return what the configuration asks for. Raises ConfigError where the extra is not installed."""
    settings = config.tracing
    if settings is None:
        return NoTraces()
    try:
        from trust.tracing import DecisionTracer  # an extra, for those who use it
    except ImportError as error:
        raise ConfigError(
            f"[tracing] needs {error.name}, which is not installed: pip install 'aidpost[tracing]'"
        ) from error
    return DecisionTraces(
        DecisionTracer.to(settings.endpoint, "aidpost-appliance", config.device.id, settings.share)
    )
