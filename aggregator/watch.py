"""Looks over the fleet twice a minute: alerts, when devices are usually heard of, and what is old enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from structlog.typing import FilteringBoundLogger

from aggregator.fleet.alert_rules import judge
from aggregator.fleet.alerts import SILENCE, Alert, AlertKind
from aggregator.fleet.heard import HOUR_NS, WEEK_H, Heard
from aggregator.store import alerts, keeping, telemetry
from aggregator.store.errors import StoreError
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.watching import (
    AGGREGATOR,
    Listening,
    Sums,
    forget_heard,
    last_heard,
    observe,
    read_heard,
    week_sums,
    write_heard,
)
from aggregator.store.writer import StoreWriter

TURN_S = 30.0
SETTLE_NS = 10 * 60 * 1_000_000_000
"""After a start: devices come back within their longest back-off, and nobody is called silent before."""
JUMP_NS = 5 * 60 * 1_000_000_000
HOURS_AFTER_A_JUMP = 24
"""Nothing is erased for so long after the clock was set, so that somebody can set it right."""
FORGET_AT_ONCE = 500
"""Events or devices in one transaction: others wait for their commits."""


class Watch:
    """`run` is a task of the composition root. view: of its own, so that no page waits for it.

    connected: who has a live stream. told: called after alerts changed, for who delivers them.
    """

    def __init__(
        self,
        store: StoreWriter,
        view: StoreView,
        connected: Callable[[], frozenset[str]],
        wall_ns: Callable[[], int],
        log: FilteringBoundLogger,
        told: Callable[[], None] = lambda: None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        *,
        keep_events_ns: int | None = None,
    ) -> None:
        self._store = store
        self._view = view
        self._connected = connected
        self._wall_ns = wall_ns
        self._log = log
        self._told = told
        self._monotonic_ns = monotonic_ns
        self._keep_events_ns = keep_events_ns
        self._last = (wall_ns(), monotonic_ns())
        self._began_ns = wall_ns()
        self._heard: dict[str, Heard] | None = None
        self._week: Sums = {}
        self._week_hour = -1
        self._forget_hour = 0

    async def run(self) -> None:
        """Look over the fleet until cancelled."""
        while True:
            try:
                await self.turn()
            except StoreError as error:
                self._log.error("watch.failed", kind=type(error).__name__, why=str(error))
            await asyncio.sleep(TURN_S)

    async def turn(self) -> list[Alert]:
        """Look over the fleet once; returns the alerts that changed. Raises StoreError."""
        now_ns = self._wall_ns()
        self._notice_jump(now_ns)
        heard = await self._learn(now_ns)
        listening = Listening(self._connected(), heard, self._began_ns)
        if self._week_hour != now_ns // HOUR_NS:
            self._week = await self._view.read(lambda db: week_sums(db, now_ns))
            self._week_hour = now_ns // HOUR_NS
        week = self._week
        # Judged in the reader's thread too: some tenths of a second for 10,000 devices.
        found = await self._view.read(lambda db: judge(observe(db, listening, week, now_ns)))
        settling = now_ns - self._began_ns < SETTLE_NS
        findings = [each for each in found if not (settling and each.kind in SILENCE)]
        keep_open = SILENCE if settling else frozenset[AlertKind]()
        changed = await self._store.submit(
            lambda db: alerts.reconcile(db, findings, now_ns, keep_open=keep_open)
        )
        if changed:
            self._log.info("alerts.changed", alerts=[each.number for each in changed])
            self._told()
        if now_ns // HOUR_NS >= self._forget_hour:
            await self._forget(now_ns)
            self._forget_hour = now_ns // HOUR_NS + 1
        return changed

    def _notice_jump(self, now_ns: int) -> None:
        """Begin anew where the clock was set: nobody is silent and nothing is old because of that."""
        wall_ns, monotonic_ns = self._last
        self._last = (now_ns, self._monotonic_ns())
        jump_ns = (now_ns - wall_ns) - (self._last[1] - monotonic_ns)
        if abs(jump_ns) > JUMP_NS:
            self._log.warning("clock.jumped", seconds=round(jump_ns / 1e9))
            self._began_ns = now_ns
            self._forget_hour = now_ns // HOUR_NS + HOURS_AFTER_A_JUMP

    async def _learn(self, now_ns: int) -> dict[str, Heard]:
        """Note who was heard of in this hour; the aggregator itself once it has listened for half of it."""
        if self._heard is None:
            self._heard = await self._view.read(lambda db: read_heard(db, now_ns))
        heard, hour = self._heard, now_ns // HOUR_NS
        here = {
            device
            for device, at_ns in (await self._view.read(last_heard)).items()
            if at_ns // HOUR_NS == hour
        }
        here |= self._connected()
        if now_ns - max(self._began_ns, hour * HOUR_NS) >= HOUR_NS // 2:
            here.add(AGGREGATOR)
        new = [device for device in here if heard.setdefault(device, Heard()).add(hour)]
        if new:
            week = hour // WEEK_H
            rows = [(device, week, heard[device].weeks[week]) for device in new]
            await self._store.submit(lambda db: write_heard(db, rows))
        return heard

    async def _forget(self, now_ns: int) -> None:
        devices = sorted(await self._view.read(last_heard))
        for start in range(0, len(devices), FORGET_AT_ONCE):
            part = devices[start : start + FORGET_AT_ONCE]
            await self._store.submit(partial(_forget_raw, now_ns=now_ns, devices=part))
        await self._forget_events(lambda db: keeping.forget_telemetry(db, now_ns, FORGET_AT_ONCE))
        if (keep_ns := self._keep_events_ns) is not None:
            before_ns = now_ns - keep_ns
            await self._forget_events(lambda db: keeping.forget_records(db, before_ns, FORGET_AT_ONCE))
        await self._store.submit(lambda db: telemetry.forget_sums(db, now_ns))
        await self._store.submit(lambda db: alerts.forget(db, now_ns))
        await self._store.submit(lambda db: forget_heard(db, now_ns))

    async def _forget_events(self, forget: Callable[[Database], int]) -> None:
        while await self._store.submit(forget) == FORGET_AT_ONCE:
            pass


def _forget_raw(db: Database, now_ns: int, devices: list[str]) -> None:
    telemetry.forget(db, now_ns, devices)
