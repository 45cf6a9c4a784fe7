"""Appliances of one site in one process: real stores, real mutual TLS, cables that can be cut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.clock import Clock
from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.mesh.book import Book
from firmware.mesh.opening import Mesh, SiteSettings
from firmware.mesh.site import Site
from firmware.records import CollectionConflict
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Target
from firmware.uplink.identity_file import Identity, write_identity
from firmware.workflow.outcomes import Granted, OwnerSilent, Standing
from tests.kit.store_values import SECOND_NS, SITE, open_store
from tests.kit.work_lists import distribution_list, given
from trust import certificates
from trust.consent import Purpose
from trust.keys.guard import GuardKind, KeyGuard
from trust.lists.terms import DistributionList
from trust.names import DeviceName
from trust.tls.address import Address

T = TypeVar("T")
ROSTER = ("dev-1", "dev-2", "dev-3")
PATIENCE_S = 60.0


class Cable:
    """What leads from one appliance to another; cut, it ends what goes through and takes nothing new.

    stalled: what is sent disappears, and nobody is told.
    """

    def __init__(self) -> None:
        self.whole = True
        self.stalled = False
        self.to = ("127.0.0.1", 0)
        self.target = Target("127.0.0.1", 1)
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def lay(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.target = Target("127.0.0.1", self._server.sockets[0].getsockname()[1])

    async def remove(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        self.whole = False
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        self.whole = True

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        ends = [back]
        try:
            if self.whole and self.to[1]:
                far, on = await asyncio.open_connection(*self.to)
                ends.append(on)
                self._ends.update(ends)
                pumps = [asyncio.ensure_future(self._pump(*way)) for way in ((near, on), (far, back))]
                await asyncio.wait(pumps)
        except OSError:
            pass
        finally:
            for end in ends:
                self._ends.discard(end)
                end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not self.stalled:
                    sink.write(data)
                    await sink.drain()
        sink.transport.abort()


@dataclass
class Post:
    """One appliance of the site; its clock stands until `pass_s`."""

    device: str
    folder: Path
    guard: KeyGuard
    cables: dict[str, Cable]
    changed: asyncio.Condition
    port: int = 0
    boot: int = 1
    now_ns: int = 1000 * SECOND_NS
    served: list[str] = field(default_factory=list)
    numbers: int = 0
    answer_s: float = PATIENCE_S  # a slow machine is no silent owner

    async def start(self) -> None:
        self._stack = AsyncExitStack()

        def opened() -> Store:
            return open_store(self.folder, purpose=Purpose.DISTRIBUTION, device_id=self.device)

        self.store = await StoreThread.open(opened)
        self._stack.push_async_callback(self.store.close)

        async def in_book(work: Callable[[Book], T], /) -> T:
            return await self.store.run(lambda store: work(store.ledger))

        peers = {device: cable.target for device, cable in self.cables.items()}
        mesh = Mesh(
            SiteSettings(Address("127.0.0.1", self.port), peers),
            self.guard,
            DeviceName(self.device, SITE),
            self.folder,
            in_book,
            self.clock(),
            on_change=self._tell,
            answer_s=self.answer_s,
            backoff=lambda: Backoff(random.Random(self.device), base_s=0.02, cap_s=0.05),  # noqa: S311
        )
        await self._stack.enter_async_context(mesh)
        assert mesh.address is not None, mesh.fault
        self.port = mesh.address.port
        self.site: Site = mesh.site

    async def stop(self) -> None:
        await self._stack.aclose()

    async def restart(self, *, reboot: bool = True) -> None:
        """Switch it off and on; nothing is told how long it was off."""
        await self.stop()
        if reboot:
            self.boot, self.now_ns = self.boot + 1, 5 * SECOND_NS
        await self.start()

    def clock(self) -> Clock:
        return Clock(
            boot=f"{self.device}/{self.boot}".encode().ljust(16, b"."),
            monotonic_ns=lambda: self.now_ns,
            wall_ns=lambda: 1_800_000_000 * SECOND_NS + self.now_ns,
        )

    async def load(self, planned: DistributionList) -> None:
        now = self.clock().now()
        await self.store.run(lambda store: store.lists.load(now, planned, approved_by=("amina", "boris")))
        await self.site.take_up()

    async def serve(self, number: str) -> Standing:
        """Do what the workflow does for one household: claim, hand over if that may be, tell."""
        standing = await self.site.claim(number, 120)
        left = await self.store.run(lambda store: store.work.exceptions_left())
        if isinstance(standing, Granted) or (isinstance(standing, OwnerSilent) and left):
            await self.hand_over(number, owner_silent=isinstance(standing, OwnerSilent))
        else:
            await self.site.release(number)
        return standing

    async def hand_over(self, number: str, *, owner_silent: bool = False) -> None:
        self.numbers += 1
        session = ROSTER.index(self.device) << 32 | self.numbers
        conclusion, now = given(number, session), self.clock().now()
        await self.store.run(lambda store: store.work.conclude(now, conclusion, owner_silent=owner_silent))
        self.served.append(number)
        await self.site.given(number)

    async def conflicts(self) -> list[CollectionConflict]:
        queued = await self.store.run(lambda store: store.outbox.pending(0, 10_000))
        return [one.event.body for one in queued if isinstance(one.event.body, CollectionConflict)]

    def _tell(self) -> None:
        async def tell() -> None:
            async with self.changed:
                self.changed.notify_all()

        self._telling = asyncio.ensure_future(tell())


@dataclass
class SiteRig:
    """The appliances by their ids, the authority that they joined, and the list that they serve."""

    posts: dict[str, Post]
    authority: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    planned: DistributionList
    changed: asyncio.Condition

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(condition)

    async def met(self) -> None:
        """Wait until all are connected and all is told."""
        await self.until(
            lambda: all(
                post.site.connected().site and not post.site.connected().worst_case
                for post in self.posts.values()
            )
        )

    async def part(self, *alone: str) -> None:
        """Cut these off from all others."""
        for near, post in self.posts.items():
            for far, cable in post.cables.items():
                if (near in alone) != (far in alone):
                    cable.cut()
        reach = {far: [one for one in self.posts if (one in alone) == (far in alone)] for far in self.posts}
        await self.until(
            lambda: all(
                set(post.site.reached) == set(reach[device]) - {device} for device, post in self.posts.items()
            )
        )

    async def heal(self) -> None:
        for post in self.posts.values():
            for cable in post.cables.values():
                cable.mend()
        await self.met()

    def owned_by(self, device: str) -> list[str]:
        """Return the numbers of the households that a device owns."""
        cycle = self.posts[device].site.cycle
        assert cycle is not None
        return [
            each.number
            for each in self.planned.households
            if cycle.ranking(cycle.household(each.number))[0] == device
        ]

    def served(self) -> list[str]:
        return [number for post in self.posts.values() for number in post.served]

    async def conflicts(self) -> list[CollectionConflict]:
        return [one for post in self.posts.values() for one in await post.conflicts()]


@asynccontextmanager
async def site_of_three(folder: Path, *, households: int = 30, loss_cap: int = 3) -> AsyncIterator[SiteRig]:
    """Run three appliances that have met."""
    key = certificates.new_key()
    authority = certificates.make_authority(key)
    planned = replace(distribution_list(households, loss_cap=loss_cap), roster=ROSTER)
    changed = asyncio.Condition()
    async with AsyncExitStack() as stack:
        posts = {}
        for device in ROSTER:
            home = folder / device
            guard = stack.enter_context(open_guard(GuardSettings(GuardKind.FILE), home, store_exists=False))
            write_identity(home, Identity(device_certificate(authority, key, device, guard), authority))
            cables = {other: Cable() for other in ROSTER if other != device}
            for cable in cables.values():
                await cable.lay()
                stack.push_async_callback(cable.remove)
            posts[device] = Post(device, home, guard, cables, changed)
        for post in posts.values():
            await post.start()
            stack.push_async_callback(post.stop)
            await post.load(planned)
            for other in posts.values():
                if other is not post:
                    other.cables[post.device].to = ("127.0.0.1", post.port)
        rig = SiteRig(posts, authority, key, planned, changed)
        await rig.met()
        yield rig


def device_certificate(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    device: str,
    guard: KeyGuard,
    site: str = SITE,
) -> x509.Certificate:
    """Return what the aggregator would issue; it ended long ago, which a site without clocks cannot know."""
    then = datetime(2020, 1, 1, tzinfo=UTC)
    return certificates.make_client(authority, key, DeviceName(device, site), guard.public_key(), then)
