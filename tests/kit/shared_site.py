"""A site for tests: a real aggregator, appliances with real stores, a custodian; sensors are missing."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
import pytest
from click.testing import CliRunner

from aggregator.authority import Authority
from aggregator.cli import main
from aggregator.credential import write_credential
from aggregator.store.place import Place
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc, gallery_pb2, gallery_pb2_grpc
from firmware.clock import Clock
from firmware.event_message import to_message
from firmware.gallery.resembling import Alike
from firmware.lease import LeaseLimits
from firmware.session.matching import Matcher
from firmware.store.reference import Reference
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target, open_channel
from firmware.uplink.gallery_exchange import SharedSettings, Synced
from firmware.uplink.gallery_sync import GallerySync
from inference.operating_point import Strength
from inference.types import Template
from tests.kit.aggregator_fixture import Running, running_aggregator
from tests.kit.galleries import Author, Custodians
from tests.kit.identities import DeviceIdentity, Held, claim_code, first_administrator, join, person, shown
from tests.kit.link_device import PATIENCE_S, LinkDevice
from tests.kit.store_values import PURPOSE, SITE, moment, open_store, protection, registration
from trust.certificates import key_to_pem, to_pem
from trust.consent import Purpose
from trust.guarded import GuardedKey
from trust.names import Role

T = TypeVar("T")
on_either = pytest.mark.usefixtures("store")
"""For a test whose aggregator has its store in a file, and once more on a server."""


class MatcherOfIds(Matcher):
    """The working copy of the gallery by ids alone: no networks are loaded."""

    def __init__(self) -> None:
        self.ids: set[bytes] = set()
        self._protection = protection()

    def can_compare(self, template: Template) -> bool:
        return True

    def take_up(self, reference: Reference) -> None:
        self.ids.add(reference.entry_id)
        for template in reference.templates:
            template.wipe()

    def remove(self, entry_id: bytes) -> None:
        self.ids.discard(entry_id)


@dataclass
class Appliance:
    """One appliance of the site: store, keys, certificate, and what shares its gallery."""

    author: Author
    store: Store
    matcher: MatcherOfIds
    identity: DeviceIdentity
    folder: Path
    sharing_with: Callable[..., GallerySync]
    sharing: GallerySync = field(init=False)
    reports: dict[str, str] = field(default_factory=dict)
    alike_by_hand: dict[bytes, bytes] = field(default_factory=dict)
    """Which entry looks like which other one, although they have two cards."""

    def __post_init__(self) -> None:
        self.sharing = self.sharing_with()

    async def sync(self) -> Synced:
        return await self.sharing.once()

    def register(self, *references: Reference) -> None:
        for reference in references:
            self.store.commit_registration(moment(), registration(reference), reference)
            self.matcher.ids.add(reference.entry_id)

    def erase(self, entry_id: bytes) -> None:
        self.matcher.remove(entry_id)
        assert self.store.gallery.remove(moment(), entry_id)

    def subjects(self) -> set[str]:
        return {reference.subject for reference in self.store.gallery.references(PURPOSE)}


def hear(reports: dict[str, str], kind: str, sentence: str | None) -> None:
    """Keep what is reported and not over."""
    if sentence is None:
        reports.pop(kind, None)
    else:
        reports[kind] = sentence


def same_subject(store: Store, by_hand: Mapping[bytes, bytes], reference: Reference) -> list[Alike]:
    """Stand for the comparison of templates: whoever has the same card looks the same."""
    if (other := by_hand.get(reference.entry_id)) is not None:
        return [Alike(other, 12.5, Strength.STRONG)]
    found = store.gallery.find_subject(store.purpose, reference.subject)
    return [
        Alike(each.entry_id, 12.5, Strength.STRONG) for each in found if each.entry_id != reference.entry_id
    ]


class Showing:
    """The `Dialler` of an appliance in a test."""

    def __init__(self, target: Callable[[], str], authority: Authority, identity: DeviceIdentity) -> None:
        self._target, self._authority, self._identity = target, authority, identity

    async def dial(self) -> grpc.aio.Channel:
        held = self._identity.held()
        tls = grpc.ssl_channel_credentials(
            to_pem(self._authority.certificate), key_to_pem(held.key), to_pem(*held.chain)
        )
        return open_channel(Target.parse(self._target()), tls)

    def told_time(self, server_ns: int) -> None: ...

    async def refused(self) -> None: ...


@dataclass
class Site:
    """The site; `server` is the aggregator that runs, `custodians` hold the gallery's keys."""

    folder: Path
    server: Running
    authority: Authority
    administrator: Held
    custodians: Custodians
    stack: AsyncExitStack

    async def appliance(
        self,
        device_id: str,
        *,
        daily_bytes: int = 20_000_000,
        purpose: Purpose = PURPOSE,
        lease: LeaseLimits | None = None,
    ) -> Appliance:
        """Return an appliance that has joined the aggregator."""
        author = Author(self.folder / device_id, device_id)
        identity = DeviceIdentity(device_id, SITE, GuardedKey(author.guard))
        async with self.fleet() as fleet:
            code = await claim_code(fleet, SITE)
            await join(self.server.target, self.authority.certificate, identity, code)
            approve = fleet_pb2.ApproveDeviceRequest(device_id=device_id, key_words=identity.words)
            await fleet.ApproveDevice(approve, timeout=PATIENCE_S)
            await join(self.server.target, self.authority.certificate, identity, code)
        store = open_store(self.folder / device_id, device_id=device_id, purpose=purpose)
        self.stack.callback(store.close)
        matcher = MatcherOfIds()
        reports: dict[str, str] = {}
        by_hand: dict[bytes, bytes] = {}

        def sharing_with(daily_bytes: int = daily_bytes, clock: Clock | None = None) -> GallerySync:
            return GallerySync(
                SharedSettings(
                    device_id,
                    SITE,
                    purpose,
                    self.custodians.key_set.words,
                    author.card.encoded(),
                    daily_bytes=daily_bytes,
                    lease=lease,
                ),
                Showing(lambda: self.server.target, self.authority, identity),
                in_store_of(store),
                directly,
                matcher,
                author.keys,
                clock or Clock(),
                Backoff(random.SystemRandom()),
                report=partial(hear, reports),
                resembling=partial(same_subject, store, by_hand),
                in_background=directly,
            )

        folder = self.folder / device_id
        return Appliance(author, store, matcher, identity, folder, sharing_with, reports, by_hand)

    @asynccontextmanager
    async def fleet(self) -> AsyncIterator[fleet_pb2_grpc.FleetServiceAsyncStub]:
        async with shown(self.server.target, self.authority.certificate, self.administrator) as channel:
            stub: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
            yield stub

    @asynccontextmanager
    async def galleries(
        self, caller: Held | None = None
    ) -> AsyncIterator[gallery_pb2_grpc.GalleryServiceAsyncStub]:
        held = caller or self.administrator
        async with shown(self.server.target, self.authority.certificate, held) as channel:
            stub: gallery_pb2_grpc.GalleryServiceAsyncStub = gallery_pb2_grpc.GalleryServiceStub(channel)
            yield stub

    async def publish(self) -> None:
        roster = self.custodians.key_set.roster_path.read_bytes()
        async with self.galleries() as service:
            await service.PublishRoster(gallery_pb2.PublishRosterRequest(roster=roster), timeout=PATIENCE_S)

    async def admit(self, *appliances: Appliance) -> None:
        self.custodians.admit(*(appliance.author.card for appliance in appliances))
        await self.publish()

    async def erasures(self, *, only_open: bool = False) -> list[gallery_pb2.Erasure]:
        request = gallery_pb2.ListErasuresRequest(only_open=only_open)
        async with self.galleries() as service:
            answer = await service.ListErasures(request, timeout=PATIENCE_S)
        return list(answer.erasures)

    async def person(self, name: str, role: Role = Role.OPERATOR) -> Held:
        async with self.fleet() as fleet:
            return await person(fleet, name, role)

    async def acts(self, of: str) -> list[tuple[str, str]]:
        """Return who did what of one kind, as the audit log of administration has it."""
        async with self.fleet() as fleet:
            request = fleet_pb2.ListAuditRequest(from_number=1, limit=1000)
            entries = (await fleet.ListAudit(request, timeout=PATIENCE_S)).entries
        return [(entry.actor, entry.act) for entry in entries if entry.act.startswith(of)]

    async def audited(self, act: str) -> list[str]:
        """Return about what one act was, as the audit log of administration has it."""
        async with self.fleet() as fleet:
            request = fleet_pb2.ListAuditRequest(from_number=1, limit=1000)
            entries = (await fleet.ListAudit(request, timeout=PATIENCE_S)).entries
        return [entry.subject for entry in entries if entry.act == act]

    async def pairs(self, page_size: int = 100) -> list[gallery_pb2.Adjudication]:
        async with self.galleries() as service:
            request = gallery_pb2.ListAdjudicationsRequest(page_size=page_size)
            found: list[gallery_pb2.Adjudication] = []
            page: gallery_pb2.ListAdjudicationsResponse | None = None
            while page is None or page.next_page_token:
                request.page_token = "" if page is None else page.next_page_token
                page = await service.ListAdjudications(request, timeout=PATIENCE_S)
                found += page.adjudications
        return found

    async def decide(
        self, caller: Held, number: int, finding: gallery_pb2.Finding.ValueType
    ) -> gallery_pb2.Adjudication:
        async with self.galleries(caller) as service:
            request = gallery_pb2.DecideAdjudicationRequest(number=number, finding=finding)
            return (await service.DecideAdjudication(request, timeout=PATIENCE_S)).adjudication

    async def undo(self, caller: Held, number: int) -> gallery_pb2.Adjudication:
        async with self.galleries(caller) as service:
            request = gallery_pb2.UndoAdjudicationRequest(number=number)
            return (await service.UndoAdjudication(request, timeout=PATIENCE_S)).adjudication

    async def administer(self, caller: Held, *words: str) -> str:
        """Run a command of the aggregator as this person; returns what it printed."""
        path = self.folder / f"{secrets.token_hex(8)}.pem"
        write_credential(
            path, key_to_pem(caller.key), to_pem(*caller.chain), to_pem(self.authority.certificate)
        )
        more = ["--server", self.server.target, "--credential", str(path)]
        done = await asyncio.to_thread(CliRunner().invoke, main, [*words, *more])
        return done.output

    async def send_events(self, appliance: Appliance) -> None:
        """Let the aggregator have every event of an appliance."""
        queued = appliance.store.outbox.pending(0, 1000)
        held = appliance.identity.held()
        async with shown(self.server.target, self.authority.certificate, held) as channel:
            link = LinkDevice(channel, appliance.store.device_id, appliance.store.epoch, SITE)
            await link.hello(queued[-1].seq)
            await link.report([to_message(each.event) for each in queued])

    async def state(self) -> gallery_pb2.GalleryState:
        async with self.galleries() as service:
            answer = await service.ListGalleries(gallery_pb2.ListGalleriesRequest(), timeout=PATIENCE_S)
        (gallery,) = answer.galleries
        return gallery


async def directly(work: Callable[[], T], /) -> T:
    """Run it here and now."""
    return work()


def in_store_of(store: Store) -> RunInStore:
    """Run it here and now, with this store."""

    async def run(work: Callable[[Store], T], /) -> T:
        return work(store)

    return run


@asynccontextmanager
async def site(folder: Path, place: Place | None = None) -> AsyncIterator[Site]:
    """Run an aggregator, with a custodian at hand; place: of its store, otherwise a file in the folder."""
    authority, store = Authority.create(folder / "authority"), place or folder / "aggregator.db"
    administrator = first_administrator(authority, store)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_aggregator(store, authority=authority, files=folder / "files")
        )
        custodians = Custodians(folder / "set")
        yield Site(folder, server, authority, administrator, custodians, stack)
