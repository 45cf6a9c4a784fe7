"""Counts what the sensors gave: how many samples, how good, and how often none was good enough."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from inference.types import Modality
from sensors.frames import RetryReason

PARTS = {Modality.FINGER: "fingerprint", Modality.FACE: "camera"}
"""What a modality is taken with."""

NOTHING_SHOWN = frozenset({RetryReason.NO_FINGER, RetryReason.NO_FACE})
"""Nobody presented anything, so no sample was assessed."""


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Of one part since the start; as in `trust.telemetry.SensorHealth`."""

    samples: int = 0
    poor: int = 0
    quality_sum_percent: int = 0
    not_acquired: int = 0

    def since(self, before: SampleCounts) -> SampleCounts:
        """Return what came after `before`."""
        return SampleCounts(
            self.samples - before.samples,
            self.poor - before.poor,
            self.quality_sum_percent - before.quality_sum_percent,
            self.not_acquired - before.not_acquired,
        )


@dataclass(slots=True)
class SampleMeter:
    """Used from the event loop. It counts on from the start of the process and is never set back."""

    _counts: dict[Modality, SampleCounts] = field(default_factory=dict)
    _asked: set[Modality] = field(default_factory=set)
    _acquired: set[Modality] = field(default_factory=set)

    def good(self, modality: Modality, quality_percent: int) -> None:
        """One presentation gave a sample of this quality, 0 to 100."""
        counts = self.of(modality)
        self._counts[modality] = replace(
            counts,
            samples=counts.samples + 1,
            quality_sum_percent=counts.quality_sum_percent + quality_percent,
        )
        self._asked.add(modality)
        self._acquired.add(modality)

    def missed(self, modality: Modality, reason: RetryReason | None) -> None:
        """One presentation gave no sample that can be used; reason: None where it was held back."""
        self._asked.add(modality)
        if reason not in NOTHING_SHOWN:
            counts = self.of(modality)
            self._counts[modality] = replace(counts, samples=counts.samples + 1, poor=counts.poor + 1)

    def session_over(self) -> None:
        """The person leaves: what was asked for and never acquired is a failure to acquire."""
        for modality in self._asked - self._acquired:
            counts = self.of(modality)
            self._counts[modality] = replace(counts, not_acquired=counts.not_acquired + 1)
        self._asked.clear()
        self._acquired.clear()

    def of(self, modality: Modality) -> SampleCounts:
        """Return the counts so far."""
        return self._counts.get(modality, SampleCounts())
