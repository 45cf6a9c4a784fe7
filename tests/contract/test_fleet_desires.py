"""What is desired, from the desk to the device's stream: over real gRPC with mutual TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo

from aggregator.store.place import Place
from aidpost.v1 import fleet_pb2, inventory_pb2, state_pb2
from tests.kit.fleet_desk import FleetDesk, fleet_desk, refused
from tests.kit.link_device import SITE

FLEET = inventory_pb2.Scope(fleet=inventory_pb2.Fleet())
APPLIED = state_pb2.DESIRED_RESULT_APPLIED


@pytest.fixture
async def desk(store: Place, tmp_path: Path) -> AsyncIterator[FleetDesk]:
    async with fleet_desk(tmp_path, place=store) as made:
        yield made


def wish(scope: inventory_pb2.Scope, etag: str = "", **settings: str) -> inventory_pb2.UpdateDesireRequest:
    """Desire settings; those without a value no longer."""
    names = {name.replace("__", "."): value for name, value in settings.items()}
    return inventory_pb2.UpdateDesireRequest(
        desire=inventory_pb2.Desire(
            scope=scope,
            etag=etag,
            settings=[state_pb2.Setting(name=name, value=value) for name, value in names.items() if value],
        ),
        update_mask=FieldMask(paths=[f"settings.{name}" for name in names]),
    )


async def test_devices_are_told_of_each_change_that_is_one_for_them(desk: FleetDesk) -> None:
    one, two = await desk.device("desk-1"), await desk.device("desk-2")
    async with desk.linked(one) as first, desk.linked(two) as second:
        for link in (first, second):
            await link.hello()
            await link.report_state(None, APPLIED)
        everywhere = await desk.fleet.UpdateDesire(wish(FLEET, session__tries="3"))
        assert (everywhere.changed_devices, everywhere.desire.etag) == (2, "1")
        assert everywhere.desire.changed_by == "administrator root"
        told = [await link.desired() for link in (first, second)]
        assert [state.generation for state in told] == [1, 1]
        own = inventory_pb2.Scope(device_id="desk-2")
        assert (await desk.fleet.UpdateDesire(wish(own, session__tries="5"))).changed_devices == 1
        assert (await second.desired()).settings[0].value == "5"
        here = inventory_pb2.Scope(site=SITE)
        site = await desk.fleet.UpdateDesire(wish(here, session__tries="4", page__language='"uk"'))
        assert site.changed_devices == 2
        assert [setting.value for setting in (await first.desired()).settings] == ['"uk"', "4"]
        assert [setting.value for setting in (await second.desired()).settings] == ['"uk"', "5"]
        gone = await desk.fleet.UpdateDesire(wish(own, session__tries=""))
        assert (gone.changed_devices, len(gone.desire.settings)) == (1, 0)
        assert (await second.desired()).generation == 4
    read = await desk.fleet.GetDesire(inventory_pb2.GetDesireRequest(scope=here))
    assert [setting.name for setting in read.desire.settings] == ["page.language", "session.tries"]
    audit = await desk.fleet.ListAudit(fleet_pb2.ListAuditRequest())
    changes = [entry.subject for entry in audit.entries if entry.act == "desire changed"]
    assert changes[0] == "fleet: settings.session.tries = 3"
    assert changes[-1] == "device desk-2: settings.session.tries no longer"


async def test_a_wish_can_be_tried_and_says_who_would_not_know_it(desk: FleetDesk) -> None:
    async with desk.linked(await desk.device("desk-1")) as link:
        await link.hello()
        await link.report_state(None, APPLIED, known_settings=["session.tries"])
        request = wish(FLEET, page__language='"uk"')
        request.validate_only = True
        tried = await desk.fleet.UpdateDesire(request)
    assert tried.changed_devices == 1
    assert "1 of 1 changed device(s) do not know it" in tried.remarks[0]
    assert not (await desk.seen("desk-1")).HasField("desired")


async def test_what_cannot_be_desired_is_refused_with_its_field(desk: FleetDesk) -> None:
    await desk.device("desk-1")
    artifact = state_pb2.Artifact(kind=state_pb2.ARTIFACT_KIND_POLICY, version="1", digest=bytes(32), bytes=3)
    unheld = inventory_pb2.UpdateDesireRequest(desire=inventory_pb2.Desire(scope=FLEET, artifacts=[artifact]))
    unmasked = wish(FLEET, session__tries="3")
    unmasked.update_mask.paths.append("window")
    for request, field in (
        (wish(FLEET, session__tries="three"), "desire.settings.session.tries"),
        (wish(FLEET, Tries="3"), "desire.settings.Tries"),
        (unheld, "desire.artifacts.policy"),
        (wish(inventory_pb2.Scope(), session__tries="3"), "scope"),
        (unmasked, "update_mask"),
    ):
        bad = await refused(desk.fleet.UpdateDesire(request), grpc.StatusCode.INVALID_ARGUMENT, BadRequest)
        assert bad.field_violations[0].field == field
    for scope in (inventory_pb2.Scope(group="early"), inventory_pb2.Scope(device_id="desk-9")):
        call = desk.fleet.UpdateDesire(wish(scope, session__tries="3"))
        await refused(call, grpc.StatusCode.NOT_FOUND, ResourceInfo)
    await desk.fleet.UpdateDesire(wish(FLEET, etag="0", session__tries="3"))
    stale = desk.fleet.UpdateDesire(wish(FLEET, etag="0", session__tries="4"))
    info = await refused(stale, grpc.StatusCode.ABORTED, ErrorInfo)
    assert info.metadata["resource"] == "desire of fleet"
    assert (await desk.seen("desk-1")).desired.generation == 1
