"""Alerts and hooks at the desk: pages with people first, who looks after what, and places that are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo

from aggregator.fleet.alerts import AlertKind, Finding, Severity
from aggregator.store import alerts
from aidpost.v1 import alert_pb2, event_pb2, fleet_pb2, inventory_pb2
from firmware.telemetry_message import telemetry_to
from tests.kit.fleet_desk import FleetDesk, fleet_desk, refused
from tests.kit.fleet_store import change_beside
from tests.kit.link_device import PATIENCE_S, moment
from tests.kit.telemetry_values import BUSY

FINDINGS = (
    Finding(AlertKind.TOO_HOT, Severity.WARNING, "kit-1", "north", "kit-1 is 81 °C: give it shade."),
    Finding(AlertKind.PEOPLE_TURNED_AWAY, Severity.URGENT, "kit-2", "south", "Call the site."),
    Finding(AlertKind.SITE_SILENT, Severity.URGENT, "", "east", "Call the site."),
)
URL = "https://ops.example/alerts"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[FleetDesk]:
    async with fleet_desk(tmp_path) as desk:
        change_beside(desk.server.store, lambda db: alerts.reconcile(db, FINDINGS, desk.clock()))
        yield desk


async def listed(desk: FleetDesk, **wanted: object) -> alert_pb2.ListAlertsResponse:
    return await desk.fleet.ListAlerts(alert_pb2.ListAlertsRequest(**wanted), timeout=PATIENCE_S)  # type: ignore[arg-type]


async def put(
    desk: FleetDesk, hook: alert_pb2.Hook, *, allow_missing: bool = True
) -> alert_pb2.UpdateHookResponse:
    request = alert_pb2.UpdateHookRequest(hook=hook, allow_missing=allow_missing)
    return await desk.fleet.UpdateHook(request, timeout=PATIENCE_S)


async def test_alerts_come_in_pages_people_first(desk: FleetDesk) -> None:
    first = await listed(desk, page_size=2)
    assert [each.kind for each in first.alerts] == [
        alert_pb2.ALERT_KIND_PEOPLE_TURNED_AWAY,
        alert_pb2.ALERT_KIND_SITE_SILENT,
    ]
    rest = await listed(desk, page_size=2, page_token=first.next_page_token)
    assert [(each.device_id, each.severity) for each in rest.alerts] == [
        ("kit-1", alert_pb2.ALERT_SEVERITY_WARNING)
    ]
    assert not rest.next_page_token
    assert [each.site for each in (await listed(desk, site="south")).alerts] == ["south"]
    await refused(
        listed(desk, site="south", page_token=first.next_page_token),
        grpc.StatusCode.INVALID_ARGUMENT,
        BadRequest,
    )


async def test_who_looks_after_an_alert_is_kept_and_stands_in_the_audit_log(desk: FleetDesk) -> None:
    number = (await listed(desk)).alerts[0].number
    request = alert_pb2.AcknowledgeAlertRequest(number=number)
    taken = await desk.fleet.AcknowledgeAlert(request, timeout=PATIENCE_S)
    assert taken.alert.acknowledged_by == "administrator root"
    desk.clock.now_ns += 60_000_000_000
    again = await desk.fleet.AcknowledgeAlert(request, timeout=PATIENCE_S)
    assert again.alert.acknowledged_at == taken.alert.acknowledged_at
    later = alert_pb2.AcknowledgeAlertRequest.FromString(b"\x08\x01\xfa\x01\x01x")  # field 31
    await refused(desk.fleet.AcknowledgeAlert(later), grpc.StatusCode.INVALID_ARGUMENT, BadRequest)
    audit = await desk.fleet.ListAudit(fleet_pb2.ListAuditRequest(), timeout=PATIENCE_S)
    assert [each.subject for each in audit.entries if each.act == "alert acknowledged"] == [
        f"{number} people turned away kit-2"
    ]
    nothing = desk.fleet.AcknowledgeAlert(alert_pb2.AcknowledgeAlertRequest(number=2**64 - 1))
    await refused(nothing, grpc.StatusCode.NOT_FOUND, ResourceInfo)


async def test_a_hook_shows_its_key_once_and_two_desks_do_not_overwrite_each_other(desk: FleetDesk) -> None:
    hook = alert_pb2.Hook(name="ops", url=URL, from_severity=alert_pb2.ALERT_SEVERITY_URGENT, sites=["south"])
    await refused(put(desk, hook, allow_missing=False), grpc.StatusCode.NOT_FOUND, ResourceInfo)
    made = await put(desk, hook)
    assert len(made.signing_key) == 32
    (held,) = (await desk.fleet.ListHooks(alert_pb2.ListHooksRequest(), timeout=PATIENCE_S)).hooks
    assert held == made.hook
    changed = alert_pb2.Hook(name="ops", etag=held.etag, url=URL, disabled=True)
    assert (await put(desk, changed)).signing_key == b""
    mismatch = await refused(put(desk, changed), grpc.StatusCode.ABORTED, ErrorInfo)
    assert mismatch.reason == "ETAG_MISMATCH"
    stale = desk.fleet.DeleteHook(alert_pb2.DeleteHookRequest(name="ops", etag=held.etag))
    await refused(stale, grpc.StatusCode.ABORTED, ErrorInfo)
    await desk.fleet.DeleteHook(alert_pb2.DeleteHookRequest(name="ops"), timeout=PATIENCE_S)
    assert not (await desk.fleet.ListHooks(alert_pb2.ListHooksRequest(), timeout=PATIENCE_S)).hooks


@pytest.mark.parametrize(
    ("hook", "field"),
    [
        (alert_pb2.Hook(name="o ps", url=URL), "hook.name"),
        (alert_pb2.Hook(name="ops"), "hook.where"),
        (alert_pb2.Hook(name="ops", url="http://ops.example/"), "hook.url"),
        (alert_pb2.Hook(name="ops", url="https://user:secret@ops.example/"), "hook.url"),
        (alert_pb2.Hook(name="ops", url="https://ops.example:99999/"), "hook.url"),
        (alert_pb2.Hook(name="ops", url="https://169.254.169.254/latest"), "hook.url"),
        (alert_pb2.Hook(name="ops", url="https://[::ffff:169.254.1.1]/"), "hook.url"),
        (alert_pb2.Hook(name="ops", url="https://[fe80::1%25eth0]/"), "hook.url"),
        (alert_pb2.Hook(name="ops", url="https://0.0.0.0/"), "hook.url"),
        (alert_pb2.Hook(name="ops", email="duty@ops.example, other@ops.example"), "hook.email"),
        (alert_pb2.Hook(name="ops", url=URL, sites=["a b"]), "hook.sites"),
    ],
)
async def test_a_place_that_cannot_be_is_refused_with_its_field(
    desk: FleetDesk, hook: alert_pb2.Hook, field: str
) -> None:
    detail = await refused(put(desk, hook), grpc.StatusCode.INVALID_ARGUMENT, BadRequest)
    assert [each.field for each in detail.field_violations] == [field]


async def test_mail_without_a_mail_server_is_refused_with_what_to_do(desk: FleetDesk) -> None:
    hook = alert_pb2.Hook(name="duty", email="duty@ops.example")
    detail = await refused(put(desk, hook), grpc.StatusCode.FAILED_PRECONDITION, PreconditionFailure)
    assert "--mail-server" in detail.violations[0].description


async def test_what_a_device_measures_is_with_it_at_the_desk(desk: FleetDesk) -> None:
    kit = await desk.device("kit-9")
    event = event_pb2.Event(seq=1, moment=moment(1), telemetry=telemetry_to(BUSY))
    async with desk.linked(kit) as link:
        await link.hello()
        assert await link.report([event]) == 1
    assert (await desk.seen("kit-9")).telemetry == telemetry_to(BUSY)
    listing = inventory_pb2.ListTelemetryRequest(device_id="kit-9")
    points = (await desk.fleet.ListTelemetry(listing, timeout=PATIENCE_S)).points
    assert [each.telemetry for each in points] == [telemetry_to(BUSY)]
