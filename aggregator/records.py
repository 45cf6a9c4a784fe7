"""What devices report, as values: parsed once by `aggregator.codec`, trusted from there on.

gc=False: no cycles are possible among them, and parsing is a tenth faster.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import TypeAlias

import msgspec

from trust.consent import Consent

# Passed on: what both ends share stands beside what is of one end.
from trust.events import ClockQuality as ClockQuality
from trust.events import CommandKind as CommandKind
from trust.events import Mode as Mode
from trust.events import Moment as Moment
from trust.events import Outcome as Outcome
from trust.service import Answer, Basis, Concern, Reason, Workflow
from trust.telemetry import Telemetry


@unique
class Modality(Enum):
    """What was presented."""

    FACE = "face"
    FINGER = "finger"


class StageTime(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How long one stage took; array_like: names would be half of what the store keeps of it."""

    stage: str
    duration_ns: int


class CheckIn(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one check-in; identifiers: 16 bytes; scores: log-likelihood ratios, natural log."""

    record_id: bytes
    mode: Mode
    outcome: Outcome
    entry_id: bytes | None
    reason: str
    modalities: tuple[Modality, ...]
    tries: int
    score_llr: float | None
    threshold_llr: float | None
    operating_point: str
    gallery_size: int
    stages: tuple[StageTime, ...]
    confirmed: bool


class Registration(msgspec.Struct, frozen=True, gc=False):
    """A person was registered; entry_id is None for a person without templates."""

    record_id: bytes
    entry_id: bytes | None
    consent: Consent
    notice_version: str
    notice_language: str
    face_templates: int
    finger_templates: int


class DeviceFault(msgspec.Struct, frozen=True, gc=False):
    """A part of a device failed or came back; kind is the class of the fault."""

    part: str
    recovered: bool
    kind: str


GOES_ON = frozenset({CommandKind.OPEN_SUPPORT, CommandKind.TAIL_LOG})
"""Commands for a while, which their duration says."""


@unique
class CommandOutcome(Enum):
    """How a command ended."""

    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


class CommandResult(msgspec.Struct, frozen=True, gc=False):
    """What became of a command; command_id: 16 bytes."""

    command_id: bytes
    kind: CommandKind
    outcome: CommandOutcome
    detail: str


class TelemetryDropped(msgspec.Struct, frozen=True, gc=False):
    """A device had no space for so many events of its telemetry."""

    events: int


class Service(msgspec.Struct, frozen=True, gc=False):
    """One person was served; household: 16 bytes, equal for one household at all devices of a cycle."""

    record_id: bytes
    workflow: Workflow
    answer: Answer
    basis: Basis | None
    check_ins: tuple[bytes, ...]
    reason: Reason | None
    household: bytes | None
    cycle: str
    duration_ns: int
    declined: bool
    cohort: str
    operator: str
    supervisor: str
    countersigned_by: str = ""


class ListLoaded(msgspec.Struct, frozen=True, gc=False):
    """A list of expected people was taken up; digest: SHA-256 of its content."""

    workflow: Workflow
    cycle: str
    entries: int
    digest: bytes
    approved_by: tuple[str, ...]


class ListErased(msgspec.Struct, frozen=True, gc=False):
    """The receipt for the erasure of a list."""

    workflow: Workflow
    cycle: str
    entries: int
    digest: bytes


class DayClosed(msgspec.Struct, frozen=True, gc=False):
    """A day was closed; seal: SHA-256 over what was collected, or empty."""

    workflow: Workflow
    cycle: str
    planned: int
    served: int
    exceptions: int
    already_collected: int
    conflicts: int
    waiting: int
    seal: bytes
    operator: str


class Complaint(msgspec.Struct, frozen=True, gc=False):
    """Somebody complained, on the spot."""

    record_id: bytes
    workflow: Workflow
    concern: Concern


COLLECTED_TWICE = "collected twice"
"""What a conflict counts as, beside the answers."""


class CollectedAt(msgspec.Struct, frozen=True, gc=False):
    """Where a household collected, by the clock of that device."""

    record_id: bytes
    device_id: str
    moment: Moment


class CollectionConflict(msgspec.Struct, frozen=True, gc=False):
    """A household collected twice in one cycle, told by the device that owns it; household: as in Service."""

    household: bytes
    cycle: str
    first: CollectedAt
    second: CollectedAt


@unique
class Strength(Enum):
    """What a score is worth, in the words that staff see."""

    STRONG = "strong"
    FAIR = "fair"
    WEAK = "weak"


class Resemblance(msgspec.Struct, frozen=True, gc=False):
    """Two entries of a shared gallery may be of one person; identifiers: 16 bytes; score: as in CheckIn."""

    gallery_id: bytes
    entry_id: bytes
    resembles: bytes
    score_llr: float
    strength: Strength


EventBody: TypeAlias = (
    CheckIn
    | Registration
    | DeviceFault
    | CommandResult
    | TelemetryDropped
    | Service
    | ListLoaded
    | ListErased
    | DayClosed
    | Complaint
    | CollectionConflict
    | Resemblance
    | Telemetry
)


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event; content: its canonical bytes (protobuf, deterministic order), which two repeats share."""

    seq: int
    moment: Moment
    body: EventBody
    content: bytes


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Events in rising order of seq, never none.

    chain_head: the device's chain after the last, 32 bytes. size_bytes: of the batch as it came.
    """

    events: tuple[Event, ...]
    chain_head: bytes
    size_bytes: int


class Credit(msgspec.Struct, frozen=True, gc=False):
    """How much a device may have under way without an acknowledgement; bytes: of the batches as sent."""

    events: int
    bytes: int


class Hello(msgspec.Struct, frozen=True, gc=False):
    """How a device opens its stream; epoch: 16 bytes; last_seq: the highest number that it has given.

    generation: rises with every hello, so that a copied card shows. instance: of the process, 16 bytes.
    """

    device_id: str
    epoch: bytes
    last_seq: int
    software_version: str
    site: str
    generation: int
    instance: bytes
