"""A real aggregator with an operator who approves, and an appliance at its first boot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from aggregator.authority import Authority
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc
from firmware.clock import Clock
from firmware.first_boot.boot import FirstBoot, Means
from firmware.first_boot.places import Places
from firmware.first_boot.supervising import Supervising
from firmware.first_boot.terms import Situation, Trouble
from firmware.guard.opening import no_console
from firmware.machine.claim_file import Claimed, take_claim_file
from firmware.opening import open_keys, open_store
from firmware.store.store import Store
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.first_boot_cuts import TriesNothing
from tests.kit.identities import claim_code, first_administrator, shown
from tests.kit.link_device import PATIENCE_S
from trust.claim_file import FORMAT, NAME, ClaimFile

T = TypeVar("T")
SITE = "harbour-clinic"
NOW = datetime.fromtimestamp(NOW_NS / 1e9, UTC)


class Shown:
    """Codes before the camera, one after the other."""

    def __init__(self) -> None:
        self.codes: asyncio.Queue[str] = asyncio.Queue()

    async def scan(self) -> str:
        code = await self.codes.get()
        self.codes.task_done()
        return code


@dataclass
class Post:
    """An aggregator, the operator who approves, and one fresh appliance."""

    server: Running
    authority: Authority
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    clock: list[int]
    folder: Path
    codes: Shown

    def __post_init__(self) -> None:
        for name in ("selector", "data", "interfaces"):
            (self.folder / name).mkdir(mode=0o700)
        self.places = Places(
            self.folder / "etc" / "aidpost.toml", self.folder / "data", self.folder / "network", {}
        )

    async def claim(self, site: str = SITE, code: str = "", **more: object) -> ClaimFile:
        code = code or await claim_code(self.fleet, site)
        return ClaimFile.of(
            {
                "format": FORMAT,
                "device": {"id": "kit-1", "site": SITE, "purpose": "clinic check-in", "languages": ["sw"]},
                "aggregator": {
                    "target": self.server.target,
                    "code": code,
                    "made": NOW,
                    "expires": NOW + timedelta(hours=1),
                },
                "keys": {"guard": "file"},
                "hardware": {"fingerprint": "none", "camera": "replay", "board": "none"},
                **more,
            }
        )

    @staticmethod
    def pointed_elsewhere(claim: ClaimFile) -> ClaimFile:
        """Return it with an address at which nobody answers."""
        aggregator = msgspec.structs.replace(claim.aggregator, target="127.0.0.1:9")
        return msgspec.structs.replace(claim, aggregator=aggregator)

    def put(self, claim: ClaimFile) -> None:
        (self.folder / "selector" / NAME).write_text(claim.to_text())
        assert take_claim_file(self.folder / "selector", self.places.data, set_up=False) is Claimed.TAKEN

    def boot(self, wall_ns: int = NOW_NS, *, asks: bool = False) -> FirstBoot:
        return FirstBoot(self.places, self.means(wall_ns, asks=asks))

    def means(self, wall_ns: int = NOW_NS, *, asks: bool = False) -> Means:
        clock = replace(Clock(), wall_ns=lambda: wall_ns)
        return Means(
            Supervising(clock, asks=asks),
            TriesNothing(),
            no_console,
            self.codes,
            clock=clock,
            interfaces=self.folder / "interfaces",
            pause=lambda _s: asyncio.sleep(0),
            sleep=lambda _s: self.approve(),
        )

    def has(self, interface: str, *, radio: bool = False) -> None:
        """Let an interface be up."""
        folder = self.folder / "interfaces" / interface
        (folder / "phy80211" if radio else folder).mkdir(parents=True)
        (folder / "operstate").write_text("up\n")

    async def in_store(self, look: Callable[[Store], T]) -> T:
        config = self.places.joined()
        assert config is not None
        with open_keys(config) as guard:
            store = open_store(config, guard)
            try:
                return look(store)
            finally:
                store.close()

    async def approve(self) -> None:
        asked = await self.fleet.ListEnrolments(fleet_pb2.ListEnrolmentsRequest(), timeout=PATIENCE_S)
        for each in asked.enrolments:
            if each.state == fleet_pb2.ENROLMENT_STATE_PENDING:
                request = fleet_pb2.ApproveDeviceRequest(device_id=each.device_id, key_words=each.key_words)
                await self.fleet.ApproveDevice(request, timeout=PATIENCE_S)


@asynccontextmanager
async def running_post(tmp_path: Path) -> AsyncIterator[Post]:
    """Start an aggregator whose administrator approves, beside the card of a fresh appliance."""
    authority = Authority.create(tmp_path / "identity")
    store = tmp_path / "store.db"
    administrator = first_administrator(authority, store)
    clock = [NOW_NS]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_aggregator(store, authority=authority, clock=lambda: clock[0])
        )
        channel = await stack.enter_async_context(shown(server.target, authority.certificate, administrator))
        (tmp_path / "card").mkdir()
        yield Post(
            server, authority, fleet_pb2_grpc.FleetServiceStub(channel), clock, tmp_path / "card", Shown()
        )


async def until(boot: FirstBoot, wanted: Callable[[Situation], bool]) -> Situation:
    changed = asyncio.Event()
    unsubscribe = boot.subscribe(changed.set)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not wanted(boot.situation):
                changed.clear()
                await changed.wait()
    finally:
        unsubscribe()
    return boot.situation


async def ends_with(boot: FirstBoot, trouble: Trouble) -> Situation:
    """Run until this trouble is told."""
    running = asyncio.create_task(boot.run())
    try:
        return await until(boot, lambda situation: situation.trouble is trouble)
    finally:
        running.cancel()
        await asyncio.wait({running})
