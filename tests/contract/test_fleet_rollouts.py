"""Rollouts, from the desk to the devices' streams and back: over real gRPC with mutual TLS."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo

from aidpost.v1 import event_pb2, fleet_pb2, inventory_pb2, rollout_pb2, state_pb2
from tests.kit.fleet_desk import FleetDesk, fleet_desk, refused
from tests.kit.link_device import PATIENCE_S, SITE, LinkDevice, check_in
from tests.kit.rollouts import HOUR_NS

APPLIED = state_pb2.DESIRED_RESULT_APPLIED
REFUSED = state_pb2.DESIRED_RESULT_REFUSED
WAITING = state_pb2.DESIRED_RESULT_WAITING
DEVICES = ("desk-1", "desk-2", "desk-3", "desk-4")
TURN_S = 0.02  # nobody waits for the runner's own five seconds


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[FleetDesk]:
    async with fleet_desk(tmp_path, rollout_turn_s=TURN_S) as made:
        yield made


@asynccontextmanager
async def linked(desk: FleetDesk) -> AsyncIterator[dict[str, LinkDevice]]:
    """Yield the streams of four devices that have said what they are."""
    async with AsyncExitStack() as open_streams:
        links = {}
        for device_id in DEVICES:
            identity = await desk.device(device_id)
            links[device_id] = await open_streams.enter_async_context(desk.linked(identity))
            await links[device_id].hello()
            await links[device_id].report_state(None, APPLIED, known_settings=["session.tries"])
        yield links


def rollout(name: str = "tries", **more: object) -> rollout_pb2.Rollout:
    """Ask for four tries, of half the devices and then of the rest; people are not judged."""
    fields: dict[str, object] = {
        "settings": [state_pb2.Setting(name="session.tries", value="4")],
        "rings": [rollout_pb2.Ring(name="half", percent=50), rollout_pb2.Ring(name="rest", percent=100)],
        "thresholds": rollout_pb2.Thresholds(min_devices=4, success_percent=100),
    }
    return rollout_pb2.Rollout(name=name, **(fields | more))  # type: ignore[arg-type]


async def start(desk: FleetDesk, wish: rollout_pb2.Rollout | None = None) -> rollout_pb2.Rollout:
    request = rollout_pb2.CreateRolloutRequest(rollout=wish or rollout())
    return (await desk.fleet.CreateRollout(request, timeout=PATIENCE_S)).rollout


async def until(
    desk: FleetDesk, holds: Callable[[rollout_pb2.Rollout], bool], name: str = "tries"
) -> rollout_pb2.Rollout:
    """Read the rollout until this holds of it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = (await desk.fleet.GetRollout(rollout_pb2.GetRolloutRequest(name=name))).rollout
            if holds(found):
                return found


def told(found: rollout_pb2.Rollout, ring: int) -> Callable[[rollout_pb2.Rollout], bool]:
    return lambda state: state.ring == ring and state.progress[ring].told == found.progress[ring].devices


async def asked(desk: FleetDesk, links: dict[str, LinkDevice]) -> list[str]:
    """Return the devices that are to have four tries."""
    return [device_id for device_id in links if (await desk.seen(device_id)).desired.settings]


async def answered(
    desk: FleetDesk, links: dict[str, LinkDevice], result: state_pb2.DesiredResult.ValueType
) -> list[str]:
    """Let all devices that desire four tries and have not answered say what came of it; return them."""
    waiting = await asked(desk, links)
    for device_id in waiting:
        await links.pop(device_id).report_state((await desk.seen(device_id)).desired, result)
    return waiting


async def test_a_rollout_goes_ring_by_ring_to_its_end(desk: FleetDesk) -> None:
    async with linked(desk) as links:
        plan = await desk.fleet.PlanRollout(rollout_pb2.PlanRolloutRequest(rollout=rollout()))
        assert [(ring.name, ring.devices) for ring in plan.rings] == [("half", 2), ("rest", 2)]
        assert plan.bytes == 0
        assert plan.HasField("ends_at")
        made = await start(desk)
        assert (made.state, made.created_by) == (rollout_pb2.ROLLOUT_STATE_RUNNING, "administrator root")
        await until(desk, told(made, 0))
        pending = {**links}
        first = await answered(desk, pending, APPLIED)
        assert len(first) == 2
        for device_id in first:
            assert (await links[device_id].desired()).settings[0].value == "4"
        await until(desk, told(made, 1))
        assert len(await answered(desk, pending, APPLIED)) == 2
        done = await until(desk, lambda state: state.state == rollout_pb2.ROLLOUT_STATE_DONE)
    assert [each.applied for each in done.progress] == [2, 2]
    assert done.reason == "all rings passed"
    audit = (await desk.fleet.ListAudit(fleet_pb2.ListAuditRequest())).entries
    assert [each.act for each in audit if each.act.startswith("rollout")] == [
        "rollout created",
        "rollout went on",
        "rollout done",
    ]


