"""Commands to all devices of a filter, taken back, for administrators alone, or where a site agrees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo

from aidpost.v1 import event_pb2, fleet_pb2, fleet_pb2_grpc, inventory_pb2
from tests.kit.fleet_desk import FleetDesk, fleet_desk, refused
from tests.kit.identities import person
from tests.kit.link_device import SITE
from trust.names import Role

SELF_TEST = event_pb2.COMMAND_KIND_SELF_TEST
NOT_NOW = grpc.StatusCode.FAILED_PRECONDITION
INVALID = grpc.StatusCode.INVALID_ARGUMENT
MINUTE_NS = 60 * 1_000_000_000


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[FleetDesk]:
    async with fleet_desk(tmp_path) as made:
        yield made


def to_many(
    text: str, expected: int, kind: event_pb2.CommandKind.ValueType = SELF_TEST, duration_s: int = 0
) -> fleet_pb2.SendCommandsRequest:
    return fleet_pb2.SendCommandsRequest(
        filter=text,
        kind=kind,
        lifetime=Duration(seconds=60),
        duration=Duration(seconds=duration_s),
        request_id=b"0123456789abcdef",
        expected_devices=expected,
    )


async def states(desk: FleetDesk) -> list[fleet_pb2.CommandState]:
    return list((await desk.fleet.ListCommands(fleet_pb2.ListCommandsRequest())).commands)


async def test_all_devices_of_a_filter_are_asked_if_they_are_as_many_as_expected(desk: FleetDesk) -> None:
    identity = await desk.device("desk-1")
    await desk.device("desk-2")
    for request, field in (
        (to_many("device = desk-9*", 0), "filter"),
        (to_many("device = desk*", 1), "expected_devices"),
        (to_many("device =", 1), "filter"),
        (to_many("", 2, event_pb2.COMMAND_KIND_UNSPECIFIED), "kind"),
        (to_many("", 2, duration_s=60), "duration"),
    ):
        bad = await refused(desk.fleet.SendCommands(request), INVALID, BadRequest)
        assert bad.field_violations[0].field == field
    assert await states(desk) == []
    async with desk.linked(identity) as link:
        await link.hello()
        sent = await desk.fleet.SendCommands(to_many("device = desk*", 2))
        assert (await link.read()).command.command_id in sent.command_ids
    assert await desk.fleet.SendCommands(to_many("device = desk*", 2)) == sent, "the same request again"
    assert {each.device_id for each in await states(desk)} == {"desk-1", "desk-2"}


async def test_a_command_is_taken_back_until_it_is_delivered(desk: FleetDesk) -> None:
    identity = await desk.device("desk-1")
    (command_id,) = (await desk.fleet.SendCommands(to_many("", 1))).command_ids
    cancel = fleet_pb2.CancelCommandRequest(command_id=command_id)
    await desk.fleet.CancelCommand(cancel)
    (state,) = await states(desk)
    assert state.outcome == event_pb2.COMMAND_OUTCOME_CANCELLED
    failure = await refused(desk.fleet.CancelCommand(cancel), NOT_NOW, PreconditionFailure)
    assert failure.violations[0].type == "COMMAND_ENDED"
    unknown = fleet_pb2.CancelCommandRequest(command_id=bytes(16))
    await refused(desk.fleet.CancelCommand(unknown), grpc.StatusCode.NOT_FOUND, ResourceInfo)

    again = to_many("", 1)
    again.request_id = b"another-request!"
    async with desk.linked(identity) as link:
        await link.hello()
        (delivered,) = (await desk.fleet.SendCommands(again)).command_ids
        assert (await link.read()).command.command_id == delivered, "and not the one that was taken back"
    cancel.command_id = delivered
    failure = await refused(desk.fleet.CancelCommand(cancel), NOT_NOW, PreconditionFailure)
    assert failure.violations[0].type == "COMMAND_DELIVERED"


async def test_a_command_that_has_expired_is_neither_delivered_nor_taken_back(desk: FleetDesk) -> None:
    identity = await desk.device("desk-1")
    (old,) = (await desk.fleet.SendCommands(to_many("", 1))).command_ids
    desk.clock.now_ns += 2 * MINUTE_NS
    request = fleet_pb2.CancelCommandRequest(command_id=old)
    failure = await refused(desk.fleet.CancelCommand(request), NOT_NOW, PreconditionFailure)
    assert failure.violations[0].type == "COMMAND_EXPIRED"
    new = to_many("", 1)
    new.request_id = b"another-request!"
    (expected,) = (await desk.fleet.SendCommands(new)).command_ids
    async with desk.linked(identity) as link:
        await link.hello()
        assert (await link.read()).command.command_id == expected


async def test_what_cannot_be_undone_is_for_administrators(desk: FleetDesk) -> None:
    await desk.device("desk-1")
    async with desk.channel(await person(desk.fleet, "ana", Role.OPERATOR)) as channel:
        operator: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        for kind in (event_pb2.COMMAND_KIND_WIPE, event_pb2.COMMAND_KIND_LOCK):
            call = operator.SendCommands(to_many("", 1, kind))
            info = await refused(call, grpc.StatusCode.PERMISSION_DENIED, ErrorInfo)
            assert info.reason == "ADMINISTRATOR_NEEDED"
    await desk.fleet.SendCommands(to_many("", 1, event_pb2.COMMAND_KIND_WIPE))
    assert [each.kind for each in await states(desk)] == [event_pb2.COMMAND_KIND_WIPE]


async def test_live_logs_and_support_sessions_need_the_consent_of_the_site(desk: FleetDesk) -> None:
    identity = await desk.device("desk-1")
    request = to_many("", 1, event_pb2.COMMAND_KIND_TAIL_LOG, duration_s=600)
    failure = await refused(desk.fleet.SendCommands(request), NOT_NOW, PreconditionFailure)
    assert (failure.violations[0].type, failure.violations[0].subject) == ("SITE_CONSENT", SITE)
    until = Timestamp(seconds=desk.clock.now_ns // 10**9 + 3600)
    consent = inventory_pb2.Site(name=SITE, support_consent_until=until)
    await desk.fleet.UpdateSite(inventory_pb2.UpdateSiteRequest(site=consent))
    async with desk.linked(identity) as link:
        await link.hello()
        await desk.fleet.SendCommands(request)
        command = (await link.read()).command
        assert (command.kind, command.duration.seconds) == (event_pb2.COMMAND_KIND_TAIL_LOG, 600)


async def test_commands_are_listed_in_pages_the_latest_first_and_each_once(desk: FleetDesk) -> None:
    for number in range(1, 4):
        await desk.device(f"desk-{number}")
    await desk.fleet.SendCommands(to_many("", 3))
    listed: list[bytes] = []
    request = fleet_pb2.ListCommandsRequest(page_size=2)
    while True:
        page = await desk.fleet.ListCommands(request)
        listed += [each.command_id for each in page.commands]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sorted(listed) == sorted({each.command_id for each in await states(desk)})
    assert len(listed) == 3
    first = await desk.fleet.ListCommands(fleet_pb2.ListCommandsRequest(page_size=2))
    other = fleet_pb2.ListCommandsRequest(device_id="desk-1", page_token=first.next_page_token)
    bad = await refused(desk.fleet.ListCommands(other), INVALID, BadRequest)
    assert bad.field_violations[0].field == "page_token"
