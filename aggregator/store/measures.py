"""What the metrics endpoint shows, read from the store as of one commit."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aggregator.fleet.alerts import AlertKind, Severity
from aggregator.store import alerts, telemetry
from aggregator.store.identities import barred
from aggregator.store.port import Database
from trust.telemetry import Telemetry


class DeviceMeasures(msgspec.Struct, frozen=True, gc=False):
    """One device; telemetry: its newest, None before the first."""

    device_id: str
    site: str
    last_seen_ns: int
    barred: bool
    telemetry: Telemetry | None


class Measures(msgspec.Struct, frozen=True):
    """results: all check-ins and services so far, by outcome. deliveries: that wait, by hook."""

    devices: tuple[DeviceMeasures, ...]
    events: int
    results: Mapping[str, int]
    alerts: Mapping[tuple[AlertKind, Severity], int]
    deliveries: Mapping[str, int]


def read(db: Database) -> Measures:
    """Return what there is to measure."""
    shut_out = barred(db)
    told = {each.device_id: each.telemetry for each in telemetry.latest(db)}
    devices = db.execute("SELECT device_id, site, last_seen_ns FROM devices ORDER BY device_id").fetchall()
    (events,) = db.execute("SELECT coalesce(sum(held), 0) FROM outboxes").fetchone()
    return Measures(
        devices=tuple(
            DeviceMeasures(device_id, site, last_seen_ns, device_id in shut_out, told.get(device_id))
            for device_id, site, last_seen_ns in devices
        ),
        events=int(events),
        results={
            outcome: int(count)
            for outcome, count in db.execute("SELECT outcome, sum(count) FROM tallies GROUP BY outcome")
        },
        alerts=alerts.counts(db),
        deliveries=dict(
            db.execute(
                """SELECT hooks.name, count(deliveries.number) FROM hooks
                   LEFT JOIN deliveries ON deliveries.hook = hooks.name GROUP BY hooks.name"""
            ).fetchall()
        ),
    )
