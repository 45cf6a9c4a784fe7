"""The commands of the aggregator that need nothing but the parts themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from firmware.orders import OrderFailed
from firmware.store.audit import AuditBroken
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from firmware.uplink.codec import Command
from sensors.errors import SensorError


class Part(Protocol):
    """A supervised device."""

    @property
    def error(self) -> SensorError | None:
        """Why it is not available; None when it is."""


async def self_test(run_in_store: RunInStore, parts: Mapping[str, Part], _command: Command) -> str:
    """Say whether each sensor is there and the audit log holds. Raises OrderFailed."""
    audit = await run_in_store(Store.verify_audit)
    if isinstance(audit, AuditBroken):
        raise OrderFailed(f"the audit log does not hold from row {audit.number} on: {audit.reason}")
    if missing := [name for name, part in parts.items() if part.error is not None]:
        raise OrderFailed(f"not available: {', '.join(missing)}")
    return f"well: {', '.join(parts)}; {audit} audit rows hold"


async def renew_lease(renew: Callable[[], Awaitable[None]], _command: Command) -> str:
    """Begin the lease anew."""
    await renew()
    return "the lease begins anew"


async def sync_now(run_in_store: RunInStore, send: Callable[[], None], _command: Command) -> str:
    """Say how much waits; the command came over the very stream on which it goes out."""
    counts = await run_in_store(Store.counts)
    send()
    return f"{counts.waiting} of {counts.written} events waited"
