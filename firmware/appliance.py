"""The composition root: every part is built and wired here, started in order, stopped in reverse.

Order: keys, store, inference, sensors, uplink. A missing sensor does not stop the start: its worker keeps
trying, and people are served with what is left.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any, Self, TypeVar

import structlog

from firmware.cards.scanner import CameraScanner
from firmware.clock import Clock
from firmware.config import Config
from firmware.config import Uplink as UplinkSettings
from firmware.custody import Custody
from firmware.day.day import Day
from firmware.desk import Desk
from firmware.mesh.book import Book
from firmware.mesh.opening import Mesh
from firmware.opening import (
    Hardware,
    open_keys,
    open_membership,
    site_settings,
    store_settings,
    uplink_target,
)
from firmware.order_handlers import renew_lease, self_test, sync_now
from firmware.orders import Orders
from firmware.page.viewfinder import LiveView
from firmware.presenter import Presenter
from firmware.protection import TemplateProtection
from firmware.recognition import build_recognition
from firmware.records import CommandKind, DeviceFault
from firmware.retention import Retention, read_policy
from firmware.session.acquire import Acquirer, InThread
from firmware.session.face_watch import ActiveCheck
from firmware.session.machine import Show
from firmware.session.matching import Matcher
from firmware.sharing import Reports, build_sharing
from firmware.store.errors import StoreDamaged, StoreError
from firmware.store.opening import open_or_mend
from firmware.store.quarantine import Saved
from firmware.store.reference import Reference
from firmware.store.store import Store
from firmware.store.thread import StoreThread
from firmware.uplink.backoff import Backoff
from firmware.uplink.channel import Dialler, InTheClear, Target
from firmware.uplink.gallery_sync import GallerySync
from firmware.uplink.time_hints import TimeHints
from firmware.uplink.uplink import Uplink, UplinkState
from sensors.board.port import Board, BoardEvent
from sensors.board.signals import Signal
from sensors.errors import SensorError
from sensors.worker import Closable, DeviceWorker
from trust.keys.guard import KeyGuard
from trust.names import DeviceName

T = TypeVar("T")
DeviceT = TypeVar("DeviceT", bound=Closable)
log = structlog.get_logger()

HOUSEKEEPING_S = 3600.0
STOP_TIMEOUT_S = 5.0  # one network takes 0.1 s; more means that it hangs, and the process ends without it


class Appliance:
    """One appliance; use it as an async context manager. Stop it when `custody` is `over`.

    Raises GuardError, StoreError, InferenceError, SensorError.
    """

    guard: KeyGuard
    custody: Custody
    desk: Desk
    day: Day
    store: StoreThread
    matcher: Matcher
    presenter: Presenter
    uplink: Uplink | None
    mesh: Mesh
    scanner: CameraScanner | None
    live_view: LiveView | None
    sharing: GallerySync | None

    def __init__(
        self, config: Config, hardware: Hardware, clock: Clock | None = None, guard: KeyGuard | None = None
    ) -> None:
        """guard: opened already, and closed at the end; None opens it at the start, where nobody is asked."""
        self._config = config
        self._opened_guard = guard
        self._hardware = hardware
        self._hints = TimeHints()
        self._clock = replace(clock or Clock(), judge=self._hints.judge)
        self._stack = AsyncExitStack()
        self._board: Board | None = None
        self._uplink_changed = asyncio.Event()
        self.uplink = None
        self.sharing = None
        self._saved: Saved | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._connected = False
        self._retention: Retention | None = None
        self.notices: dict[str, str] = {}
        """What staff must know, in sentences, by the part that it is about."""

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    def listen(self, on_event: Callable[[BoardEvent], None]) -> None:
        """Call `on_event` for each button and tamper change, from a thread of the board's."""
        if self._board is not None:
            self._board.listen(on_event)

    @property
    def connected(self) -> bool:
        """Whether the aggregator is reached."""
        return self._connected

    @property
    def clock(self) -> Clock:
        """The clock by which everything here is written down."""
        return self._clock

    async def until_connected(self) -> None:
        """Wait until the aggregator is reached."""
        while not self._connected:
            self._uplink_changed.clear()
            if not self._connected:
                await self._uplink_changed.wait()

    async def until_acknowledged(self) -> None:
        """Wait until the aggregator holds everything that was committed before this call."""
        last = await self.store.run(lambda store: store.last_seq())
        while True:
            self._uplink_changed.clear()  # before the look, so that no change is missed between the two
            waiting = await self.store.run(lambda store: store.pending(0, 1))
            if not waiting or waiting[0].seq > last:
                return
            await self._uplink_changed.wait()

    async def _start(self) -> None:
        config, device, uplink = self._config, self._config.device, self._config.uplink
        if uplink is not None:
            uplink_target(uplink)  # an address that cannot be is told before anything starts
        site_settings(config.site)
        policy = read_policy(config)  # before anything starts: a purpose that it does not allow is not served
        guard = self._opened_guard
        self.guard = await asyncio.to_thread(open_keys, config) if guard is None else guard
        self._stack.callback(self.guard.close)
        self.store = await StoreThread.open(self._open_store)
        self._stack.push_async_callback(self.store.close)
        self.custody = Custody(
            self.guard,
            self.store.run,
            self._clock,
            limits=config.lease.limits() if config.lease else None,
            destroy_on_tamper=config.keys.on_tamper == "destroy",
            on_lapsing=self._lease_lapses,
        )
        await self.custody.count()
        self.custody.refuse_if_gone()

        engine = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        loop = asyncio.get_running_loop()
        self._stack.push_async_callback(
            lambda: asyncio.wait({loop.run_in_executor(None, engine.shutdown)}, timeout=STOP_TIMEOUT_S)
        )

        async def in_inference(work: Callable[[], T], /) -> T:
            return await loop.run_in_executor(engine, work)

        with await self.store.run(lambda store: store.protection_key()) as key:
            protection = await in_inference(partial(TemplateProtection, key))
        self._stack.callback(protection.wipe)
        recognition = await in_inference(lambda: build_recognition(config, protection))
        self.matcher = recognition.matcher

        references = await self.store.run(lambda store: store.references(device.purpose))
        entries = len(references)
        refused = await in_inference(partial(self.matcher.take_up_all, _drained(references)))
        if refused:
            log.error("entries refused", entries=len(refused), reason=refused[0])
            self.notices["gallery"] = f"Entries that cannot be used: {len(refused)}. The first: {refused[0]}."

        if self._hardware.board is not None:
            self._board = self._hardware.board()
            self._stack.callback(self._board.close)
            self._board.listen(self.custody.watch)
            self.custody.refuse_if_gone()
        reader = self._worker("fingerprint", self._hardware.reader)
        camera = self._worker("camera", self._hardware.camera)
        # The presenter comes first: a part that is missing at the start is shown at once.
        self.presenter = Presenter(self._board, reader)
        workers = [worker for worker in (reader, camera) if worker is not None]
        for worker in workers:
            self._stack.push_async_callback(worker.stop)
        await asyncio.gather(*(worker.start() for worker in workers))
        self._stack.push_async_callback(self.presenter.settle)

        self._workers = {
            part: worker for part, worker in (("fingerprint", reader), ("camera", camera)) if worker
        }
        self._orders = self._start_orders()
        if uplink is not None:
            self.uplink = self._start_uplink(uplink, uplink_target(uplink), in_inference)
        self.mesh = await self._stack.enter_async_context(self._open_mesh())
        if self.mesh.fault:
            self.notices["site"] = self.mesh.fault
        self.live_view = None if config.page is None else LiveView()
        acquirer = Acquirer(
            camera=camera,
            reader=reader,
            face=recognition.face,
            finger=recognition.finger,
            attack_detector=recognition.attack_detector,
            in_inference=in_inference,
            monotonic_ns=self._clock.monotonic_ns,
            face_timeout_s=config.session.face_timeout_s,
            face_frames=config.session.face_frames,
            finger_timeout_s=config.session.finger_timeout_s,
            active_check=(
                ActiveCheck(random.SystemRandom(), config.attack.order_timeout_s)
                if config.attack.active
                else None
            ),
            viewfinder=self.live_view,
        )
        self.scanner = None if camera is None else CameraScanner(camera, asyncio.to_thread)
        self.desk = Desk(
            config=config,
            acquirer=acquirer,
            matcher=self.matcher,
            in_inference=in_inference,
            in_store=self.store.run,
            presenter=self.presenter,
            clock=self._clock,
            committed=self.committed,
            gallery_changed=self._gallery_changed,
        )
        self.day = Day(
            run_in_store=self.store.run,
            clock=self._clock,
            matcher=self.matcher,
            reader=reader,
            camera=camera,
            committed=self.committed,
            sync=self._sync,
        )
        if policy is not None:
            self._retention = Retention(
                *policy, self.store.run, in_inference, self.matcher, self._clock, self._gallery_changed
            )
            await self._retention.begin()
        await self._start_housekeeping()
        if self._saved is not None:
            # For staff and for the aggregator: a card that lost pages once will lose more.
            self.notices["store"] = f"{str(self._saved).capitalize()}. Get another card."
            await self._record_fault(DeviceFault("store", recovered=False, kind=StoreDamaged.__name__))
        log.info(
            "ready",
            references=entries,
            wrong_suggestions_expected_of_100=self.matcher.expected_wrong_suggestions(),
            uplink=self.uplink is not None,
        )

    def _open_store(self) -> Store:
        with self.guard.store_key() as key:
            store, self._saved = open_or_mend(store_settings(self._config), key, self._clock.now())
        return store

    def _worker(self, part: str, opener: Callable[[], DeviceT] | None) -> DeviceWorker[DeviceT] | None:
        if opener is None:
            return None
        return DeviceWorker(part, opener, lambda available, error: self._part_changed(part, available, error))

    def _start_uplink(self, settings: UplinkSettings, target: Target, in_inference: InThread) -> Uplink:
        dialler: Dialler
        if settings.insecure_loopback:
            log.warning("uplink not encrypted", target=str(target))
            dialler = InTheClear(target)
        else:
            dialler = membership = open_membership(self._config, self.guard, target, self._clock)
            self._run_beside("certificate", membership.keep_valid())
            self._start_sharing(membership, in_inference)
        uplink = Uplink(
            target,
            dialler,
            self.store.run,
            self._clock,
            Backoff(random.SystemRandom(), cap_s=settings.retry_cap_s),
            device_id=self._config.device.id,
            software_version=version("aidpost"),
            on_change=self._uplink_changed_to,
            on_command=self._orders.take,
            hints=self._hints,
        )
        task = asyncio.create_task(uplink.run(), name="uplink")
        task.add_done_callback(_report_bug)
        self._stack.push_async_callback(asyncio.wait, {task})
        self._stack.push_async_callback(uplink.stop)
        return uplink

    def _start_sharing(self, dialler: Dialler, in_inference: InThread) -> None:
        """Share the gallery in a lane of its own; nobody who is served waits for it."""
        reports = Reports(self.notices, lambda fault: self._in_background(self._record_fault(fault)))
        self.sharing = build_sharing(
            self._config,
            self.guard,
            dialler,
            self.store.run,
            in_inference,
            self.matcher,
            self._clock,
            reports.hear,
        )
        if self.sharing is not None:
            self._run_beside("gallery", self.sharing.run())

    def _open_mesh(self) -> Mesh:
        async def in_book(work: Callable[[Book], T], /) -> T:
            return await self.store.run(lambda store: work(store.ledger))

        device = self._config.device
        return Mesh(
            site_settings(self._config.site),
            self.guard,
            DeviceName(device.id, device.site),
            device.data,
            in_book,
            self._clock,
            uplink_connected=lambda: self._connected,
            on_change=self.committed,  # a conflict that a neighbour reported is an event
        )

    def _start_orders(self) -> Orders:
        orders = Orders(
            self.store.run,
            self._clock,
            self._hints,
            handlers={
                CommandKind.SELF_TEST: partial(self_test, self.store.run, self._workers),
                CommandKind.RENEW_LEASE: partial(renew_lease, self.custody.renew),
                CommandKind.SYNC_NOW: partial(sync_now, self.store.run, self.committed),
            },
            lock=self._lock,
            committed=self.committed,
            acknowledged=self.until_acknowledged,
        )
        task = asyncio.create_task(orders.run(), name="orders")
        task.add_done_callback(_report_bug)
        self._stack.push_async_callback(asyncio.wait, {task})
        self._stack.callback(task.cancel)
        return orders

    async def _lock(self) -> None:
        await self.custody.destroy("locked by an operator through the aggregator")

    async def _start_housekeeping(self) -> None:
        """Erase what was acknowledged a day ago, now and every hour."""

        async def keep_house() -> None:
            while True:
                await self._close_overdue()
                await asyncio.sleep(HOUSEKEEPING_S)
                await self._purge()
                if self._connected:
                    await self.custody.renew()
                else:
                    await self.custody.count()

        await self._purge()
        self._run_beside("housekeeping", keep_house())

    def _run_beside(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task until the stop."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report_bug)
        self._stack.push_async_callback(asyncio.wait, {task})
        self._stack.callback(task.cancel)

    async def _purge(self) -> None:
        now = self._clock.now()

        def work(store: Store) -> tuple[int, str | None]:
            store.note_uptime(now)
            return store.purge_acknowledged(now), store.registration_stopped(now)

        try:
            if self._retention is not None:
                await self._retention.expire()
            purged, stopped = await self.store.run(work)
        except StoreError as error:
            log.warning("not purged", kind=type(error).__name__, reason=str(error))
            return
        if purged:
            log.info("purged", records=purged)
        self._note_registration(stopped)

    async def _close_overdue(self) -> None:
        try:
            closing = await self.day.close_overdue()
        except StoreError as error:
            log.warning("day not closed", kind=type(error).__name__, reason=str(error))
            return
        if closing is not None and closing.receipt is not None:
            log.warning("day closed by itself", cycle=closing.receipt.cycle, erased=closing.receipt.entries)
            self.notices["day"] = (
                f"Nobody closed {closing.receipt.cycle}: its list was erased a day after its end. Its counts "
                "are in the records."
            )

    def _note_registration(self, stopped: str | None) -> None:
        if stopped is None:
            self.notices.pop("registration", None)
        elif "registration" not in self.notices:
            log.warning("registration stopped", reason=stopped)
            self.notices["registration"] = f"{stopped.capitalize()}."

    def _uplink_changed_to(self, state: UplinkState) -> None:
        self._uplink_changed.set()
        if state.connected and not self._connected:
            self.notices.pop("lease", None)
            self._in_background(self.custody.renew())
        self._connected = state.connected

    def _lease_lapses(self, left: str) -> None:
        log.warning("lease lapses", left=left)
        self.notices["lease"] = (
            f"The keys of this appliance will be destroyed: {left} are left. Bring it to where it reaches "
            "its aggregator."
        )

    async def _sync(self) -> None:
        """Wait until the aggregator holds everything, where it is reached at all."""
        if self._connected:
            await self.until_acknowledged()

    def committed(self) -> None:
        """Tell the uplink that something waits."""
        if self.uplink is not None:
            self.uplink.notify()

    def _gallery_changed(self) -> None:
        if self.sharing is not None:
            self.sharing.notify()

    def _part_changed(self, part: str, available: bool, error: SensorError | None) -> None:
        kind = type(error).__name__ if error is not None else ""
        if available:
            log.info("part is back", part=part)
        else:
            log.warning("part lost", part=part, kind=kind, reason=str(error))
            self.presenter.show(Show(Signal.DEVICE_FAULT))
        self._in_background(self._record_fault(DeviceFault(part, available, kind)))

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _record_fault(self, fault: DeviceFault) -> None:
        moment = self._clock.now()
        try:
            await self.store.run(lambda store: store.commit_fault(moment, fault))
        except StoreError as error:
            log.warning("fault not recorded", kind=type(error).__name__, reason=str(error))
            return
        self.committed()


def _drained(references: list[Reference]) -> Iterator[Reference]:
    """Hand the references out one by one and let go of each: 10,000 twice in memory are 20 MB more."""
    references.reverse()
    while references:
        yield references.pop()


def _report_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task died", task=task.get_name(), exc_info=error)
