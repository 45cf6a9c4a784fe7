"""What a period's events come to in numbers; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from firmware.records import CheckIn, DeviceFault, EventBody, Outcome
from trust.service import ASKED_FOR_HELP
from trust.telemetry import OutcomeCount, StageSummary

MILLISECOND_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Counted:
    """turned_to_people: check-ins that ended since no device answered. restarts: by part."""

    outcomes: tuple[OutcomeCount, ...]
    stages: tuple[StageSummary, ...]
    turned_to_people: int
    restarts: dict[str, int]


def count(bodies: Iterable[EventBody]) -> Counted:
    """Return what these events come to; outcomes and stages in order of their names."""
    outcomes: Counter[tuple[str, str]] = Counter()
    stages: defaultdict[str, list[int]] = defaultdict(list)
    restarts: Counter[str] = Counter()
    turned = 0
    for body in bodies:
        match body:
            case CheckIn():
                outcomes[body.mode.value, body.outcome.value] += 1
                turned += body.outcome is Outcome.UNAVAILABLE and body.reason != ASKED_FOR_HELP
                for time in body.stages:
                    stages[time.stage].append(time.duration_ns)
            case DeviceFault(part=part, recovered=True):
                restarts[part] += 1
            case _:
                pass
    return Counted(
        outcomes=tuple(OutcomeCount(mode, outcome, n) for (mode, outcome), n in sorted(outcomes.items())),
        stages=tuple(_summary(stage, sorted(times)) for stage, times in sorted(stages.items())),
        turned_to_people=turned,
        restarts=dict(restarts),
    )


def _summary(stage: str, rising_ns: list[int]) -> StageSummary:
    """Return median and 95th percentile by the nearest rank: each is a time that was measured."""
    return StageSummary(stage, len(rising_ns), _rank(rising_ns, 50), _rank(rising_ns, 95))


def _rank(rising_ns: list[int], percent: int) -> int:
    place = -(-len(rising_ns) * percent // 100) - 1
    return round(rising_ns[place] / MILLISECOND_NS)
