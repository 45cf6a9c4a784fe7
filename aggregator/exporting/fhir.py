"""Results as FHIR R4 resources (hl7.org/fhir/R4): Encounter, Consent and AuditEvent.

A service is an Encounter, the answer to the notice a Consent, a check-in an AuditEvent. None of them has a
patient: the aggregator knows none. Each says only what the recipient's columns hold.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias

from aggregator.exporting.policy import Kind
from aggregator.exporting.rows import Value

Row: TypeAlias = "dict[str, Value]"
Resource: TypeAlias = "dict[str, Any]"

FHIR_KINDS: tuple[Kind, ...] = ("service", "registration", "check_in")
"""Events that have a resource; the others are in the tables alone."""

_RECORD = "urn:aidpost:record"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_LOINC = "http://loinc.org"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_UCUM = "http://unitsofmeasure.org"


def resource(kind: str, row: Row) -> Resource | None:
    """Return the resource of one event, None for a kind that has none."""
    match kind:
        case "service":
            return _encounter(row)
        case "registration":
            return _consent(row)
        case "check_in":
            return _audit_event(row)
        case _:
            return None


def _encounter(row: Row) -> Resource:
    made: Resource = {
        "resourceType": "Encounter",
        **_identified(row),
        "status": "finished",
        # FLD: outside a hospital, where the people are.
        "class": {"system": _ACT, "code": "AMB" if row.get("workflow") == "clinic" else "FLD"},
        "serviceProvider": {"display": row["site"]},
        "location": [{"location": {"display": row["device"]}}],
        "period": _period(row),
    }
    if row.get("workflow"):
        made["type"] = [{"text": row["workflow"]}]
    if row.get("duration_s") is not None:
        made["length"] = {"value": row["duration_s"], "unit": "s", "system": _UCUM, "code": "s"}
    if row.get("outcome"):
        made["reasonCode"] = [{"text": row["outcome"]}]
    return made


def _consent(row: Row) -> Resource:
    accepted = row.get("consent") == "accepted"
    return {
        "resourceType": "Consent",
        "identifier": [{"system": _RECORD, "value": row["record"]}],
        "status": "active" if accepted else "rejected",
        "scope": {"coding": [{"system": _SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": _LOINC, "code": "59284-0", "display": "Consent Document"}]}],
        "dateTime": row["time"],
        "organization": [{"display": row["site"]}],
        "policy": [{"uri": f"urn:aidpost:notice:{row.get('notice_version') or 'not-told'}"}],
        "provision": {"type": "permit" if accepted else "deny"},
    }


def _audit_event(row: Row) -> Resource:
    made: Resource = {
        "resourceType": "AuditEvent",
        "type": {"system": _DICOM, "code": "110114", "display": "User Authentication"},
        "action": "E",
        "recorded": row["time"],
        "outcome": "0",  # the appliance did its work, whatever came of it
        "agent": [{"requestor": False, "who": {"display": row["device"]}}],
        "source": {"site": row["site"], "observer": {"display": row["device"]}},
        "entity": [{"what": {"identifier": {"system": _RECORD, "value": row["record"]}}}],
    }
    if row.get("outcome"):
        made["outcomeDesc"] = row["outcome"]
    if row.get("mode"):
        made["subtype"] = [{"system": "urn:aidpost:mode", "code": row["mode"]}]
    return made


def _identified(row: Row) -> Resource:
    return {"identifier": [{"system": _RECORD, "value": row["record"]}]}


def _period(row: Row) -> dict[str, str]:
    end = datetime.fromisoformat(str(row["time"]))
    if not isinstance(took_s := row.get("duration_s"), int | float):
        return {"end": str(row["time"])}
    start = end - timedelta(seconds=took_s)
    return {
        "start": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "end": str(row["time"]),
    }
