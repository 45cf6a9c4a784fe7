"""One record of each kind that the work makes, for tests of the store and of both ends of the wire."""

from __future__ import annotations

from msgspec.structs import replace

from firmware.records import (
    ClockQuality,
    CollectedAt,
    CollectionConflict,
    Complaint,
    DayClosed,
    ListErased,
    ListLoaded,
    Moment,
    Service,
)
from trust.service import Answer, Basis, Concern, Reason, Workflow

CYCLE = "2026-11"
DIGEST = bytes(range(32))


def service(
    number: int = 1, *, answer: Answer = Answer.GIVEN, basis: Basis | None = Basis.EXCEPTION
) -> Service:
    """A service that `number` tells from others."""
    return Service(
        record_id=number.to_bytes(16, "big"),
        workflow=Workflow.DISTRIBUTION,
        answer=answer,
        basis=basis,
        check_ins=(b"c" * 16, b"d" * 16),
        reason=Reason.WORN_FINGERS if basis is Basis.EXCEPTION else None,
        household=b"h" * 16,
        cycle=CYCLE,
        duration_ns=19_250_000_000,
        declined=True,
        cohort="60+",
        operator="amina",
        supervisor="tomas" if basis is Basis.EXCEPTION else "",
    )


LIST_LOADED = ListLoaded(
    workflow=Workflow.DISTRIBUTION, cycle=CYCLE, entries=412, digest=DIGEST, approved_by=("amina", "tomas")
)
LIST_ERASED = ListErased(workflow=Workflow.CLINIC, cycle="2026-11-25", entries=87, digest=DIGEST)
DAY_CLOSED = DayClosed(
    workflow=Workflow.DISTRIBUTION,
    cycle=CYCLE,
    planned=412,
    served=397,
    exceptions=6,
    already_collected=2,
    conflicts=1,
    waiting=3,
    seal=DIGEST,
    operator="tomas",
)
COMPLAINT = Complaint(record_id=b"k" * 16, workflow=Workflow.CLINIC, concern=Concern.WAIT)
_CLOCK = Moment(b"b" * 16, 7_000_000, 1_767_258_000_000_000_000, ClockQuality.SYNCHRONISED)
CONFLICT = CollectionConflict(
    household=b"h" * 16,
    cycle=CYCLE,
    first=CollectedAt(b"1" * 16, "desk-1", _CLOCK),
    second=CollectedAt(b"2" * 16, "desk-2", replace(_CLOCK, wall_ns=_CLOCK.wall_ns + 60_000_000_000)),
)
