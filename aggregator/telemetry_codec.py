"""Telemetry at the wire's edge; a part of `aggregator.codec`."""

from __future__ import annotations

from aggregator.fields import counted, text
from aggregator.malformed import Malformed
from aidpost.v1 import telemetry_pb2
from trust.telemetry import LinkUse, OutcomeCount, SensorHealth, StageSummary, Telemetry

MAX_SENSORS = 8
MAX_COUNTS = 32
MAX_WORD = 32


def telemetry(body: telemetry_pb2.Telemetry) -> Telemetry:
    """Return what a device measured; raises Malformed."""
    if len(body.sensors) > MAX_SENSORS or max(len(body.outcomes), len(body.stages)) > MAX_COUNTS:
        raise Malformed(f"telemetry has more than {MAX_SENSORS} sensors or {MAX_COUNTS} counts")
    has = body.HasField
    return Telemetry(
        period_s=body.period_s,
        uptime_s=body.uptime_s,
        memory_resident_mb=body.memory_resident_mb,
        memory_available_mb=body.memory_available_mb,
        disk_free_mb=body.disk_free_mb,
        store_used_percent=body.store_used_percent,
        waiting=body.waiting,
        turned_to_people=body.turned_to_people,
        cpu_decidegrees=body.cpu_decidegrees if has("cpu_decidegrees") else None,
        throttled=body.throttled if has("throttled") else None,
        disk_written_mb=body.disk_written_mb if has("disk_written_mb") else None,
        disk_life_used_percent=body.disk_life_used_percent if has("disk_life_used_percent") else None,
        queue=body.queue if has("queue") else None,
        sensors=tuple(
            SensorHealth(
                part=text(each.part, "part", MAX_WORD),
                available=each.available,
                samples=each.samples,
                poor=each.poor,
                quality_sum_percent=each.quality_sum_percent,
                not_acquired=each.not_acquired,
                dirty=each.dirty,
                restarts=each.restarts,
            )
            for each in body.sensors
        ),
        outcomes=tuple(
            OutcomeCount(
                text(each.mode, "mode", MAX_WORD), text(each.outcome, "outcome", MAX_WORD), each.count
            )
            for each in body.outcomes
        ),
        stages=tuple(
            StageSummary(text(each.stage, "stage", MAX_WORD), each.count, each.median_ms, each.p95_ms)
            for each in body.stages
        ),
        link=LinkUse(
            counted(body.link.sent_bytes, "sent_bytes"),
            counted(body.link.received_bytes, "received_bytes"),
            body.link.connects,
        ),
        certificate_ends_s=counted(body.certificate_ends_s, "certificate_ends_s"),
    )


def telemetry_message(body: Telemetry) -> telemetry_pb2.Telemetry:
    """Return telemetry as protobuf, for the desk."""
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
