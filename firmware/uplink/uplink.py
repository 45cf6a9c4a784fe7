"""Keeps the outbox flowing: connects, streams, backs off, connects again; it never gives up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from firmware.clock import Clock, random_id
from firmware.records import Queued, SignedReceipt
from firmware.store.errors import StoreError
from firmware.store.store import Store
from firmware.store.thread import RunInStore
from firmware.uplink import codec
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler, Target
from firmware.uplink.codec import Standing
from firmware.uplink.errors import CertificateRefused, LinkLost, UplinkError
from firmware.uplink.link import Connection, Limits
from firmware.uplink.metering import LinkMeter
from firmware.uplink.state_message import Desired
from firmware.uplink.time_hints import TimeHints
from trust.state import ReportedState

STOP_TIMEOUT_S = 2.0  # closing a channel takes milliseconds; a store call under way a disk flush


@dataclass(frozen=True, slots=True)
class UplinkState:
    """What the appliance shows of its uplink.

    connected: events get through. acked_seq: the highest number acknowledged since the start, 0 before the
    first. last_error: why it is not connected, or was not the last time.
    """

    connected: bool = False
    acked_seq: int = 0
    last_error: UplinkError | StoreError | None = None


class Uplink:
    """The supervisor of the stream. `run` is a task of the composition root; all calls in one event loop."""

    def __init__(
        self,
        target: Target,
        dialler: Dialler,
        run_in_store: RunInStore,
        clock: Clock,
        backoff: Backoff,
        *,
        device_id: str,
        software_version: str,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
        on_change: Callable[[UplinkState], None] = lambda _: None,
        on_command: Callable[[codec.Command], None] = lambda _: None,
        on_desired: Callable[[Desired], None] = lambda _: None,
        reported: Callable[[], ReportedState | None] = lambda: None,
        hints: TimeHints | None = None,
        meter: LinkMeter | None = None,
    ) -> None:
        self._dialler = dialler
        self._outbox = _StoreOutbox(run_in_store, clock)
        self._backoff = backoff
        self._device_id = device_id
        self._software_version = software_version
        self._instance = random_id()
        self._limits = limits or Limits()
        self._sleep = sleep
        self._monotonic_s = monotonic_s
        self._on_change = on_change
        self._on_command = on_command
        self._on_desired = on_desired
        self._reported = reported
        self._hints = hints or TimeHints()
        self._meter = meter or LinkMeter()
        self._monotonic_ns = clock.monotonic_ns
        self._log = structlog.get_logger().bind(target=str(target))
        self._state = UplinkState()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._loss_logged = False

    @property
    def state(self) -> UplinkState:
        """The present state; `on_change` is called with each new one."""
        return self._state

    def notify(self) -> None:
        """Say that there are new rows in the outbox; call it after each commit."""
        if self._connection is not None:
            self._connection.notify()

    def report(self) -> None:
        """Say that what this appliance is has changed."""
        if self._connection is not None:
            self._connection.report()

    async def run(self) -> None:
        """Keep a stream open until `stop`."""
        self._task = asyncio.current_task()
        try:
            while not self._stopping:
                began_s = self._monotonic_s()
                fault = await self._serve_one_stream()
                if self._monotonic_s() - began_s >= self._backoff.cap_s:
                    self._backoff.reset()  # a stream that lived that long was no failed attempt
                self._went_down(fault)
                if isinstance(fault, CertificateRefused):
                    await self._dialler.refused()
                await self._sleep(
                    self._backoff.next_s(fault.retry_after_s if isinstance(fault, LinkLost) else None)
                )
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._change(connected=False)

    async def stop(self) -> None:
        """End the stream and `run`; what is not acknowledged stays in the outbox."""
        self._stopping = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            _, running = await asyncio.wait([self._task], timeout=STOP_TIMEOUT_S)
            if running:
                self._log.error("uplink_stop_late", timeout_s=STOP_TIMEOUT_S)

    async def _serve_one_stream(self) -> UplinkError | StoreError:
        try:
            channel = await self._dialler.dial()
        except UplinkError as fault:
            return fault
        self._connection = Connection(
            channel,
            self._outbox,
            self._limits,
            device_id=self._device_id,
            software_version=self._software_version,
            instance=self._instance,
            on_through=self._came_up,
            on_ack=self._acknowledged,
            on_hint=self._hinted,
            on_command=self._on_command,
            on_desired=self._on_desired,
            reported=self._reported,
            monotonic_ns=self._monotonic_ns,
            meter=self._meter,
        )
        try:
            await self._connection.run()
        except (LinkLost, StoreError) as fault:
            # Its frames hold the call, which lives as long as the fault is shown as the last one.
            fault.__cause__ = fault.__context__ = None
            return fault.with_traceback(None)
        finally:
            self._connection = None
        raise AssertionError("a connection ends with a fault")

    def _hinted(self, server_ns: int, asked_ns: int, answered_ns: int) -> None:
        self._hints.hear(server_ns, asked_ns, answered_ns)
        self._dialler.told_time(server_ns)

    def _came_up(self) -> None:
        if self._loss_logged:
            self._loss_logged = False
            self._log.info("uplink_recovered")
        self._change(connected=True)

    def _acknowledged(self, seq: int) -> None:
        if seq > self._state.acked_seq:
            self._backoff.reset()
            self._change(acked_seq=seq)

    def _went_down(self, fault: UplinkError | StoreError) -> None:
        if not self._loss_logged:
            self._loss_logged = True
            self._log.warning("uplink_lost", fault=type(fault).__name__, reason=str(fault))
        self._change(connected=False, last_error=fault)

    def _change(self, **changes: object) -> None:
        state = replace(self._state, **changes)  # type: ignore[arg-type]
        if state != self._state:
            self._state = state
            self._on_change(state)


class _StoreOutbox:
    """The store as a stream sees it: every call runs in the store's thread."""

    def __init__(self, run_in_store: RunInStore, clock: Clock) -> None:
        self._run = run_in_store
        self._clock = clock
        self._went_back_to: int | None = None
        self._receipts_hold = True

    async def standing(self) -> Standing:
        return await self._run(_standing)

    async def pending(self, after_seq: int, limit: int) -> list[Queued]:
        return await self._run(lambda store: store.outbox.pending(after_seq, limit))

    async def acknowledge(self, seq: int, receipt: SignedReceipt | None = None) -> None:
        moment = self._clock.now()

        def work(store: Store) -> bool:
            holds = receipt is None or store.outbox.receipt_holds(receipt)
            store.outbox.acknowledge(seq, moment, receipt if holds else None)
            return holds

        holds = await self._run(work)
        if holds is not self._receipts_hold:
            self._receipts_hold = holds
            log = structlog.get_logger()
            if holds:
                log.info("receipts hold again", seq=seq)
            else:
                log.error("receipt refused", seq=seq, reason="another key, or another chain than ours")

    async def synced(self) -> None:
        moment = self._clock.now()
        await self._run(lambda store: store.space.note_synced(moment))

    async def rewind(self, acked_seq: int) -> None:
        queued = await self._run(lambda store: store.outbox.requeue(acked_seq))
        if acked_seq != self._went_back_to:
            self._went_back_to = acked_seq
            structlog.get_logger().warning("aggregator_went_back", acked_seq=acked_seq, queued_again=queued)


def _standing(store: Store) -> Standing:
    counts = store.counts()
    first = store.outbox.pending(0, 1)
    acked_seq = first[0].seq - 1 if first else counts.written
    return Standing(store.epoch, store.site, counts.written, acked_seq, store.outbox.next_generation())
