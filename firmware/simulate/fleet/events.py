"""What the devices of a virtual fleet tell: a mix as of a working day, drawn."""

from __future__ import annotations

import random

from firmware.clock import random_id
from firmware.records import (
    CheckIn,
    DeviceFault,
    EventBody,
    Measured,
    Mode,
    Outcome,
    Registration,
    Service,
    StageTime,
)
from inference.types import Modality
from trust.consent import Consent
from trust.service import Answer, Basis, Workflow
from trust.telemetry import LinkUse, OutcomeCount, SensorHealth, Telemetry

SHARES = {"check-in": 0.62, "service": 0.30, "registration": 0.03, "telemetry": 0.04, "fault": 0.01}
"""Each person who is served leaves a service and one or two check-ins; telemetry comes four times an hour."""
_OUTCOMES = (Outcome.MATCH,) * 88 + (Outcome.NO_MATCH,) * 5 + (Outcome.RETRY,) * 7
_STAGES = ("capture", "quality", "template", "compare", "commit")


def draw_event(draw: random.Random) -> EventBody:
    """Return one event."""
    match draw.choices(tuple(SHARES), tuple(SHARES.values()))[0]:
        case "check-in":
            return _check_in(draw)
        case "service":
            return Service(
                record_id=random_id(),
                workflow=Workflow.CLINIC,
                answer=Answer.VISIT,
                basis=Basis.BIOMETRIC,
                check_ins=(random_id(),),
                cycle="2026-11-26",
                duration_ns=draw.randrange(8, 60) * 1_000_000_000,
                operator="amina",
            )
        case "registration":
            return Registration(
                record_id=random_id(),
                entry_id=random_id(),
                consent=Consent.ACCEPTED,
                notice_version="2026-01",
                notice_language="sw",
                face_templates=1,
                finger_templates=2,
            )
        case "telemetry":
            return Measured(_telemetry(draw))
        case _:
            return DeviceFault(part="camera", recovered=draw.random() < 0.5, kind="SensorTimeout")


def _check_in(draw: random.Random) -> CheckIn:
    outcome = draw.choice(_OUTCOMES)
    compared = outcome is not Outcome.RETRY
    return CheckIn(
        record_id=random_id(),
        mode=Mode.VERIFY,
        outcome=outcome,
        entry_id=random_id() if outcome is Outcome.MATCH else None,
        reason="" if compared else "too_dry",
        modalities=(Modality.FINGER,),
        tries=draw.randrange(1, 4),
        score_llr=draw.uniform(-4, 12) if compared else None,
        threshold_llr=6.5 if compared else None,
        operating_point="default 0123abcd",
        gallery_size=draw.randrange(200, 400),
        stages=tuple(StageTime(stage, draw.randrange(100_000, 900_000_000)) for stage in _STAGES),
    )


def _telemetry(draw: random.Random) -> Telemetry:
    return Telemetry(
        period_s=900,
        uptime_s=draw.randrange(3600, 10**6),
        memory_resident_mb=draw.randrange(180, 250),
        memory_available_mb=draw.randrange(400, 3000),
        disk_free_mb=draw.randrange(1000, 30_000),
        store_used_percent=draw.randrange(1, 90),
        waiting=0,
        cpu_decidegrees=draw.randrange(400, 800),
        sensors=(
            SensorHealth("fingerprint", available=True, samples=30, poor=3, quality_sum_percent=2000),
            SensorHealth("camera", available=True, samples=10, quality_sum_percent=800),
        ),
        outcomes=(OutcomeCount("verify", "match", draw.randrange(10, 30)),),
        link=LinkUse(draw.randrange(10_000), draw.randrange(10_000), 1),
    )
