"""What the appliance writes down and reports: one immutable value for each kind of event.

No name, image or template appears here. The store keeps these values; `firmware.event_message` alone turns
them into protobuf.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import TypeAlias, assert_never

import msgspec

from inference.types import Modality
from trust.consent import Consent

# Passed on: what both ends share stands beside what is of one end.
from trust.events import ClockQuality as ClockQuality
from trust.events import CommandKind as CommandKind
from trust.events import Mode as Mode
from trust.events import Moment as Moment
from trust.events import Outcome as Outcome
from trust.service import Answer, Basis, Concern, Reason, Workflow
from trust.telemetry import Telemetry


class Attempts(msgspec.Struct, frozen=True):
    """How often check-ins under one claim failed in a row, and when the last one did."""

    failed_in_a_row: int = 0
    last: Moment | None = None


class StageTime(msgspec.Struct, frozen=True):
    """How long one stage took; stage is capture, quality, template, compare or commit."""

    stage: str
    duration_ns: int


class CheckIn(msgspec.Struct, frozen=True, tag="check_in"):
    """The outcome of one check-in.

    record_id, entry_id: 16 random bytes; entry_id is None unless there was a match or a suggestion.
    reason: why another try or a person was needed, empty for a match.
    score_llr, threshold_llr: log-likelihood ratios (natural logarithm), None when nothing was compared.
    operating_point: name and digest of what set the threshold.
    confirmed: a person confirmed a suggestion by sight (always False for the other outcomes).
    attack_score: the highest of the face samples, 0 (bona fide) to 1 (attack); None where none was scored. It
    is a number for the figures of a site, no finding about a person, and it stays on the appliance.
    """

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
    confirmed: bool = False
    attack_score: float | None = None


class Use(msgspec.Struct, frozen=True):
    """What the audit log keeps of one use on a person, beside the record (EU AI Act, art. 12(3)).

    began: the moment of the record is its end. gallery_digest: SHA-256 over the sorted ids of the entries
    that were searched. models: what made the templates. operator: who confirmed, empty where nobody signed
    in. input_digest: HMAC-SHA-256 of the probe templates under a key of this store, None without a match.
    strength: what the score was worth, in the word that staff see; empty where nothing was compared.
    failed_in_a_row: under the claim, after this one; None where it counted as no attempt.
    """

    began: Moment
    gallery_digest: bytes
    models: tuple[str, ...]
    operator: str
    input_digest: bytes | None
    strength: str = ""
    failed_in_a_row: int | None = None


class Registration(msgspec.Struct, frozen=True, tag="registration"):
    """A person was registered; entry_id is None for a person without templates (consent declined)."""

    record_id: bytes
    entry_id: bytes | None
    consent: Consent
    notice_version: str
    notice_language: str
    face_templates: int
    finger_templates: int


class DeviceFault(msgspec.Struct, frozen=True, tag="device_fault"):
    """A part of the appliance failed, or came back; kind is the class of the fault."""

    part: str
    recovered: bool
    kind: str


@unique
class CommandOutcome(Enum):
    """How a command ended."""

    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"


class CommandResult(msgspec.Struct, frozen=True, tag="command_result"):
    """What became of a command; detail: one sentence for the operator."""

    command_id: bytes
    kind: CommandKind
    outcome: CommandOutcome
    detail: str


class TelemetryDropped(msgspec.Struct, frozen=True, tag="telemetry_dropped"):
    """So many events of the telemetry lane were not written down for want of space."""

    events: int


class Service(msgspec.Struct, frozen=True, tag="service", kw_only=True):
    """One person was served, and left with an answer.

    record_id: 16 random bytes. check_ins: record ids of the check-ins that it rests on, in order.
    household: 16 bytes, HMAC-SHA-256 of the household's number under the key of its cycle; equal at all
    appliances of the cycle and opaque to the aggregator. cycle: of the distribution, or the clinic's day.
    duration_ns: from the greeting to the answer. declined: the person did not want biometrics. cohort: a free
    label of the list ("60+"). operator, supervisor: as they sign in; empty where nobody did.
    countersigned_by: who signed an exception with the supervisor, where that is not the operator.
    """

    record_id: bytes
    workflow: Workflow
    answer: Answer
    basis: Basis | None = None
    check_ins: tuple[bytes, ...] = ()
    reason: Reason | None = None
    household: bytes | None = None
    cycle: str = ""
    duration_ns: int = 0
    declined: bool = False
    cohort: str = ""
    operator: str = ""
    supervisor: str = ""
    countersigned_by: str = ""


class ListLoaded(msgspec.Struct, frozen=True, tag="list_loaded", kw_only=True):
    """A list of expected people was taken up; cycle: its day or its cycle; digest: SHA-256 of its content.

    approved_by: the staff who took it up, one for a clinic's day, two supervisors for a distribution.
    """

    workflow: Workflow
    cycle: str
    entries: int
    digest: bytes
    approved_by: tuple[str, ...] = ()


class ListErased(msgspec.Struct, frozen=True, tag="list_erased", kw_only=True):
    """The receipt for a list's erasure: so many entries of the list with this digest are gone from here."""

    workflow: Workflow
    cycle: str
    entries: int
    digest: bytes


