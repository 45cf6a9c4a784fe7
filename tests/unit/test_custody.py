"""When the keys go, and when they stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.clock import Clock
from firmware.custody import Custody
from firmware.lease import LeaseLimits
from firmware.store.thread import StoreThread
from sensors.board.port import Button, TamperEvent
from tests.kit.store_values import HOUR_NS, open_store, store_key
from trust.keys.errors import GuardUnavailable, KeysDestroyed
from trust.keys.guard import GuardKind, KeyGuard
from trust.keys.secret import SecretKey

LIMITS = LeaseLimits(uptime_ns=10 * HOUR_NS, boots=5)


class GuardOfTests(KeyGuard):
    """Remembers why it was destroyed; `broken` is what its TPM answers then."""

    kind = GuardKind.TPM

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.broken: GuardUnavailable | None = None

    def store_key(self) -> SecretKey:
        return store_key()

    def public_key(self) -> ec.EllipticCurvePublicKey:
        raise NotImplementedError

    def sign(self, data: bytes) -> bytes:
        raise NotImplementedError

    def destroy(self, reason: str) -> None:
        self.reasons.append(reason)
        if self.broken is not None:
            raise self.broken

    def close(self) -> None:
        pass


class Desk:
    """A custody at an hour that the test sets."""

    def __init__(self, store: StoreThread, *, destroy_on_tamper: bool = True) -> None:
        self.hour = 0.0
        self.guard = GuardOfTests()
        self.told: list[str] = []
        clock = replace(Clock(), monotonic_ns=lambda: int(self.hour * HOUR_NS))
        self.custody = Custody(
            self.guard,
            store.run,
            clock,
            limits=LIMITS,
            destroy_on_tamper=destroy_on_tamper,
            on_lapsing=self.told.append,
        )


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreThread]:
    thread = await StoreThread.open(lambda: open_store(tmp_path))
    yield thread
    await thread.close()


async def test_the_lease_warns_then_destroys_and_contact_puts_it_off(store: StoreThread) -> None:
    desk = Desk(store)
    for hour in (0, 5, 8.5):
        desk.hour = hour
        await desk.custody.count()
    assert desk.told == ["0.1 days of uptime and 5 boots"]
    await desk.custody.renew()
    desk.hour = 15
    await desk.custody.count()
    assert len(desk.told) == 1
    assert desk.guard.reasons == []
    desk.hour = 18.5
    await desk.custody.count()
    assert "lease lapsed" in desk.guard.reasons[0]
    await asyncio.wait_for(desk.custody.gone.wait(), 5)
    with pytest.raises(KeysDestroyed, match="lease lapsed"):
        desk.custody.refuse_if_gone()


async def test_only_an_opened_enclosure_destroys_and_only_where_that_was_chosen(store: StoreThread) -> None:
    desk = Desk(store)
    for event in (Button.HELP, TamperEvent.CLOSED):
        desk.custody.watch(event)
    assert desk.guard.reasons == []
    desk.custody.watch(TamperEvent.OPENED)
    assert desk.guard.reasons == ["the enclosure was opened"]
    reporting = Desk(store, destroy_on_tamper=False)
    reporting.custody.watch(TamperEvent.OPENED)
    assert reporting.guard.reasons == []


async def test_where_a_part_of_the_keys_cannot_be_reached_the_appliance_stops_all_the_same(
    store: StoreThread,
) -> None:
    desk = Desk(store)
    desk.guard.broken = GuardUnavailable("the TPM does not answer")
    await desk.custody.destroy("locked")
    await asyncio.wait_for(desk.custody.over.wait(), 5)
    assert not desk.custody.gone.is_set(), "nobody is told that they are gone"
    with pytest.raises(GuardUnavailable, match=r"locked.*TPM does not answer.*aidpost lock"):
        desk.custody.refuse_if_gone()
