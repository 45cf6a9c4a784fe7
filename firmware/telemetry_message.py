"""Telemetry as protobuf; a part of `firmware.event_message`."""

from __future__ import annotations

from aidpost.v1 import telemetry_pb2
from trust.telemetry import Telemetry


def telemetry_to(body: Telemetry) -> telemetry_pb2.Telemetry:
    """Return telemetry as protobuf."""
    return telemetry_pb2.Telemetry(
        period_s=body.period_s,
        cpu_decidegrees=body.cpu_decidegrees,
        throttled=body.throttled,
        memory_resident_mb=body.memory_resident_mb,
        memory_available_mb=body.memory_available_mb,
        disk_free_mb=body.disk_free_mb,
        store_used_percent=body.store_used_percent,
        disk_written_mb=body.disk_written_mb,
        disk_life_used_percent=body.disk_life_used_percent,
        uptime_s=body.uptime_s,
        waiting=body.waiting,
        queue=body.queue,
        turned_to_people=body.turned_to_people,
        sensors=[
            telemetry_pb2.SensorHealth(
                part=each.part,
                available=each.available,
                samples=each.samples,
                poor=each.poor,
                quality_sum_percent=each.quality_sum_percent,
                not_acquired=each.not_acquired,
                dirty=each.dirty,
                restarts=each.restarts,
            )
            for each in body.sensors
        ],
        outcomes=[
            telemetry_pb2.OutcomeCount(mode=each.mode, outcome=each.outcome, count=each.count)
            for each in body.outcomes
        ],
        stages=[
            telemetry_pb2.StageSummary(
                stage=each.stage, count=each.count, median_ms=each.median_ms, p95_ms=each.p95_ms
            )
            for each in body.stages
        ],
        link=telemetry_pb2.LinkUse(
            sent_bytes=body.link.sent_bytes,
            received_bytes=body.link.received_bytes,
            connects=body.link.connects,
        ),
        certificate_ends_s=body.certificate_ends_s,
    )
