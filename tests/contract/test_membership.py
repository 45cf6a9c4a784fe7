"""The device's side of its identity against a real aggregator: join, connect, renew, join again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from aggregator.authority import Authority
from aggregator.store.place import Place
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc
from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.uplink.channel import Target
from firmware.uplink.errors import JoinRefused, NotJoined, WrongAggregator
from firmware.uplink.identity_file import Identity, read_identity
from firmware.uplink.membership import RENEWAL_CHECK_S, Membership
from tests.kit import software_tpm
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.identities import claim_code, first_administrator, shown
from tests.kit.link_device import PATIENCE_S, SITE, LinkDevice, check_in
from tests.kit.shared_site import on_either
from trust.claim import Claim
from trust.keys.guard import GuardKind, KeyGuard
from trust.names import DeviceName

NO_TPM = software_tpm.why_there_is_none()
DAY_NS = 24 * 3600 * 1_000_000_000


@dataclass
class Post:
    """A device with a `file` guard beside a running aggregator; nobody waits: `sleep` approves."""

    server: Running
    authority: Authority
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    guard: KeyGuard
    folder: Path
    clock: list[int]
    asked: list[float] = field(default_factory=list)
    checked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        target = Target.parse(self.server.target)
        self.membership = Membership(
            target,
            self.guard,
            DeviceName("desk-1", SITE),
            self.folder,
            monotonic_ns=lambda: self.clock[0] - NOW_NS,
            sleep=self._sleep,
        )

    async def join(self) -> Identity:
        return await self.membership.join(Claim.parse(await claim_code(self.fleet)), lambda: None)

    async def reports(self, seq: int) -> int:
        async with await self.membership.dial() as channel:
            link = LinkDevice(channel)
            welcome = await link.hello()
            self.membership.told_time(welcome.server_time.ToNanoseconds())
            return await link.report([check_in(seq)])

    async def ending(self) -> grpc.StatusCode:
        async with await self.membership.dial() as channel:
            return (await LinkDevice(channel).ending()).code

    async def _sleep(self, delay_s: float) -> None:
        if delay_s >= RENEWAL_CHECK_S:
            self.checked.set()
            await asyncio.Event().wait()
        self.asked.append(delay_s)
        await self.approve()

    async def approve(self) -> None:
        words = self.membership.key_words
        await self.fleet.ApproveDevice(
            fleet_pb2.ApproveDeviceRequest(device_id="desk-1", key_words=words), timeout=PATIENCE_S
        )


@pytest.fixture
async def post(place: Place, tmp_path: Path) -> AsyncIterator[Post]:
    authority = Authority.create(tmp_path / "identity")
    store = place
    administrator = first_administrator(authority, store, timedelta(days=800))
    clock = [NOW_NS]
    folder = tmp_path / "device"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_aggregator(store, files=tmp_path / "files", authority=authority, clock=lambda: clock[0])
        )
        channel = await stack.enter_async_context(shown(server.target, authority.certificate, administrator))
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        guard = stack.enter_context(open_guard(GuardSettings(GuardKind.FILE), folder, store_exists=False))
        yield Post(server, authority, fleet, guard, folder, clock)


@on_either
async def test_a_device_joins_with_its_guards_key_and_reports(post: Post) -> None:
    with pytest.raises(NotJoined, match="aidpost join"):
        await post.membership.dial()
    identity = await post.join()
    assert identity.named == DeviceName("desk-1", SITE)
    assert read_identity(post.folder) == identity
    assert await post.reports(1) == 1
    assert len(post.asked) == 1


@pytest.mark.skipif(NO_TPM is not None, reason=NO_TPM or "")
async def test_a_device_whose_key_is_in_a_tpm_joins_and_reports(post: Post, tmp_path: Path) -> None:
    folder = tmp_path / "with-tpm"
    with software_tpm.powered_tpm(tmp_path / "tpm") as address:
        settings = GuardSettings(GuardKind.TPM, tpm=address)
        with open_guard(settings, folder, store_exists=False) as guard:
            device = Post(post.server, post.authority, post.fleet, guard, folder, post.clock)
            await device.join()
            assert await device.reports(1) == 1


async def test_no_private_key_is_in_the_devices_folder_beside_the_guards_own(post: Post) -> None:
    await post.join()
    await post.reports(1)
    assert b"PRIVATE" not in (post.folder / "identity.pem").read_bytes()
    assert sorted(path.name for path in post.folder.iterdir()) == ["identity.pem", "keys.json", "keys.secret"]


async def test_nothing_is_said_to_an_aggregator_that_the_claim_code_is_not_of(
    post: Post, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other")
    with pytest.raises(WrongAggregator, match="another aggregator"):
        await post.membership.join(other.new_claim(), lambda: None)
    found = await post.fleet.ListEnrolments(fleet_pb2.ListEnrolmentsRequest(), timeout=PATIENCE_S)
    assert list(found.enrolments) == []


async def test_a_claim_that_is_not_known_is_said_clearly(post: Post) -> None:
    with pytest.raises(JoinRefused, match="not known here"):
        await post.membership.join(post.authority.new_claim(), lambda: None)


@on_either
async def test_the_certificate_is_renewed_after_two_thirds_of_its_life_by_the_aggregators_clock(
    post: Post,
) -> None:
    first = await post.join()
    await post.reports(1)
    post.clock[0] += 19 * DAY_NS
    assert not await post.membership.renew_if_due()
    post.clock[0] += DAY_NS
    assert await post.membership.renew_if_due()
    second = read_identity(post.folder)
    assert second is not None
    assert second.ends - first.ends == timedelta(days=20)
    post.clock[0] += 15 * DAY_NS
    assert await post.reports(2) == 2


async def test_the_renewal_runs_by_itself_once_the_time_is_known(post: Post) -> None:
    first = await post.join()
    keeping = asyncio.create_task(post.membership.keep_valid())
    post.clock[0] += 21 * DAY_NS
    await post.reports(1)
    async with asyncio.timeout(PATIENCE_S):
        await post.checked.wait()
    keeping.cancel()
    second = read_identity(post.folder)
    assert second is not None
    assert second.ends > first.ends


@on_either
async def test_a_device_that_was_off_for_a_year_joins_again_without_a_claim(post: Post) -> None:
    await post.join()
    await post.reports(1)
    post.clock[0] += 365 * DAY_NS
    assert await post.ending() is grpc.StatusCode.UNAUTHENTICATED
    with capture_logs() as logs:
        await post.membership.refused()
        await post.membership.refused()
    assert [(line["event"], "fault" in line) for line in logs] == [("waits_for_approval", False)]
    await post.approve()
    await post.membership.refused()
    assert await post.reports(2) == 2


async def test_a_certificate_that_cannot_be_kept_or_read_is_complained_of_once_and_asked_for_again(
    post: Post,
) -> None:
    await post.join()
    await post.reports(1)
    obstacle = post.folder / "identity.pem.partial"
    obstacle.mkdir()  # the new certificate cannot be written, as on a full disk
    with capture_logs() as logs:
        await post.membership.refused()
        await post.membership.refused()
    assert [(line["event"], line["fault"]) for line in logs] == [("not_joined_again", "IsADirectoryError")]
    obstacle.rmdir()
    await post.membership.refused()
    assert await post.reports(2) == 2

    (post.folder / "identity.pem").write_bytes(b"damaged")
    keeping = asyncio.create_task(post.membership.keep_valid())
    with capture_logs() as logs:
        await post.membership.refused()
        async with asyncio.timeout(PATIENCE_S):
            await post.checked.wait()
    keeping.cancel()
    assert [(line["event"], line["fault"]) for line in logs] == [
        ("not_joined_again", "IdentityDamaged"),
        ("certificate_not_renewed", "IdentityDamaged"),
    ]


async def test_a_certificate_of_another_device_is_not_used(post: Post) -> None:
    await post.join()
    other = Membership(
        Target.parse(post.server.target),
        post.guard,
        DeviceName("desk-2", SITE),
        post.folder,
        monotonic_ns=lambda: 0,
    )
    with pytest.raises(NotJoined, match="names another device"):
        await other.dial()