async def test_a_plan_counts_a_sites_bytes_cost_and_days(desk: FleetDesk) -> None:
    content = bytes(50_000)
    point = state_pb2.Artifact(
        kind=state_pb2.ARTIFACT_KIND_OPERATING_POINT,
        version="strict",
        digest=hashlib.sha256(content).digest(),
        bytes=len(content),
    )
    site = inventory_pb2.Site(name=SITE, daily_budget_bytes=60_000, megabyte_cost_milli=2_000, currency="KES")
    site.window.time_zone = "Africa/Nairobi"
    site.window.start.seconds, site.window.end.seconds = 20 * 3600, 5 * 3600
    fields = FieldMask(paths=["daily_budget_bytes", "megabyte_cost_milli", "currency", "window"])
    stored = inventory_pb2.StoredArtifact(artifact=point, title="stricter")
    async with linked(desk) as links:
        await links["desk-1"].report_state(None, APPLIED, artifacts=[point], known_settings=["session.tries"])
        await desk.fleet.UpdateSite(
            inventory_pb2.UpdateSiteRequest(site=site, update_mask=fields, allow_missing=True)
        )
        await desk.fleet.AddArtifact(
            iter(
                [
                    inventory_pb2.AddArtifactRequest(artifact=stored),
                    inventory_pb2.AddArtifactRequest(data=content),
                ]
            )
        )
        wish = rollout(artifacts=[point], rings=[rollout_pb2.Ring(name="all", percent=100)])
        plan = await desk.fleet.PlanRollout(rollout_pb2.PlanRolloutRequest(rollout=wish))
    assert (plan.bytes, dict(plan.cost_milli)) == (150_000, {"KES": 300})
    # On the third day there, which begins at 21:00 UTC of the second, in the middle of the window.
    assert plan.ends_at.ToJsonString() == "2026-01-02T21:00:00Z"


async def test_a_restart_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    async with fleet_desk(tmp_path, rollout_turn_s=TURN_S) as desk, linked(desk) as links:
        made = await start(desk)
        await until(desk, told(made, 0))
        await answered(desk, links, WAITING)
        await until(desk, lambda state: state.progress[0].waiting == 2)
    async with fleet_desk(tmp_path, rollout_turn_s=TURN_S, before=desk) as desk:
        again = await until(desk, told(made, 0))
        assert (again.progress[0].waiting, again.progress[1].told) == (2, 0)
        states = [(await desk.seen(each)).desired.generation for each in DEVICES]
        assert sorted(states) == [0, 0, 1, 1], "nobody was told twice"


async def test_a_refusal_stops_it_until_a_person_resumes_it(desk: FleetDesk) -> None:
    async with linked(desk) as links:
        made = await start(desk)
        await until(desk, told(made, 0))
        refusing, waiting = await asked(desk, links)
        await links.pop(refusing).report_state((await desk.seen(refusing)).desired, REFUSED)
        stopped = await until(desk, lambda state: state.state == rollout_pb2.ROLLOUT_STATE_STOPPED)
        assert stopped.reason.startswith(f"stopped: ring half: 1 of 2 devices, {refusing} first")
        assert await asked(desk, links) == [], f"{waiting} has not taken it up, and is not to any more"
        assert stopped.etag != made.etag
        stale = rollout_pb2.ResumeRolloutRequest(name="tries", etag=made.etag)
        info = await refused(desk.fleet.ResumeRollout(stale), grpc.StatusCode.ABORTED, ErrorInfo)
        assert info.reason == "ETAG_MISMATCH"
        resumed = await desk.fleet.ResumeRollout(
            rollout_pb2.ResumeRolloutRequest(name="tries", etag=stopped.etag)
        )
        assert resumed.rollout.state == rollout_pb2.ROLLOUT_STATE_RUNNING
        await until(desk, told(made, 0))
        assert await answered(desk, links, APPLIED) == [waiting]
        await until(desk, told(made, 1))


async def test_check_ins_that_got_worse_at_changed_devices_stop_it(desk: FleetDesk) -> None:
    terms = rollout_pb2.Thresholds(
        success_percent=100, min_check_ins=100, failure_to_acquire_points=3, no_match_points=3
    )
    async with linked(desk) as links:
        for link in links.values():
            await link.report(check_in(seq, missed(seq, 50)) for seq in range(1, 101))
        made = await start(desk, rollout(thresholds=terms))
        await until(desk, told(made, 0))
        changed = await answered(desk, {**links}, APPLIED)
        await until(desk, lambda state: state.progress[0].applied == 2)
        happened_ms = (desk.clock.now_ns + 2 * HOUR_NS) // 1_000_000
        desk.clock.now_ns += 3 * HOUR_NS
        for device_id, link in links.items():
            if device_id in changed:
                await link.desired()
            each = 3 if device_id in changed else 50
            events = [check_in(seq, missed(seq, each)) for seq in range(101, 201)]
            for event in events:
                event.moment.wall_ms = happened_ms + event.seq
            await link.report(events)
        desk.clock.now_ns += HOUR_NS  # what happens to people is looked at now and then
        stopped = await until(desk, lambda state: state.state == rollout_pb2.ROLLOUT_STATE_STOPPED)
    assert stopped.reason == (
        "stopped: ring half: failure to acquire rose from 2.0 % to 33.0 % of check-ins, "
        "31.0 points more than at devices that have not changed"
    )
    shift = stopped.progress[0].shifts[0]
    assert (shift.before_count, shift.before_of, shift.after_count, shift.after_of) == (4, 200, 66, 200)
    assert (shift.unchanged_after_count, shift.unchanged_after_of) == (4, 200)
    assert shift.verdict == rollout_pb2.SHIFT_VERDICT_WORSE