class DayClosed(msgspec.Struct, frozen=True, tag="day_closed", kw_only=True):
    """The day was closed; the report's own counts, and the seal of the ledger.

    planned: people or households on the list; 0 without one. waiting: events that the aggregator did not hold
    yet. seal: SHA-256 over what the ledger says was collected, 32 bytes; empty for a clinic.
    """

    workflow: Workflow
    cycle: str
    planned: int
    served: int
    exceptions: int
    already_collected: int
    conflicts: int
    waiting: int
    seal: bytes = b""
    operator: str = ""


class Complaint(msgspec.Struct, frozen=True, tag="complaint", kw_only=True):
    """Somebody complained, on the spot; no text, no person and no member of staff is kept with it."""

    record_id: bytes
    workflow: Workflow
    concern: Concern


class CollectedAt(msgspec.Struct, frozen=True):
    """Where a household collected: the record of the service, the device, and the moment by its clock."""

    record_id: bytes
    device_id: str
    moment: Moment


class CollectionConflict(msgspec.Struct, frozen=True, tag="collection_conflict", kw_only=True):
    """A household collected twice in one cycle, at appliances that could not ask each other.

    Told by the appliance that owns the household, once for each collection after the first that it heard of.
    It accuses nobody: it says what a lost network cost. household: 16 bytes, as in Service.
    """

    household: bytes
    cycle: str
    first: CollectedAt
    second: CollectedAt


class Resemblance(msgspec.Struct, frozen=True, tag="resemblance", kw_only=True):
    """Two entries of a shared gallery may be of one person: registered here, and elsewhere meanwhile.

    gallery_id, entry_id, resembles: 16 bytes each, random. score_llr: as in CheckIn. strength: as in Use.
    """

    gallery_id: bytes
    entry_id: bytes
    resembles: bytes
    score_llr: float
    strength: str


class Measured(msgspec.Struct, frozen=True, tag="telemetry"):
    """How the appliance is, and what happened since the last time."""

    telemetry: Telemetry


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
    | Measured
)


@unique
class Lane(Enum):
    """What is given up first when space runs out: telemetry, then new registrations; the rest never."""

    SECURITY = "security"
    RESULTS = "results"
    TELEMETRY = "telemetry"


def lane_of(body: EventBody) -> Lane:
    """Return the lane of an event."""
    match body:
        case CommandResult() | ListLoaded() | ListErased():
            return Lane.SECURITY
        case (
            CheckIn()
            | Registration()
            | Service()
            | DayClosed()
            | Complaint()
            | CollectionConflict()
            | Resemblance()
        ):
            return Lane.RESULTS
        case DeviceFault() | TelemetryDropped() | Measured():
            return Lane.TELEMETRY
        case _:
            assert_never(body)


class Event(msgspec.Struct, frozen=True):
    """One outbox row. seq starts at 1 and has no gaps within an epoch."""

    seq: int
    moment: Moment
    body: EventBody


class Queued(msgspec.Struct, frozen=True):
    """An event that waits, and the value of the hash chain after it."""

    event: Event
    link: bytes

    @property
    def seq(self) -> int:
        """The event's number."""
        return self.event.seq


class SignedReceipt(msgspec.Struct, frozen=True):
    """The aggregator's signature that it holds everything up to seq; server_ns: its clock when it signed."""

    seq: int
    server_ns: int
    signature: bytes
    receipt_key: bytes
