"""One aggregator process that keeps its port over restarts, and one device that has joined it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from aggregator.authority import Authority
from aidpost.v1 import fleet_pb2, fleet_pb2_grpc
from tests.kit.aggregator_process import AggregatorProcess
from tests.kit.identities import Held, claim_code, first_administrator, shown
from tests.kit.store_values import DEVICE, SITE
from tests.torture.producer import guard_of, membership_of
from trust.claim import Claim


class Post:
    """The device's folder, the aggregator's store, and the aggregator, which may be killed and started.

    environment: of the aggregator's process, None for our own. prefix: a command that executes it.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.environment: Mapping[str, str] | None = None
        self.prefix: Sequence[str] = ()
        self.device = folder / "device"
        self.store = folder / "aggregator" / "store.db"
        self.identity = folder / "identity"
        self._options = options
        self._running: AggregatorProcess | None = None
        self.target = ""

    @property
    def running(self) -> AggregatorProcess:
        assert self._running is not None
        return self._running

    async def start(self) -> None:
        """Start the aggregator: at first on a free port, then on the same."""
        again = [f"--listen={self.target}"] if self.target else []
        server = AggregatorProcess(
            self.store,
            *self._options,
            *again,
            identity=self.identity,
            environment=self.environment,
            prefix=self.prefix,
        )
        await server.start()
        self._running, self.target = server, server.target

    async def kill(self) -> None:
        await self.running.kill()
        await self.stop()

    async def stop(self) -> None:
        if self._running is not None:
            await self._running.__aexit__(None, None, None)
            self._running = None

    def log(self) -> str:
        """Return what the aggregator has logged over all its lives."""
        return self.store.with_suffix(".log").read_text()

    async def join(self, authority: Authority, administrator: Held) -> None:
        """Take the device through claim, request, approval and certificate."""
        self.device.mkdir(exist_ok=True)
        async with shown(self.target, authority.certificate, administrator) as channel:
            fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
            code = await claim_code(fleet, SITE)
            with guard_of(self.device) as guard:
                asked, approved = asyncio.Event(), asyncio.Event()

                async def until_approved(_delay_s: float) -> None:
                    await approved.wait()

                membership = membership_of(self.device, guard, self.target, until_approved)
                joining = asyncio.create_task(membership.join(Claim.parse(code), asked.set))
                await asked.wait()
                await fleet.ApproveDevice(
                    fleet_pb2.ApproveDeviceRequest(device_id=DEVICE, key_words=membership.key_words)
                )
                approved.set()
                await joining


@asynccontextmanager
async def opened(
    folder: Path, *options: str, before: Callable[[Post], None] = lambda _: None
) -> AsyncIterator[Post]:
    """Yield a post whose aggregator runs and whose device has joined.

    options: of `serve`. before: called with the post before the aggregator starts.
    """
    post = Post(folder, *options)
    post.store.parent.mkdir(parents=True, exist_ok=True)
    authority = Authority.create(post.identity)
    administrator = first_administrator(authority, post.store, timedelta(days=1), time.time_ns())
    before(post)
    await post.start()
    try:
        await post.join(authority, administrator)
        yield post
    finally:
        await post.stop()