def missed(seq: int, each: int) -> event_pb2.Outcome.ValueType:
    """Let one in so many check-ins find no usable sample."""
    return event_pb2.OUTCOME_MATCH if seq % each else event_pb2.OUTCOME_RETRY


async def test_paused_nobody_new_is_told_and_cancelled_it_is_taken_back(desk: FleetDesk) -> None:
    async with linked(desk) as links:
        made = await start(desk)
        await until(desk, told(made, 0))
        await desk.fleet.PauseRollout(rollout_pb2.PauseRolloutRequest(name="tries"))
        await answered(desk, links, APPLIED)
        paused = await until(desk, lambda state: state.progress[0].applied == 2)
        assert (paused.ring, paused.reason) == (0, "paused by administrator root")
        cancel = rollout_pb2.CancelRolloutRequest(name="tries", take_back=True)
        await desk.fleet.CancelRollout(cancel)
        ended = await until(desk, lambda state: state.progress[0].taken_back == 2)
        assert ended.state == rollout_pb2.ROLLOUT_STATE_CANCELLED
        assert ended.HasField("finished_at")
        for device_id in DEVICES:
            assert not (await desk.seen(device_id)).desired.settings
    again = desk.fleet.ResumeRollout(rollout_pb2.ResumeRolloutRequest(name="tries"))
    failure = await refused(again, grpc.StatusCode.FAILED_PRECONDITION, PreconditionFailure)
    assert failure.violations[0].type == "ROLLOUT_STATE"


async def test_what_cannot_be_meant_is_refused_with_what_to_do(desk: FleetDesk) -> None:
    async with linked(desk):
        await start(desk)
        create = desk.fleet.CreateRollout
        for wish, field in (
            (rollout("other", filter='site = "nowhere"'), "rollout.filter"),
            (rollout("other", rings=[rollout_pb2.Ring(name="some", percent=50)]), "rollout.rings"),
            (rollout("other", settings=[]), "rollout.settings"),
            (rollout("other", artifacts=[state_pb2.Artifact()]), "rollout"),
            (
                rollout("other", thresholds=rollout_pb2.Thresholds(error_percent=101)),
                "rollout.thresholds.error_percent",
            ),
        ):
            request = rollout_pb2.CreateRolloutRequest(rollout=wish)
            bad = await refused(create(request), grpc.StatusCode.INVALID_ARGUMENT, BadRequest)
            assert bad.field_violations[0].field == field
        twice = rollout_pb2.CreateRolloutRequest(rollout=rollout())
        taken = await refused(create(twice), grpc.StatusCode.ALREADY_EXISTS, ResourceInfo)
        assert taken.resource_name == "tries"
        overlap = rollout_pb2.CreateRolloutRequest(rollout=rollout("other"))
        failure = await refused(create(overlap), grpc.StatusCode.FAILED_PRECONDITION, PreconditionFailure)
        violation = failure.violations[0]
        assert (violation.type, violation.subject) == ("ROLLOUT_OVERLAP", "tries")
        assert "settings.session.tries of 4 of these devices too" in violation.description
        nobody = desk.fleet.GetRollout(rollout_pb2.GetRolloutRequest(name="nobody"))
        missing = await refused(nobody, grpc.StatusCode.NOT_FOUND, ResourceInfo)
        assert missing.resource_type == "rollout"


async def test_a_request_sent_twice_makes_one_rollout_and_lists_go_page_by_page(desk: FleetDesk) -> None:
    async with linked(desk):
        request = rollout_pb2.CreateRolloutRequest(rollout=rollout(), request_id=b"a" * 16)
        first = await desk.fleet.CreateRollout(request)
        assert (await desk.fleet.CreateRollout(request)).rollout == first.rollout
        language = [state_pb2.Setting(name="page.language", value='"uk"')]
        ring = rollout_pb2.Ring(name="all", percent=100, soak=Duration(seconds=3600))
        await start(desk, rollout("language", settings=language, rings=[ring]))
        page = await desk.fleet.ListRollouts(rollout_pb2.ListRolloutsRequest(page_size=1))
        assert [each.name for each in page.rollouts] == ["tries"]
        rest = await desk.fleet.ListRollouts(
            rollout_pb2.ListRolloutsRequest(page_size=1, page_token=page.next_page_token)
        )
        assert [each.name for each in rest.rollouts] == ["language"]
        assert rest.rollouts[0].rings[0] == ring
        assert not rest.next_page_token
        desires = inventory_pb2.GetDesireRequest(scope=inventory_pb2.Scope(device_id="desk-1"))
        await until(desk, lambda state: state.progress[0].told == 4, "language")
        assert (await desk.fleet.GetDesire(desires)).desire.changed_by == "rollout language"
