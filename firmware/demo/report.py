"""What the demonstration found, as values, as JSON and as a table."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from firmware.demo.scenario import Answer, Arrival, Kind
from firmware.records import Outcome
from firmware.session.check_in import CheckInResult


@dataclass(frozen=True, slots=True)
class Served:
    """One arrival and what came of it; `wrong_suggestion`: the machine put another person first."""

    arrival: Arrival
    result: CheckInResult
    wrong_suggestion: bool

    @property
    def actual(self) -> Answer:
        """What the person got."""
        return Answer.SERVED if self.result.subject is not None else Answer.TO_A_PERSON

    @property
    def wrong_accept(self) -> bool:
        """Whether the machine took the person for somebody else, staff's correction not counted."""
        taken_for_other = self.result.subject not in (None, self.arrival.person.subject)
        stranger_served = self.arrival.expected is Answer.TO_A_PERSON and self.actual is Answer.SERVED
        return taken_for_other or stranger_served or self.wrong_suggestion

    @property
    def wrong_refusal(self) -> bool:
        """Whether a registered person had to go to staff."""
        return self.arrival.expected is Answer.SERVED and self.actual is Answer.TO_A_PERSON

    def as_json(self) -> dict[str, Any]:
        """Return the arrival for the JSON report; subjects are the scenario's own numbers."""
        record, arrival = self.result.record, self.arrival
        return {
            "number": arrival.number,
            "kind": arrival.kind.value,
            "mode": arrival.mode.value,
            "person": arrival.person.subject,
            "claim": arrival.claim,
            "expected": arrival.expected.value,
            "actual": self.actual.value,
            "outcome": record.outcome.value,
            "matched": self.result.subject,
            "reason": record.reason,
            "tries": record.tries,
            "modalities": [modality.value for modality in record.modalities],
            "score_llr": record.score_llr,
            "threshold_llr": record.threshold_llr,
            "stages_ms": {stage.stage: stage.duration_ns / 1e6 for stage in self.result.stages},
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The whole demonstration. missing, repeated: keys that the aggregator lacks or holds more than once."""

    people: int
    served: Sequence[Served]
    records_at_device: int
    records_at_aggregator: int
    missing: int
    repeated: int

    @property
    def exactly_once(self) -> bool:
        """Whether the aggregator holds each record of the device once, and nothing else."""
        return not self.missing and not self.repeated and self.records_at_device == self.records_at_aggregator

    @property
    def as_expected(self) -> bool:
        """Whether nobody was mistaken, and every record arrived exactly once."""
        return self.exactly_once and not any(each.wrong_accept for each in self.served)

    def stage_ms(self) -> dict[str, dict[str, float]]:
        """Return the median and the 95th percentile of each stage in milliseconds."""
        spent: dict[str, list[float]] = {}
        for each in self.served:
            for stage in each.result.stages:
                spent.setdefault(stage.stage, []).append(stage.duration_ns / 1e6)
        return {stage: {"median": statistics.median(ms), "p95": _p95(ms)} for stage, ms in spent.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the report as the JSON file has it."""
        return {
            "people": self.people,
            "arrivals": [each.as_json() for each in self.served],
            "wrong_accepts": sum(each.wrong_accept for each in self.served),
            "wrong_refusals": sum(each.wrong_refusal for each in self.served),
            "stage_ms": self.stage_ms(),
            "records_at_device": self.records_at_device,
            "records_at_aggregator": self.records_at_aggregator,
            "records_missing": self.missing,
            "records_repeated": self.repeated,
        }

    def tables(self) -> list[Table]:
        """Return what is shown at the end."""
        kinds = Table("arrivals", "number", "served", "to a person", "wrong accepts", "wrong refusals")
        for kind in Kind:
            some = [each for each in self.served if each.arrival.kind is kind]
            answers = Counter(each.actual for each in some)
            kinds.add_row(
                kind.value,
                *map(str, (len(some), answers[Answer.SERVED], answers[Answer.TO_A_PERSON])),
                str(sum(each.wrong_accept for each in some)),
                str(sum(each.wrong_refusal for each in some)),
            )
        times = Table("stage", "median ms", "P95 ms")
        for stage, ms in self.stage_ms().items():
            times.add_row(stage, f"{ms['median']:.1f}", f"{ms['p95']:.1f}")
        return [kinds, times]


def compare_records(device: Mapping[int, str], aggregator: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many of the device's records are missing at the aggregator, and how many it has twice.

    device: sequence number to record id (hex). aggregator: rows with the keys seq and record_id.
    """
    held = Counter((int(row["seq"]), str(row["record_id"])) for row in aggregator)
    missing = sum(held[seq, record_id] == 0 for seq, record_id in device.items())
    return missing, sum(count - 1 for count in held.values())


def is_suggestion_of_other(result: CheckInResult, subject: str) -> bool:
    """Tell whether the first suggestion was another person than `subject`."""
    suggested = result.record.outcome is Outcome.SUGGESTION and result.suggested
    return bool(suggested) and result.suggested[0].subject != subject


def _p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
