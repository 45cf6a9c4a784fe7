"""Telemetry of a quiet and of a busy quarter of an hour."""

from __future__ import annotations

from trust.telemetry import LinkUse, OutcomeCount, SensorHealth, StageSummary, Telemetry

QUIET = Telemetry(
    period_s=900,
    uptime_s=700_000,
    memory_resident_mb=212,
    memory_available_mb=1_300,
    disk_free_mb=21_000,
    store_used_percent=7,
    waiting=1,
    cpu_decidegrees=480,
    throttled=0,
    disk_written_mb=18_250,
    disk_life_used_percent=10,
    sensors=(SensorHealth("fingerprint", True), SensorHealth("camera", True)),
    link=LinkUse(300, 150, 0),
    certificate_ends_s=1_800_000_000,
)

BUSY = Telemetry(
    period_s=900,
    uptime_s=700_000,
    memory_resident_mb=212,
    memory_available_mb=1_300,
    disk_free_mb=21_000,
    store_used_percent=7,
    waiting=3,
    turned_to_people=1,
    cpu_decidegrees=617,
    throttled=0x50000,
    disk_written_mb=18_250,
    disk_life_used_percent=10,
    sensors=(
        SensorHealth("fingerprint", True, 34, 4, 2_450, 1),
        SensorHealth("camera", True, 31, 2, 2_310, 0, restarts=1),
    ),
    outcomes=(
        OutcomeCount("identify", "no match", 1),
        OutcomeCount("identify", "suggestion", 6),
        OutcomeCount("verify", "match", 22),
        OutcomeCount("verify", "no match", 1),
        OutcomeCount("verify", "retry", 1),
    ),
    stages=tuple(
        StageSummary(stage, 31, median, p95)
        for stage, median, p95 in (
            ("capture", 900, 2_400),
            ("quality", 60, 90),
            ("template", 240, 380),
            ("compare", 2, 9),
            ("commit", 7, 15),
        )
    ),
    link=LinkUse(4_300, 1_900, 1),
    certificate_ends_s=1_800_000_000,
)
