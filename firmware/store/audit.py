"""The audit log: append-only rows, each chained to the one before by SHA-256, checkable offline.

A store that goes on from a former one keeps its rows and adds one that begins its own epoch.

It holds digests and decisions, never a subject, a template or an entry's id, so it outlives what it is about.
The row of an event holds the value of the event chain after it, so this chain covers that one too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import assert_never

import msgspec
from sqlite_utils import Database

from firmware.records import (
    CheckIn,
    CollectionConflict,
    CommandResult,
    Complaint,
    DayClosed,
    DeviceFault,
    EventBody,
    ListErased,
    ListLoaded,
    Measured,
    Moment,
    Registration,
    Resemblance,
    Service,
    TelemetryDropped,
    Use,
)
from trust.consent import Purpose


class AuditEntry(msgspec.Struct, frozen=True):
    """One act.

    about: the value of the event chain after the event, or SHA-256 of the gallery entry's id.
    seq: the event's sequence number, None for an act that makes no event.
    """

    act: str
    moment: Moment
    purpose: Purpose
    about: bytes
    seq: int | None = None
    facts: dict[str, str] = {}


NEW_EPOCH = "new epoch"
"""The act of the row from which on events are numbered from 1 again."""
NOT_SIGNED_IN = "not signed in"


@dataclass(frozen=True, slots=True)
class AuditBroken:
    """The audit log was changed: the first row that does not hold, and why."""

    number: int
    reason: str


def first_link(epoch: bytes) -> bytes:
    """Return what the first row is chained to, so that no row fits another store."""
    return hashlib.sha256(b"aidpost audit 1\0" + epoch).digest()


def next_link(link: bytes, entry: bytes) -> bytes:
    """Return the chain value of a row: SHA-256 of the one before and the row's bytes."""
    return hashlib.sha256(link + entry).digest()


def facts_of_use(use: Use) -> dict[str, str]:
    """Return what stays of a use of the appliance on a person, beside its record's own facts."""
    began = use.began
    return {
        "began": f"{began.boot_id.hex()} {began.monotonic_ns} {began.wall_ns} {began.quality.value}",
        "gallery": use.gallery_digest.hex(),
        "models": " ".join(use.models),
        "operator": use.operator or NOT_SIGNED_IN,
        "input": use.input_digest.hex() if use.input_digest is not None else "",
        "strength": use.strength,
        "failed in a row": "" if use.failed_in_a_row is None else str(use.failed_in_a_row),
    }


def facts_of(body: EventBody) -> tuple[str, dict[str, str]]:
    """Return the act and the facts that stay in the audit log after the record is gone."""
    match body:
        case CheckIn():
            return "check-in", {
                "mode": body.mode.value,
                "outcome": body.outcome.value,
                "confirmed": str(body.confirmed).lower(),
                "operating point": body.operating_point,
                "threshold": "" if body.threshold_llr is None else repr(body.threshold_llr),
                "gallery size": str(body.gallery_size),
            }
        case Registration():
            return "registration", {
                "consent": body.consent.value,
                "notice": f"{body.notice_version} {body.notice_language}",
                "face templates": str(body.face_templates),
                "finger templates": str(body.finger_templates),
            }
        case DeviceFault():
            return "device recovered" if body.recovered else "device fault", {
                "part": body.part,
                "kind": body.kind,
            }
        case CommandResult():
            return "command", {
                "kind": body.kind.value,
                "outcome": body.outcome.value,
                "command": body.command_id.hex(),
            }
        case TelemetryDropped():
            return "telemetry dropped", {"events": str(body.events)}
        case Service():
            return "service", _facts_of_service(body)
        case ListLoaded():
            return "list loaded", _facts_of_list(body) | {"approved by": ", ".join(body.approved_by)}
        case ListErased():
            return "list erased", _facts_of_list(body)
        case DayClosed():
            return "day closed", {
                "workflow": body.workflow.value,
                "cycle": body.cycle,
                "served": f"{body.served} of {body.planned}",
                "seal": body.seal.hex(),
                "operator": body.operator or NOT_SIGNED_IN,
            }
        case Complaint():
            return "complaint", {"workflow": body.workflow.value, "concern": body.concern.value}
        case CollectionConflict():
            # Not the household: the log outlives what it is about.
            return "collection conflict", {
                "cycle": body.cycle,
                "devices": f"{body.first.device_id} {body.second.device_id}",
            }
        case Resemblance():
            return "resemblance told", {"strength": body.strength}
        case Measured():
            return "telemetry", {}
        case _:
            assert_never(body)


def _facts_of_service(body: Service) -> dict[str, str]:
    # Neither household nor cohort: the log outlives what it is about.
    return {
        "workflow": body.workflow.value,
        "answer": body.answer.value,
        "basis": body.basis.value if body.basis else "",
        "reason": body.reason.value if body.reason else "",
        "cycle": body.cycle,
        "biometrics declined": str(body.declined).lower(),
        "operator": body.operator or NOT_SIGNED_IN,
        "supervisor": body.supervisor,
        "countersigned by": body.countersigned_by,
    }


def _facts_of_list(body: ListLoaded | ListErased) -> dict[str, str]:
    return {
        "workflow": body.workflow.value,
        "cycle": body.cycle,
        "entries": str(body.entries),
        "digest": body.digest.hex(),
    }


def append(database: Database, chain_epoch: bytes, entry: AuditEntry) -> None:
    """Add a row within the caller's transaction; chain_epoch: of the store in which the log began."""
    newest = database.execute("SELECT chain FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    data = msgspec.msgpack.encode(entry)
    chain = next_link(newest[0] if newest else first_link(chain_epoch), data)
    database.execute("INSERT INTO audit (entry, chain) VALUES (?, ?)", (data, chain))
