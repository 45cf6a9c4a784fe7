"""What an appliance and its aggregator are to each other: uplink, certificate, orders, the shared gallery.

There is always a link; without [uplink] in the configuration it is never connected, and what is committed
waits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import structlog
from msgspec.structs import replace

from firmware.beside import Beside
from firmware.clock import Clock
from firmware.config import Config, Support
from firmware.custody import Custody
from firmware.desired.taking_up import TakingUp
from firmware.diagnostics.examination import Examination
from firmware.diagnostics.handlers import Diagnostics
from firmware.diagnostics.log_tail import LogTail
from firmware.endings import Endings
from firmware.opening import open_membership, uplink_target
from firmware.order_handlers import Part, renew_lease, self_test, sync_now
from firmware.orders import Handler, LastAct, Orders, at_once
from firmware.records import CommandKind, DeviceFault
from firmware.session.acquire import InThread
from firmware.session.matching import Matcher
from firmware.sharing import Reports, build_sharing
from firmware.store.errors import StoreError
from firmware.store.thread import StoreThread
from firmware.support import SupportSessions, SystemdDoor, consent_on
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler, InTheClear
from firmware.uplink.codec import Command
from firmware.uplink.diagnostics_calls import DiagnosticsCalls
from firmware.uplink.gallery_sync import GallerySync
from firmware.uplink.metering import LinkMeter
from firmware.uplink.time_hints import TimeHints
from firmware.uplink.uplink import Uplink, UplinkState
from trust.keys.guard import KeyGuard

log = structlog.get_logger()


class AggregatorLink:
    """hints: what the aggregator's time says of the clock. notices: for staff, by the part they are about.

    tail: the newest lines of the log. on_acknowledged: called with the number up to which all is held.
    """

    uplink: Uplink | None
    sharing: GallerySync | None

    def __init__(
        self,
        config: Config,
        guard: KeyGuard,
        store: StoreThread,
        clock: Clock,
        hints: TimeHints,
        custody: Custody,
        beside: Beside,
        notices: MutableMapping[str, str],
        tail: LogTail,
        on_acknowledged: Callable[[int], None] = lambda _seq: None,
    ) -> None:
        consent = consent_on()
        self._config = config = replace(config, support=Support(log=config.support.log or consent.log))
        self._guard = guard
        self._store = store
        self._clock = clock
        self._hints = hints
        self._custody = custody
        self._beside = beside
        self._notices = notices
        self._on_acknowledged = on_acknowledged
        self._tail = tail
        self._changed = asyncio.Event()
        self._connected = False
        self._support = SupportSessions(consent, SystemdDoor(), notices)
        self.meter = LinkMeter()
        self.uplink = None
        self.sharing = None

    def dialler(self) -> Dialler | None:
        """Return what connects to the aggregator, for all lanes; None without [uplink]. Raises GuardError."""
        settings = self._config.uplink
        if settings is None:
            return None
        target = uplink_target(settings)
        if settings.insecure_loopback:
            log.warning("uplink not encrypted", target=str(target))
            return InTheClear(target)
        membership = open_membership(self._config, self._guard, target, self._clock)
        self._beside.run("certificate", membership.keep_valid())
        return membership

    def start(
        self,
        stack: AsyncExitStack,
        parts: Mapping[str, Part],
        matcher: Matcher,
        in_inference: InThread,
        *,
        dialler: Dialler | None,
        endings: Endings,
        taking_up: TakingUp,
        passed: asyncio.Event,
    ) -> None:
        """Carry out orders, and connect where the configuration says to what. Raises GuardError.

        stack: hangs up when it is closed. parts: that a self-test looks at. dialler: as `dialler` made it.
        passed: before it is set nothing is told to the aggregator, since it may all be taken back.
        """
        uplink_settings = self._config.uplink
        orders = Orders(
            self._store.run,
            self._clock,
            self._hints,
            handlers={
                CommandKind.SELF_TEST: partial(self_test, self._store.run, parts),
                CommandKind.RENEW_LEASE: partial(renew_lease, self._custody.renew),
                CommandKind.SYNC_NOW: partial(sync_now, self._store.run, self.committed),
                CommandKind.OPEN_SUPPORT: self._support.open,
                **({} if dialler is None else self._diagnostics(dialler, parts, matcher)),
                **endings.handlers,
            },
            beside=frozenset(
                {
                    CommandKind.COLLECT_DIAGNOSTICS,
                    CommandKind.TAIL_LOG,
                    CommandKind.OPEN_SUPPORT,
                    *endings.handlers,
                    *endings.last_acts,
                }
            ),
            last_acts={
                CommandKind.LOCK: LastAct(
                    at_once,
                    "the keys are being destroyed",
                    partial(self._custody.destroy, "locked by an operator through the aggregator"),
                ),
                **endings.last_acts,
            },
            committed=self.committed,
            acknowledged=self.until_acknowledged,
        )
        self._beside.run("orders", orders.run())
        if uplink_settings is None or dialler is None:
            return
        self._share_gallery(dialler, matcher, in_inference, passed)
        self.uplink = uplink = Uplink(
            uplink_target(uplink_settings),
            dialler,
            self._store.run,
            self._clock,
            Backoff(random.SystemRandom(), cap_s=uplink_settings.retry_cap_s),
            device_id=self._config.device.id,
            software_version=taking_up.version,
            on_change=self._uplink_changed,
            on_command=orders.take,
            on_desired=taking_up.hear,
            reported=taking_up.reported,
            hints=self._hints,
            meter=self.meter,
        )
        connecting = self._beside.run_to_its_end("uplink", _after(passed, uplink.run))
        stack.callback(connecting.cancel)
        stack.push_async_callback(uplink.stop)

    @property
    def connected(self) -> bool:
        """Whether the aggregator is reached."""
        return self._connected

    async def until_connected(self) -> None:
        """Wait until the aggregator is reached."""
        while not self._connected:
            self._changed.clear()
            if not self._connected:
                await self._changed.wait()

    async def until_acknowledged(self) -> None:
        """Wait until the aggregator holds everything that was committed before this call."""
        last = await self._store.run(lambda store: store.outbox.last_seq())
        while True:
            self._changed.clear()  # before the look, so that no change is missed between the two
            waiting = await self._store.run(lambda store: store.outbox.pending(0, 1))
            if not waiting or waiting[0].seq > last:
                return
            await self._changed.wait()

    async def sync(self) -> None:
        """Wait until the aggregator holds everything, where it is reached at all."""
        if self._connected:
            await self.until_acknowledged()

    def committed(self) -> None:
        """Tell the uplink that something waits."""
        if self.uplink is not None:
            self.uplink.notify()

    def report(self) -> None:
        """Tell the aggregator what this appliance is."""
        if self.uplink is not None:
            self.uplink.report()

    def gallery_changed(self) -> None:
        """Tell the sharing that somebody was registered or erased."""
        if self.sharing is not None:
            self.sharing.notify()

    async def record_fault(self, fault: DeviceFault) -> None:
        """Write down what broke or recovered, for the aggregator's people."""
        moment = self._clock.now()
        try:
            await self._store.run(lambda store: store.commit_fault(moment, fault))
        except StoreError as error:
            log.warning("fault not recorded", kind=type(error).__name__, reason=str(error))
            return
        self.committed()

    def _diagnostics(
        self, dialler: Dialler, parts: Mapping[str, Part], matcher: Matcher
    ) -> Mapping[CommandKind, Handler]:
        """Return the handlers of the orders that look into this appliance."""
        examination = Examination(
            self._config, self._store.run, parts, matcher, self._notices, lambda: self._connected
        )
        calls = DiagnosticsCalls(dialler, lambda: Backoff(random.SystemRandom(), cap_s=60.0))
        diagnostics = Diagnostics(
            self._config, self._tail, calls, examination.findings, self._notices, self._left_s
        )
        return {
            CommandKind.COLLECT_DIAGNOSTICS: diagnostics.collect,
            CommandKind.TAIL_LOG: diagnostics.tail,
        }

    def _left_s(self, command: Command) -> float:
        """Return how long a command is worth doing, by the aggregator's clock where it is known."""
        server = self._hints.server_time(self._clock.monotonic_ns())
        return 3600.0 if server is None else max(0.0, (command.expires_ns - server.earliest_ns) / 1e9)

    def _share_gallery(
        self, dialler: Dialler, matcher: Matcher, in_inference: InThread, passed: asyncio.Event
    ) -> None:
        """Share the gallery in a lane of its own; nobody who is served waits for it."""
        reports = Reports(self._notices, lambda fault: self._beside.soon(self.record_fault(fault)))
        self.sharing = build_sharing(
            self._config,
            self._guard,
            dialler,
            self._store.run,
            in_inference,
            matcher,
            self._clock,
            reports.hear,
        )
        if self.sharing is not None:
            self._beside.run("gallery", _after(passed, self.sharing.run))

    def _uplink_changed(self, state: UplinkState) -> None:
        self._changed.set()
        if state.connected and not self._connected:
            self._notices.pop("lease", None)
            self._beside.soon(self._custody.renew())
        self._connected = state.connected
        self._on_acknowledged(state.acked_seq)


async def _after(event: asyncio.Event, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await event.wait()
    await work()
