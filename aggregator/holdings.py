"""What the store holds, as values that the dashboard and the commands show."""

from __future__ import annotations

from enum import Enum, unique

import msgspec

from aggregator.records import StageTime, Strength

EVENT_KINDS = (
    "check_in",
    "registration",
    "device_fault",
    "command_result",
    "telemetry_dropped",
    "service",
    "list_loaded",
    "list_erased",
    "day_closed",
    "complaint",
    "conflict",
    "resemblance",
    "telemetry",
)

MAX_MISSING_RANGES = 1000


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts of an event that no query filters by; kept as one JSON column.

    outcome of a StoredEvent is a check-in's outcome or a service's answer, mode a service's workflow.
    digest: of a list, or the seal of a closed day. collected: where a household did so twice, device, time by
    its clock and record id of each. resembles: the entry that may be of the same person, its strength
    in a word. Identifiers and digests in hex.
    """

    modalities: tuple[str, ...] | None = None
    operating_point: str | None = None
    gallery_size: int | None = None
    confirmed: bool | None = None
    stages: tuple[StageTime, ...] = ()
    consent: str | None = None
    notice_version: str | None = None
    notice_language: str | None = None
    face_templates: int | None = None
    finger_templates: int | None = None
    part: str | None = None
    recovered: bool | None = None
    fault: str | None = None
    command: str | None = None
    command_outcome: str | None = None
    detail: str | None = None
    dropped: int | None = None
    workflow: str | None = None
    cycle: str | None = None
    basis: str | None = None
    check_ins: tuple[str, ...] | None = None
    household: str | None = None
    duration_ns: int | None = None
    declined: bool | None = None
    cohort: str | None = None
    operator: str | None = None
    supervisor: str | None = None
    countersigned_by: str | None = None
    entries: int | None = None
    digest: str | None = None
    approved_by: tuple[str, ...] | None = None
    planned: int | None = None
    served: int | None = None
    exceptions: int | None = None
    already_collected: int | None = None
    conflicts: int | None = None
    waiting: int | None = None
    concern: str | None = None
    collected: tuple[str, ...] | None = None
    resembles: str | None = None
    strength: str | None = None


class StoredEvent(msgspec.Struct, frozen=True):
    """One event as held; kind: of EVENT_KINDS; what does not apply to it is None."""

    device_id: str
    epoch: bytes
    seq: int
    kind: str
    received_ns: int
    boot_id: bytes
    monotonic_ns: int
    wall_ns: int
    clock_quality: str
    record_id: bytes | None
    entry_id: bytes | None
    outcome: str | None
    mode: str | None
    tries: int | None
    score_llr: float | None
    threshold_llr: float | None
    reason: str | None
    details: Details


class Outbox(msgspec.Struct, frozen=True):
    """One outbox database of a device, named by its epoch.

    acked_seq: everything up to it is held. top_seq: the highest number held. held: events held.
    missing: ranges (first, last) between them, the first twenty. conflicts: refused second versions.
    disputed: the device came with fewer numbers given than are held. breaks: ranges of numbers in which one
    is not what the device chained.
    """

    epoch: bytes
    acked_seq: int
    top_seq: int
    held: int
    missing: tuple[tuple[int, int], ...]
    conflicts: int
    disputed: bool
    breaks: tuple[tuple[int, int], ...] = ()


@unique
class EnrolmentState(Enum):
    """What a device's key may do."""

    PENDING = "pending"
    APPROVED = "approved"
    HELD = "on hold"
    REVOKED = "revoked"
    REPLACED = "replaced"


class Missing(msgspec.Struct, frozen=True):
    """What is not held of one outbox; of a device that is lost, what is lost with it.

    told_seq: how far it had counted at its last hello, or in a bundle. ranges: (first, last), the first
    MAX_MISSING_RANGES; count: of all numbers in all ranges. barred: as in Device.
    """

    device_id: str
    site: str
    last_seen_ns: int
    epoch: bytes
    held: int
    told_seq: int
    count: int
    ranges: tuple[tuple[int, int], ...]
    barred: EnrolmentState | None = None


class OpenFault(msgspec.Struct, frozen=True):
    """A fault that the device has not reported as recovered."""

    part: str
    fault: str
    received_ns: int


