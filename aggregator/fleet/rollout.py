"""A change that goes out step by step: what a rollout is, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, unique
from types import MappingProxyType

import msgspec

from aggregator.fleet.canary import Shift
from trust.state import Artifact

WHOLE_RING = 1_000_000
"""As min_devices: every device of the ring."""


@unique
class RolloutState(Enum):
    """Where a rollout stands."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    CANCELLED = "cancelled"


@unique
class Occurrence(Enum):
    """What moves a rollout from one state to another."""

    RING_PASSED = "a ring passed"
    LAST_RING_PASSED = "the last ring passed"
    TOO_MANY_ERRORS = "too many errors"
    WORSE_FOR_PEOPLE = "worse for people"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


BY_PEOPLE: Mapping[Occurrence, str] = MappingProxyType(
    {Occurrence.PAUSE: "paused", Occurrence.RESUME: "resumed", Occurrence.CANCEL: "cancelled"}
)
"""What people do, and how it is said of a rollout."""

TRANSITIONS: Mapping[tuple[RolloutState, Occurrence], RolloutState] = MappingProxyType(
    {
        (RolloutState.RUNNING, Occurrence.RING_PASSED): RolloutState.RUNNING,
        (RolloutState.RUNNING, Occurrence.LAST_RING_PASSED): RolloutState.DONE,
        (RolloutState.RUNNING, Occurrence.TOO_MANY_ERRORS): RolloutState.STOPPED,
        (RolloutState.RUNNING, Occurrence.WORSE_FOR_PEOPLE): RolloutState.STOPPED,
        (RolloutState.RUNNING, Occurrence.PAUSE): RolloutState.PAUSED,
        (RolloutState.PAUSED, Occurrence.RESUME): RolloutState.RUNNING,
        (RolloutState.STOPPED, Occurrence.RESUME): RolloutState.RUNNING,
        (RolloutState.RUNNING, Occurrence.CANCEL): RolloutState.CANCELLED,
        (RolloutState.PAUSED, Occurrence.CANCEL): RolloutState.CANCELLED,
        (RolloutState.STOPPED, Occurrence.CANCEL): RolloutState.CANCELLED,
    }
)
"""All that can happen; docs/rollouts.md has the diagram of it. What is not listed is refused."""

UNFINISHED = (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.STOPPED)
"""These may still tell devices something, so no second rollout may touch the same fields of them."""


@unique
class Standing(Enum):
    """How far one device has come."""

    PENDING = "pending"
    TOLD = "told"
    APPLIED = "applied"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    TAKEN_BACK = "taken back"


ANSWERED = (Standing.APPLIED, Standing.REFUSED, Standing.ROLLED_BACK)


class Change(msgspec.Struct, frozen=True):
    """What is desired of each device in turn; settings: JSON text by name."""

    settings: dict[str, str]
    artifacts: tuple[Artifact, ...] = ()

    def fields(self) -> tuple[str, ...]:
        """Return the names of what it changes, as in an update mask."""
        artifacts = (f"artifacts.{each.kind.value}" for each in self.artifacts)
        return (*(f"settings.{name}" for name in sorted(self.settings)), *sorted(artifacts))


class Ring(msgspec.Struct, frozen=True):
    """One step: `percent` of the devices that are left and match the filter; an empty one matches all."""

    name: str
    filter: str
    percent: int
    soak_s: int


class Thresholds(msgspec.Struct, frozen=True):
    """When a rollout goes on, and when it stops; the wire's comments say what each means.

    0 points: this rate is not judged.
    """

    min_devices: int = WHOLE_RING
    success_percent: int = 95
    error_percent: int = 5
    min_check_ins: int = 200
    failure_to_acquire_points: float = 3.0
    no_match_points: float = 3.0

    @property
    def judges_people(self) -> bool:
        """Whether what happens to people is held against a set point."""
        return self.failure_to_acquire_points > 0 or self.no_match_points > 0


class Member(msgspec.Struct, frozen=True):
    """One device of a rollout; ring: from 0, drawn once.

    told_ns: when it was last told, answered_ns: when its answer was seen. waiting: it fetches files or waits
    for its window and for nobody to be served. failing, failing_before: it cannot serve people as it should,
    now and when it was told. silent: not heard of for long. gone: revoked or held, it counts no more.
    set_aside: a person has seen its error and let the rollout go on.
    """

    device_id: str
    site: str
    ring: int
    standing: Standing = Standing.PENDING
    reason: str = ""
    told_ns: int | None = None
    answered_ns: int | None = None
    waiting: bool = False
    failing: bool = False
    failing_before: bool = False
    silent: bool = False
    gone: bool = False
    set_aside: bool = False

    @property
    def answered(self) -> bool:
        """Whether it said what became of the change."""
        return self.standing in ANSWERED

    @property
    def in_error(self) -> bool:
        """Whether the change did not become what it should, as far as nobody has set that aside."""
        if self.set_aside or self.gone:
            return False
        failed = self.standing in (Standing.REFUSED, Standing.ROLLED_BACK)
        fails_since = self.standing is Standing.APPLIED and self.failing and not self.failing_before
        return failed or fails_since


class Watch(msgspec.Struct, frozen=True):
    """One ring over time; looked_at: the check-ins after the change when it was last judged.

    waived: a person has seen what it does to people and let the rollout go on.
    """

    began_ns: int | None = None
    ended_ns: int | None = None
    shifts: tuple[Shift, ...] = ()
    looked_at: int = 0
    waived: bool = False


class Rollout(msgspec.Struct, frozen=True):
    """A rollout and all of its devices; ring: the one under way, from 0; reason: one sentence."""

    name: str
    title: str
    change: Change
    filter: str
    rings: tuple[Ring, ...]
    thresholds: Thresholds
    members: tuple[Member, ...]
    watches: tuple[Watch, ...]
    created_ns: int
    created_by: str
    state: RolloutState = RolloutState.RUNNING
    reason: str = ""
    ring: int = 0
    take_back: bool = False
    finished_ns: int | None = None

    def of_ring(self, ring: int) -> Iterator[Member]:
        """Yield the devices of one ring."""
        return (each for each in self.members if each.ring == ring)


class RingCount(msgspec.Struct, frozen=True):
    """How many devices of one ring came how far; told: all that were, whether they answered or not."""

    devices: int = 0
    told: int = 0
    waiting: int = 0
    applied: int = 0
    refused: int = 0
    rolled_back: int = 0
    failing: int = 0
    silent: int = 0
    taken_back: int = 0


def count_ring(rollout: Rollout, ring: int) -> RingCount:
    """Count the devices of a ring that are still there."""
    members = [each for each in rollout.of_ring(ring) if not each.gone]
    of = [each.standing for each in members]
    return RingCount(
        devices=len(members),
        told=sum(standing is Standing.TOLD or standing in ANSWERED for standing in of),
        waiting=sum(each.standing is Standing.TOLD and each.waiting for each in members),
        applied=of.count(Standing.APPLIED),
        refused=of.count(Standing.REFUSED),
        rolled_back=of.count(Standing.ROLLED_BACK),
        failing=sum(
            each.standing is Standing.APPLIED and each.failing and not each.failing_before for each in members
        ),
        silent=sum(each.standing is Standing.TOLD and each.silent for each in members),
        taken_back=of.count(Standing.TAKEN_BACK),
    )
