"""The aggregator in the test's own event loop, on free ports, its clock and log in the test's hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from aggregator.authority import Authority
from aggregator.beside import Beside
from aggregator.exporting.policy import ExportPolicy
from aggregator.holdings import Device, StoredEvent
from aggregator.link.rolling import TURN_S
from aggregator.link.service import Limits
from aggregator.server import Aggregator
from aggregator.settings import Settings
from aggregator.store.database import open_reader
from aggregator.store.place import Place
from aggregator.store.port import Database
from aggregator.store.reader import read_devices, read_events
from trust.tls.address import Address
from trust.tls.gate import GateLimits

T = TypeVar("T")
NOW_NS = 1_767_258_000_000_000_000  # 2026-01-01T09:00:00Z


@dataclass(frozen=True, slots=True)
class Running:
    """A running aggregator and what can be seen of it from outside."""

    target: str
    dashboard_url: str
    store: Place
    log: list[MutableMapping[str, Any]]
    health: str
    """Where gRPC health is answered without a certificate."""

    @property
    def file(self) -> Path:
        """The store, where it is a file."""
        assert isinstance(self.store, Path)
        return self.store

    def events(self, **wanted: Any) -> list[StoredEvent]:
        """Return what the store holds, in the order of arrival."""
        return self.read(lambda db: list(read_events(db, **wanted)))

    def device(self, device_id: str = "desk-1") -> Device:
        """Return what the store holds of one device."""
        (device,) = [device for device in self.read(read_devices) if device.device_id == device_id]
        return device

    def read(self, work: Callable[[Database], T]) -> T:
        """Return what `work` finds in the store."""

        def read() -> T:
            with open_reader(self.store) as db:
                return work(db)

        return apart(read)

    def logged(self, name: str) -> list[MutableMapping[str, Any]]:
        """Return the log's entries of this name."""
        return [entry for entry in self.log if entry["event"] == name]


def apart(work: Callable[[], T]) -> T:
    """Do `work` in a thread: a store on a server has an event loop of its own, beside the test's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


@asynccontextmanager
async def running_aggregator(
    store: Place,
    *,
    files: Path | None = None,
    bus: tuple[str, ...] = (),
    max_store_bytes: int | None = None,
    limits: Limits | None = None,
    authority: Authority | None = None,
    gate_limits: GateLimits | None = None,
    export_policy: ExportPolicy | None = None,
    clock: Callable[[], int] = lambda: NOW_NS,
    rollout_turn_s: float = TURN_S,
    compare_clock: bool = False,
) -> AsyncIterator[Running]:
    """Run an aggregator on the store until the end of the block; without an authority, the open one.

    files: the folder for what lies beside a store on a server. bus: the NATS servers between its workers.
    """
    anywhere = Address("127.0.0.1", 0)
    settings = Settings(
        store=store,
        beside=Beside.of(store, files, files),
        bus=bus,
        listen=anywhere,
        dashboard=anywhere,
        health=anywhere,
        authority=authority,
        max_store_bytes=max_store_bytes,
        limits=limits or Limits(),
        gate_limits=gate_limits or GateLimits(),
        export_policy=export_policy,
        rollout_turn_s=rollout_turn_s,
        compare_clock=compare_clock,
    )
    log = structlog.testing.LogCapture()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(), processors=[log], wrapper_class=structlog.make_filtering_bound_logger(0)
    )
    async with Aggregator(settings, logger, wall_ns=clock) as bound:
        yield Running(str(bound.listen), f"http://{bound.dashboard}", store, log.entries, str(bound.health))
