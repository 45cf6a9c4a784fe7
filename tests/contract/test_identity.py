"""Joining, renewing and being shut out, as devices and operators meet it: a real server, real TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509

from aggregator.authority import Authority
from aggregator.store import administration
from aggregator.store.database import open_reader
from aidpost.v1 import enrolment_pb2, enrolment_pb2_grpc, fleet_pb2, fleet_pb2_grpc
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.identities import DeviceIdentity, claim_code, first_administrator, join, joined, shown
from tests.kit.link_device import PATIENCE_S, SITE, LinkDevice, check_in
from trust.certificates import DEVICE_LIFE, from_der, renewal_due
from trust.claim import Claim
from trust.names import DeviceName, from_subject

DAY_NS = 24 * 3600 * 1_000_000_000


@dataclass
class Site:
    """A running aggregator, its authority, its administrator, and a clock that the test moves."""

    server: Running
    authority: x509.Certificate
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    clock: list[int]
    channels: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def joined(self, device_id: str = "desk-1") -> DeviceIdentity:
        return await joined(self.fleet, self.server.target, self.authority, device_id)

    async def join(self, device: DeviceIdentity, code: str | None) -> enrolment_pb2.JoinResponse:
        return await join(self.server.target, self.authority, device, code)

    async def approve(self, device: DeviceIdentity) -> None:
        request = fleet_pb2.ApproveDeviceRequest(device_id=device.device_id, key_words=device.words)
        await self.fleet.ApproveDevice(request, timeout=PATIENCE_S)

    async def channel(self, device: DeviceIdentity) -> grpc.aio.Channel:
        manager = shown(self.server.target, self.authority, device.held())
        return await self.channels.enter_async_context(manager)

    async def state(self, device_id: str = "desk-1") -> str:
        found = await self.fleet.ListEnrolments(fleet_pb2.ListEnrolmentsRequest(), timeout=PATIENCE_S)
        (each,) = [each for each in found.enrolments if each.device_id == device_id]
        return fleet_pb2.EnrolmentState.Name(each.state).removeprefix("ENROLMENT_STATE_").lower()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    authority = Authority.create(tmp_path / "identity")
    store = tmp_path / "store.db"
    administrator = first_administrator(authority, store, timedelta(days=800))
    clock = [NOW_NS]
    async with (
        running_aggregator(store, authority=authority, clock=lambda: clock[0]) as server,
        shown(server.target, authority.certificate, administrator) as channel,
        AsyncExitStack() as channels,
    ):
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        yield Site(server, authority.certificate, fleet, clock, channels)


async def refused(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_claimed_and_approved_device_reports(site: Site) -> None:
    device = DeviceIdentity("desk-1")
    code = await claim_code(site.fleet)
    assert (await site.join(device, code)).HasField("pending")
    assert await site.state() == "pending"
    assert (await site.join(device, code)).HasField("pending")
    await site.approve(device)
    assert (await site.join(device, code)).HasField("approved")

    certificate = device.certificate
    assert certificate is not None
    assert certificate.not_valid_after_utc - datetime.fromtimestamp(NOW_NS / 1e9, UTC) == DEVICE_LIFE
    link = LinkDevice(await site.channel(device))
    await link.hello()
    assert await link.report([check_in(1)]) == 1


async def test_a_claim_is_good_for_one_device_of_its_site_and_for_its_time(site: Site) -> None:
    code = await claim_code(site.fleet)
    await site.join(DeviceIdentity("desk-1"), code)
    other = await refused(site.join(DeviceIdentity("desk-2"), code))
    assert (other.code(), "used by another device" in (other.details() or "")) == (
        grpc.StatusCode.PERMISSION_DENIED,
        True,
    )
    renamed = DeviceIdentity("desk-2")
    first = DeviceIdentity("desk-1", key=renamed.key)
    shared_code = await claim_code(site.fleet)
    await site.join(first, shared_code)
    assert "used by another device" in ((await refused(site.join(renamed, shared_code))).details() or "")
    elsewhere = await refused(site.join(DeviceIdentity("desk-3", "south"), await claim_code(site.fleet)))
    assert "for the site north-gate" in (elsewhere.details() or "")
    late = await claim_code(site.fleet, lifetime_s=60)
    site.clock[0] += 61 * 1_000_000_000
    assert "has expired" in ((await refused(site.join(DeviceIdentity("desk-4"), late))).details() or "")
    unclaimed = await refused(site.join(DeviceIdentity("desk-5"), None))
    assert "needs a claim code" in (unclaimed.details() or "")


@pytest.mark.parametrize("state", ["pending", "approved", "expired", "held", "revoked"])
async def test_a_device_gets_no_certificate_for_a_site_that_no_operator_approved(
    site: Site, state: str
) -> None:
    device = DeviceIdentity("desk-1")
    first_code = await claim_code(site.fleet)
    await site.join(device, first_code)
    if state != "pending":
        await site.approve(device)
        await site.join(device, first_code)
    if state == "expired":
        site.clock[0] += 365 * DAY_NS
    if state == "held":
        original = LinkDevice(await site.channel(device))
        copy = LinkDevice(await site.channel(device))
        await original.send_hello(generation=7)
        await original.read()
        await copy.send_hello(generation=7)
        await copy.ending()
    if state == "revoked":
        await site.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"), timeout=PATIENCE_S)

    device.site = "camp-b"
    for code, why in ((None, "joined at the site north-gate"), (first_code, "for the site north-gate")):
        error = await refused(site.join(device, code))
        assert (error.code(), why in (error.details() or "")) == (grpc.StatusCode.PERMISSION_DENIED, True)

    code = await claim_code(site.fleet, "camp-b")
    assert (await site.join(device, code)).HasField("pending")
    assert (await site.join(device, code)).HasField("pending")
    assert await site.state() == "pending"
    device.site = SITE
    assert "joined at the site camp-b" in ((await refused(site.join(device, first_code))).details() or "")
    device.site = "camp-b"
    await site.approve(device)
    assert (await site.join(device, code)).HasField("approved")
    assert device.certificate is not None
    assert from_subject(device.certificate.subject) == DeviceName("desk-1", "camp-b")


async def test_a_device_that_asks_for_another_site_is_no_more_of_the_old_one(site: Site) -> None:
    device = await site.joined()
    channel = await site.channel(device)
    link = LinkDevice(channel)
    await link.hello()
    stub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
    device.site = "camp-b"
    renewal = enrolment_pb2.RenewCertificateRequest(certificate_request=device.request())
    assert "another device" in ((await refused(stub.RenewCertificate(renewal))).details() or "")
    await site.join(device, await claim_code(site.fleet, "camp-b"))
    assert (await link.ending()).code is grpc.StatusCode.UNAUTHENTICATED  # by the server itself
    assert (await refused(stub.RenewCertificate(renewal))).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_claim_code_itself_is_in_no_file(site: Site) -> None:
    code = await claim_code(site.fleet)
    content = b"".join(path.read_bytes() for path in site.server.file.parent.glob("store.db*"))
    assert code.encode() not in content
    assert Claim.parse(code).secret not in content


async def test_a_certificate_is_renewed_for_the_same_device_and_key_alone(site: Site) -> None:
    device = await site.joined()
    first = device.certificate
    assert first is not None
    now = datetime.fromtimestamp(NOW_NS / 1e9, UTC)
    assert not renewal_due(first, now + timedelta(days=19, hours=23))
    assert renewal_due(first, now + timedelta(days=20))
    site.clock[0] += 20 * DAY_NS
    stub = enrolment_pb2_grpc.EnrolmentServiceStub(await site.channel(device))

    def renewal(request: bytes) -> enrolment_pb2.RenewCertificateRequest:
        return enrolment_pb2.RenewCertificateRequest(certificate_request=request)

    other_key = DeviceIdentity("desk-1").request()
    other_name = device.request(DeviceName("desk-2", device.site))
    for bad in (other_key, other_name):
        error = await refused(stub.RenewCertificate(renewal(bad), timeout=PATIENCE_S))
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    answer = await stub.RenewCertificate(renewal(device.request()), timeout=PATIENCE_S)
    device.certificate = from_der(answer.certificate)
    site.clock[0] += 25 * DAY_NS  # the first one has ended by now
    link = LinkDevice(await site.channel(device))
    await link.hello()


async def test_a_stream_does_not_outlive_its_certificate(site: Site) -> None:
    device = await site.joined()
    site.clock[0] += 30 * DAY_NS - 200_000_000  # a fifth of a second before the end
    ending = await LinkDevice(await site.channel(device)).ending()
    assert (ending.code, "has ended" in ending.message) == (grpc.StatusCode.ABORTED, True)


async def test_a_revoked_device_loses_its_live_stream_at_once_and_for_good(site: Site) -> None:
    device = await site.joined()
    channel = await site.channel(device)
    link = LinkDevice(channel)
    await link.hello()
    await link.report([check_in(1)])
    await site.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"), timeout=PATIENCE_S)

    ending = await link.ending()  # nothing was sent: the server ends the stream by itself

    assert ending.code is grpc.StatusCode.PERMISSION_DENIED
    assert "revoked" in ending.message
    async with httpx.AsyncClient() as browser:
        assert '<span class="link off">revoked</span>' in (await browser.get(site.server.dashboard_url)).text
    again = LinkDevice(channel)
    assert (await again.ending()).code is grpc.StatusCode.PERMISSION_DENIED
    assert len(site.server.events()) == 1
    assert "was revoked" in ((await refused(site.join(device, None))).details() or "")


async def test_what_a_revoked_device_sends_in_the_same_moment_is_not_stored(site: Site) -> None:
    device = await site.joined()
    link = LinkDevice(await site.channel(device))
    await link.hello()
    await site.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"), timeout=PATIENCE_S)
    with pytest.raises((grpc.aio.AioRpcError, EOFError, asyncio.InvalidStateError)):
        await link.report([check_in(1)])
    assert site.server.events() == []


async def test_a_copied_card_is_seen_and_both_wait_for_an_operator(site: Site) -> None:
    device = await site.joined()
    original = LinkDevice(await site.channel(device))
    await original.send_hello(generation=7)
    await original.read()
    copy = LinkDevice(await site.channel(device))
    await copy.send_hello(generation=7)

    assert (await copy.ending()).code is grpc.StatusCode.PERMISSION_DENIED
    ending = await original.ending()

    assert (ending.code, "seen twice" in ending.message) == (grpc.StatusCode.PERMISSION_DENIED, True)
    assert await site.state() == "held"
    async with httpx.AsyncClient() as browser:
        assert "desk-1 at north-gate was seen twice" in (await browser.get(site.server.dashboard_url)).text
    assert len(site.server.logged("link.copied")) == 1
    waiting = LinkDevice(await site.channel(device))
    await waiting.send_hello(generation=9)
    assert "wait for an operator" in (await waiting.ending()).message
    await site.approve(device)
    decided = LinkDevice(await site.channel(device))
    await decided.send_hello(generation=10)
    assert (await decided.read()).HasField("welcome")


async def test_a_hello_of_the_same_process_that_was_under_way_for_long_is_no_copy(site: Site) -> None:
    device = await site.joined()
    newer, late = LinkDevice(await site.channel(device)), LinkDevice(await site.channel(device))
    late.instance = newer.instance
    await newer.send_hello(generation=8)
    await newer.read()
    await late.send_hello(generation=7)
    assert (await late.read()).HasField("welcome")
    assert await site.state() == "approved"


async def test_a_device_that_was_off_for_a_year_joins_again_with_its_key_and_an_approval(site: Site) -> None:
    device = await site.joined()
    site.clock[0] += 365 * DAY_NS
    expired = LinkDevice(await site.channel(device))
    ending = await expired.ending()
    assert (ending.code, "has expired" in ending.message) == (grpc.StatusCode.UNAUTHENTICATED, True)

    assert (await site.join(device, None)).HasField("pending")
    await site.approve(device)
    assert (await site.join(device, None)).HasField("approved")

    link = LinkDevice(await site.channel(device))
    await link.hello()
    impostor = await refused(site.join(DeviceIdentity("desk-1"), None))
    assert "has not joined before" in (impostor.details() or "")


async def test_a_device_that_asks_without_end_gets_no_certificates_without_end(site: Site) -> None:
    device = DeviceIdentity("desk-1")
    code = await claim_code(site.fleet)
    await site.join(device, code)
    await site.approve(device)
    for _ in range(20):
        await site.join(device, code)
    assert "too many certificates" in ((await refused(site.join(device, code))).details() or "")


async def test_a_second_key_for_a_name_needs_its_own_approval_and_replaces_the_first(site: Site) -> None:
    first = await site.joined()
    link = LinkDevice(await site.channel(first))
    await link.hello()
    second = DeviceIdentity("desk-1")
    code = await claim_code(site.fleet)
    await site.join(second, code)
    assert await link.report([check_in(1)]) == 1
    wrong = fleet_pb2.ApproveDeviceRequest(device_id="desk-1", key_words=first.words)
    assert (await refused(site.fleet.ApproveDevice(wrong))).code() is grpc.StatusCode.NOT_FOUND
    await site.approve(second)
    assert (await link.ending()).code is grpc.StatusCode.ABORTED
    assert "revoked" in (await LinkDevice(await site.channel(first)).ending()).message
    await site.join(second, code)
    await LinkDevice(await site.channel(second)).hello()


async def test_a_revoked_key_that_claims_again_stays_out_until_it_is_approved(site: Site) -> None:
    device = await site.joined()
    await site.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"), timeout=PATIENCE_S)
    await site.join(device, await claim_code(site.fleet))
    old = LinkDevice(await site.channel(device))
    assert (await old.ending()).code is grpc.StatusCode.UNAUTHENTICATED


async def test_every_act_is_in_an_audit_log_that_shows_changes(site: Site) -> None:
    device = await site.joined()
    await site.fleet.RevokeDevice(fleet_pb2.RevokeDeviceRequest(device_id="desk-1"), timeout=PATIENCE_S)
    entries = (await site.fleet.ListAudit(fleet_pb2.ListAuditRequest(), timeout=PATIENCE_S)).entries
    assert [(entry.actor, entry.act) for entry in entries] == [
        ("init", "person added"),
        ("administrator root", "claim created"),
        ("device desk-1", "join requested"),
        ("administrator root", "device approved"),
        ("aggregator", "certificate issued"),
        ("administrator root", "device revoked"),
    ]
    assert entries[3].subject == f"desk-1 {device.words}"
    with open_reader(site.server.file) as db:
        assert administration.first_broken(db) is None