class Device(msgspec.Struct, frozen=True):
    """One device; outboxes: oldest first, never empty. barred: why it may not connect, as far as is known."""

    device_id: str
    site: str
    software_version: str
    first_seen_ns: int
    last_seen_ns: int
    outboxes: tuple[Outbox, ...]
    faults: tuple[OpenFault, ...]
    barred: EnrolmentState | None = None

    @property
    def events_held(self) -> int:
        """Events held from all its outboxes."""
        return sum(outbox.held for outbox in self.outboxes)


class Enrolment(msgspec.Struct, frozen=True):
    """One key of a device that asked to join; ends_ns: of its newest certificate, None before the first."""

    device_id: str
    site: str
    state: EnrolmentState
    key_words: str
    requested_ns: int
    ends_ns: int | None


class AuditEntry(msgspec.Struct, frozen=True):
    """One act of administration; chain: SHA-256 of the entry before and this one."""

    number: int
    at_ns: int
    actor: str
    act: str
    subject: str
    chain: bytes


class HandOver(msgspec.Struct, frozen=True):
    """One ration that was given: where, and when by that device's clock."""

    device_id: str
    wall_ns: int


class DoubleCollection(msgspec.Struct, frozen=True):
    """One household that collected more than once in a cycle; household: as in the services, in hex."""

    cycle: str
    household: str
    hand_overs: tuple[HandOver, ...]


class Tallies(msgspec.Struct, frozen=True):
    """Check-ins counted by outcome: those received on one UTC day, and all."""

    day: str
    on_day: dict[str, int]
    total: dict[str, int]


class Overview(msgspec.Struct, frozen=True):
    """What the page of results shows; results: the latest check-ins and services, newest first."""

    results: tuple[StoredEvent, ...]
    tallies: Tallies


class Command(msgspec.Struct, frozen=True):
    """What an operator asked of a device; from delivered_ns on None until there is something to say.

    duration_s: how long what was asked for goes on, 0 where that means nothing.
    """

    command_id: bytes
    device_id: str
    kind: str
    asked_by: str
    asked_ns: int
    expires_ns: int
    duration_s: int
    delivered_ns: int | None
    outcome: str | None
    detail: str | None
    done_ns: int | None


class GalleryMember(msgspec.Struct, frozen=True):
    """One appliance of a gallery; version: up to which it holds it, and has carried out every erasure."""

    number: int
    device_id: str
    version: int
    asked_ns: int | None
    erasures_to_confirm: int


class Lease(msgspec.Struct, frozen=True):
    """After how much uptime, or how many boots, without contact a device's keys die; zeros for never."""

    uptime_s: int
    boots: int


NO_LEASE = Lease(0, 0)


class Unconfirmed(msgspec.Struct, frozen=True):
    """A device that may still have an erased entry; asked_ns: None for never; lease: as it told then.

    is_member: otherwise it was taken out of the gallery while it had the entry, and will not ask again.
    """

    device_id: str
    asked_ns: int | None
    lease: Lease
    is_member: bool


class Erasure(msgspec.Struct, frozen=True):
    """One entry that was erased.

    told_by: the device, empty where it is no member any more. unconfirmed: the devices that may still have
    the entry.
    """

    gallery_id: bytes
    site: str
    purpose: str
    entry_id: bytes
    told_ns: int
    told_by: str
    confirmed: tuple[str, ...]
    unconfirmed: tuple[Unconfirmed, ...]


class Gallery(msgspec.Struct, frozen=True):
    """A sealed gallery as far as the aggregator can see it.

    custodian: the words of whoever signs its rosters. former_epoch: entries still sealed under a former key.
    """

    gallery_id: bytes
    site: str
    purpose: str
    epoch: int
    edition: int
    custodian: str
    version: int
    entries: int
    erased: int
    former_epoch: int
    members: tuple[GalleryMember, ...]


class Adjudication(msgspec.Struct, frozen=True):
    """Two entries of a gallery that may be of one person, and what people said of them.

    first, second: entry ids, 16 random bytes. told_by: the device that compared them. same: what was said,
    None for nothing yet. proposed_by, confirmed_by: names of people; decided_ns: when the second confirmed.
    """

    number: int
    gallery_id: bytes
    site: str
    purpose: str
    first: bytes
    second: bytes
    score_llr: float
    strength: Strength
    told_by: str
    told_ns: int
    same: bool | None
    proposed_by: str
    confirmed_by: str
    decided_ns: int | None
