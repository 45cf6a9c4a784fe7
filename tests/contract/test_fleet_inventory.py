"""Devices, sites and groups at the desk: over real gRPC with mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo

from aggregator.store.place import Place
from aggregator.store.port import Database
from aidpost.v1 import export_pb2, fleet_pb2, inventory_pb2, state_pb2
from tests.kit.fleet_desk import FleetDesk, fleet_desk, refused
from tests.kit.fleet_store import change_beside, hello
from tests.kit.link_device import SITE

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DAY_NS = 24 * 3600 * 1_000_000_000


@pytest.fixture
async def desk(store: Place, tmp_path: Path) -> AsyncIterator[FleetDesk]:
    async with fleet_desk(tmp_path, place=store) as made:
        yield made


def know(desk: FleetDesk, *device_ids: str, site: str = SITE) -> None:
    """Let the store know devices as after a hello."""

    def know_them(db: Database) -> None:
        for device_id in device_ids:
            hello(db, device_id, site)

    change_beside(desk.server.store, know_them)


def labelling(device_id: str, etag: str = "", **labels: str) -> inventory_pb2.UpdateDeviceRequest:
    return inventory_pb2.UpdateDeviceRequest(
        device=inventory_pb2.Device(device_id=device_id, labels=labels, etag=etag),
        update_mask=FieldMask(paths=[f"labels.{name}" for name in labels]),
    )


def grouping(
    name: str, text: str, etag: str = "", *, allow_missing: bool = True
) -> inventory_pb2.UpdateGroupRequest:
    return inventory_pb2.UpdateGroupRequest(
        group=inventory_pb2.Group(name=name, filter=text, etag=etag), allow_missing=allow_missing
    )


async def test_devices_are_listed_in_pages_that_hold_to_their_filter(desk: FleetDesk) -> None:
    know(desk, *(f"desk-{number}" for number in range(1, 6)))
    know(desk, "far-1", site="south")
    request = inventory_pb2.ListDevicesRequest(filter=f"site = {SITE}", page_size=2)
    pages = []
    while True:
        answer = await desk.fleet.ListDevices(request)
        pages.append([device.device_id for device in answer.devices])
        assert answer.total == 5
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
        other = inventory_pb2.ListDevicesRequest(filter="", page_token=request.page_token)
        bad = await refused(desk.fleet.ListDevices(other), INVALID, BadRequest)
        assert "another list or filter" in bad.field_violations[0].description
    assert pages == [["desk-1", "desk-2"], ["desk-3", "desk-4"], ["desk-5"]]
    made_up = inventory_pb2.ListDevicesRequest(page_token="%%%")
    await refused(desk.fleet.ListDevices(made_up), INVALID, BadRequest)


async def test_a_filter_that_cannot_be_meant_names_the_place(desk: FleetDesk) -> None:
    for text, said in (
        ("site = ", "at 8, the filter ends too early"),
        ("colour = red", "there is no field colour"),
        ("group = early", "there is no group early: there are none yet"),
    ):
        request = inventory_pb2.ListDevicesRequest(filter=text)
        (violation,) = (await refused(desk.fleet.ListDevices(request), INVALID, BadRequest)).field_violations
        assert violation.field == "filter"
        assert said in violation.description


async def test_a_connected_device_is_seen_with_all_that_is_known(desk: FleetDesk) -> None:
    identity = await desk.device("desk-1")
    async with desk.linked(identity) as link:
        await link.hello()
        await link.report_state(None, state_pb2.DESIRED_RESULT_APPLIED)
        await desk.fleet.UpdateDesire(
            inventory_pb2.UpdateDesireRequest(
                desire=inventory_pb2.Desire(
                    scope=inventory_pb2.Scope(fleet=inventory_pb2.Fleet()),
                    settings=[state_pb2.Setting(name="session.tries", value="3")],
                )
            )
        )
        told = await link.desired()
        seen = await desk.seen("desk-1")
        assert (seen.connected, seen.site, seen.software_version) == (True, SITE, "0.1.0")
        assert seen.desired == told
        assert list(seen.drift) == ["settings.session.tries"]
        assert await desk.ids("connected AND drift") == ["desk-1"]
        await link.report_state(told, state_pb2.DESIRED_RESULT_APPLIED)
        await desk.fleet.UpdateDevice(labelling("desk-1", ring="early"))
    await desk.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"))
    seen = await desk.seen("desk-1")
    assert seen.health == inventory_pb2.DEVICE_HEALTH_BARRED
    assert dict(seen.labels) == {"ring": "early"}
    missing = desk.fleet.GetDevice(inventory_pb2.GetDeviceRequest(device_id="desk-9"))
    found = await refused(missing, grpc.StatusCode.NOT_FOUND, ResourceInfo)
    assert (found.resource_type, found.resource_name) == ("device", "desk-9")


async def test_labels_change_by_key_and_only_as_they_were_read(desk: FleetDesk) -> None:
    know(desk, "desk-1")
    first = (await desk.fleet.UpdateDevice(labelling("desk-1", ring="early", hw="pi5"))).device
    removed = labelling("desk-1", etag=first.etag)
    removed.update_mask.paths.append("labels.ring")
    second = (await desk.fleet.UpdateDevice(removed)).device
    assert dict(second.labels) == {"hw": "pi5"}
    stale = labelling("desk-1", etag=first.etag, ring="late")
    info = await refused(desk.fleet.UpdateDevice(stale), grpc.StatusCode.ABORTED, ErrorInfo)
    assert (info.reason, info.metadata["etag"]) == ("ETAG_MISMATCH", second.etag)
    for request, field in (
        (labelling("desk-1", ring="two words"), "device.labels.ring"),
        (
            inventory_pb2.UpdateDeviceRequest(device=first, update_mask=FieldMask(paths=["site"])),
            "update_mask",
        ),
        (labelling("desk-1", etag="W/7", ring="x"), "etag"),
    ):
        bad = await refused(desk.fleet.UpdateDevice(request), INVALID, BadRequest)
        assert bad.field_violations[0].field == field
    assert dict((await desk.seen("desk-1")).labels) == {"hw": "pi5"}


async def test_of_two_desks_that_change_one_group_the_second_is_told(desk: FleetDesk) -> None:
    made = (await desk.fleet.UpdateGroup(grouping("early", "labels.ring = early"))).group
    changes = [grouping("early", f"labels.ring = {ring}", made.etag) for ring in ("first", "second")]
    done = await asyncio.gather(*(desk.fleet.UpdateGroup(each) for each in changes), return_exceptions=True)
    lost = [each for each in done if isinstance(each, grpc.aio.AioRpcError)]
    assert [each.code() for each in lost] == [grpc.StatusCode.ABORTED]
    assert "read it again" in (lost[0].details() or "")
    (group,) = (await desk.fleet.ListGroups(inventory_pb2.ListGroupsRequest())).groups
    assert group.etag == "2"
    nowhere = grouping("late", "labels.ring = late", allow_missing=False)
    await refused(desk.fleet.UpdateGroup(nowhere), grpc.StatusCode.NOT_FOUND, ResourceInfo)
    moving = grouping("late", "connected")
    bad = await refused(desk.fleet.UpdateGroup(moving), INVALID, BadRequest)
    assert "connected changes by itself" in bad.field_violations[0].description
    gone = inventory_pb2.DeleteGroupRequest(name="early", etag="1")
    await refused(desk.fleet.DeleteGroup(gone), grpc.StatusCode.ABORTED, ErrorInfo)
    await desk.fleet.DeleteGroup(inventory_pb2.DeleteGroupRequest(name="early", etag="2"))
    assert not (await desk.fleet.ListGroups(inventory_pb2.ListGroupsRequest())).groups


async def test_a_request_that_comes_again_within_a_day_changes_nothing(desk: FleetDesk) -> None:
    request = grouping("early", "labels.ring = early")
    request.request_id = b"0123456789abcdef"
    first = await desk.fleet.UpdateGroup(request)
    await desk.fleet.UpdateGroup(grouping("early", "labels.ring = late"))
    assert await desk.fleet.UpdateGroup(request) == first
    (group,) = (await desk.fleet.ListGroups(inventory_pb2.ListGroupsRequest())).groups
    assert group.filter == "labels.ring = late"
    reused = grouping("early", "labels.ring = other")
    reused.request_id = request.request_id
    bad = await refused(desk.fleet.UpdateGroup(reused), INVALID, BadRequest)
    assert bad.field_violations[0].field == "request_id"
    desk.clock.now_ns -= 400 * DAY_NS  # a clock that is set back forgets nothing
    assert await desk.fleet.UpdateGroup(request) == first
    desk.clock.now_ns += 402 * DAY_NS


async def test_a_site_is_made_and_changed_field_by_field(desk: FleetDesk) -> None:
    know(desk, "desk-1")
    (known,) = (await desk.fleet.ListSites(inventory_pb2.ListSitesRequest())).sites
    assert (known.name, known.etag, known.devices) == (SITE, "0", 1)
    site = inventory_pb2.Site(name=SITE, etag="0", title="North gate", daily_budget_bytes=5_000_000)
    site.window.time_zone = "Africa/Nairobi"
    site.window.start.seconds = 20 * 3600
    site.latitude = 3.7
    made = (await desk.fleet.UpdateSite(inventory_pb2.UpdateSiteRequest(site=site))).site
    assert (made.etag, made.latitude, made.window.time_zone) == ("1", 3.7, "Africa/Nairobi")
    cleared = inventory_pb2.UpdateSiteRequest(
        site=inventory_pb2.Site(name=SITE, currency="KES"),
        update_mask=FieldMask(paths=["window", "currency"]),
    )
    after = (await desk.fleet.UpdateSite(cleared)).site
    assert not after.HasField("window")
    assert (after.title, after.currency, after.daily_budget_bytes) == ("North gate", "KES", 5_000_000)
    wrong = inventory_pb2.UpdateSiteRequest(site=inventory_pb2.Site(name=SITE))
    wrong.site.window.time_zone = "Mars/Olympus"
    bad = await refused(desk.fleet.UpdateSite(wrong), INVALID, BadRequest)
    assert bad.field_violations[0].field == "site.window.time_zone"
    unpriced = inventory_pb2.UpdateSiteRequest(
        site=inventory_pb2.Site(name=SITE, megabyte_cost_milli=900),
        update_mask=FieldMask(paths=["megabyte_cost_milli", "currency"]),
    )
    bad = await refused(desk.fleet.UpdateSite(unpriced), INVALID, BadRequest)
    assert bad.field_violations[0].field == "site.currency"
    new = inventory_pb2.UpdateSiteRequest(site=inventory_pb2.Site(name="south", title="South"))
    await refused(desk.fleet.UpdateSite(new), grpc.StatusCode.NOT_FOUND, ResourceInfo)
    new.allow_missing = True
    assert (await desk.fleet.UpdateSite(new)).site.etag == "1"


async def test_a_field_of_a_later_version_is_refused_and_not_lost(desk: FleetDesk) -> None:
    request = grouping("early", "labels.ring = early")
    later = inventory_pb2.UpdateGroupRequest.FromString(
        request.SerializeToString() + b"\xfa\x01\x01x"  # field 31, which this version has not
    )
    bad = await refused(desk.fleet.UpdateGroup(later), INVALID, BadRequest)
    assert "number 31) of a later version" in bad.field_violations[0].description
    inner = inventory_pb2.Group.FromString(request.group.SerializeToString() + b"\xfa\x01\x01x")
    nested = inventory_pb2.UpdateGroupRequest(group=inner, allow_missing=True)
    bad = await refused(desk.fleet.UpdateGroup(nested), INVALID, BadRequest)
    assert bad.field_violations[0].field == "group"
    assert not (await desk.fleet.ListGroups(inventory_pb2.ListGroupsRequest())).groups


@pytest.mark.parametrize("moment", [Timestamp(seconds=2**62), Timestamp(seconds=1, nanos=10**9)])
async def test_a_time_that_is_none_is_refused_with_its_field(desk: FleetDesk, moment: Timestamp) -> None:
    know(desk, "desk-1")
    since = inventory_pb2.ListTelemetryRequest(device_id="desk-1", since=moment)
    export = export_pb2.ExportResultsRequest(format=export_pb2.EXPORT_FORMAT_CSV, to=moment)
    site = inventory_pb2.UpdateSiteRequest(
        site=inventory_pb2.Site(name="north", support_consent_until=moment), allow_missing=True
    )
    for call, field in (
        (desk.fleet.ListTelemetry(since), "since"),
        (desk.fleet.ExportResults(export).read(), "to"),
        (desk.fleet.UpdateSite(site), "site.support_consent_until"),
    ):
        (bad,) = (await refused(call, INVALID, BadRequest)).field_violations
        assert bad.field == field
