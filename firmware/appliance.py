"""The composition root: every part is built and wired here, started in order, stopped in reverse.

Order: keys, store, sensors, inference, uplink; sensors are opened while models load. A missing sensor does
not stop the start: its worker keeps trying, and people are served with what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

import structlog

from firmware import damaged_software, wiping
from firmware.beside import Beside
from firmware.cards.scanner import CameraScanner
from firmware.clock import Clock
from firmware.config import Config
from firmware.custody import Custody
from firmware.day.day import Day
from firmware.day.self_test import self_test
from firmware.desired.opening import open_taking_up
from firmware.desired.shelf import Shelf
from firmware.desired.starting import Beginning, TakenBack
from firmware.desired.taking_up import TakingUp
from firmware.desk import Desk
from firmware.diagnostics.log_tail import LogTail
from firmware.endings import Endings
from firmware.fitted import FittedParts
from firmware.host import Host
from firmware.housekeeping import Housekeeping
from firmware.inference_thread import InferenceThread
from firmware.link import AggregatorLink
from firmware.mesh.opening import Mesh
from firmware.meter.building import build_collector
from firmware.meter.collector import Collector
from firmware.meter.samples import SampleMeter
from firmware.notice_board import NoticeBoard
from firmware.occupancy import Occupancy
from firmware.opening import Hardware, open_keys, open_mesh, site_settings, store_settings, uplink_target
from firmware.page.viewfinder import LiveView
from firmware.presenter import Presenter
from firmware.protection import TemplateProtection
from firmware.recognition import build_acquirer, build_recognition, take_up_gallery
from firmware.records import DeviceFault
from firmware.retention import Retention, read_policy
from firmware.session.machine import Show
from firmware.session.matching import Matcher
from firmware.store import former
from firmware.store.errors import StoreDamaged
from firmware.store.opening import open_or_mend
from firmware.store.quarantine import Saved
from firmware.store.store import Store, keys_of
from firmware.store.thread import StoreThread
from firmware.traces import Traces, open_traces
from firmware.uplink.time_hints import TimeHints
from inference.types import Modality
from sensors.board.port import Board, BoardEvent
from sensors.board.signals import Signal
from sensors.errors import SensorError
from sensors.worker import Closable, DeviceWorker
from trust.keys.guard import KeyGuard

DeviceT = TypeVar("DeviceT", bound=Closable)
log = structlog.get_logger()


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
    link: AggregatorLink
    occupancy: Occupancy
    taking_up: TakingUp
    parts: FittedParts
    mesh: Mesh
    scanner: CameraScanner | None
    live_view: LiveView | None
    collector: Collector
    _traces: Traces

    def __init__(
        self,
        config: Config,
        hardware: Hardware,
        clock: Clock | None = None,
        guard: KeyGuard | None = None,
        tail: LogTail | None = None,
        host: Host | None = None,
    ) -> None:
        """config: the appliance's own file, over which is laid what its desk desired. guard: opened already,
        and it stays the caller's; None opens one at the start, where nobody is asked, and closes it.

        tail: the newest lines of the log, for the desk.
        """
        self.config = self._base = config
        self._opened_guard = guard
        self.host = host or Host()
        self._tail = tail or LogTail()
        self._hardware = hardware
        self._hints = TimeHints()
        self._clock = replace(clock or Clock(), judge=self._hints.judge)
        self._stack = AsyncExitStack()
        self._keys_stack = AsyncExitStack()
        self._board: Board | None = None
        self._saved: Saved | None = None
        self._beside = Beside(self._stack)
        self.notices = NoticeBoard()
        """What staff must know, in sentences, by the part that it is about."""

    async def __aenter__(self) -> Self:
        try:
            while not await self._started():
                await self._stack.aclose()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._close()

    async def _close(self) -> None:
        await self._stack.aclose()
        await self._keys_stack.aclose()

    def listen(self, on_event: Callable[[BoardEvent], None]) -> None:
        """Call `on_event` for each button and tamper change, from a thread of the board's."""
        if self._board is not None:
            self._board.listen(on_event)

    async def alive(self) -> None:
        """Return once the threads of the store and of inference have answered."""
        await self.store.run(lambda _store: None)
        await self._in_inference(lambda: None)

    @property
    def clock(self) -> Clock:
        """The clock by which everything here is written down."""
        return self._clock

    async def _started(self) -> bool:
        """Start all parts; False where what the desk desired was taken back, so that it is to be tried again
        without it."""
        if (uplink := self._base.uplink) is not None:
            uplink_target(uplink)  # an address that cannot be is told before anything starts
        site_settings(self._base.site)
        self.notices.clear()
        await self._open_keys()
        self._stack.callback(wiping.erase, self._base.device.data)
        self.store = await StoreThread.open(self._open_store)
        self._stack.push_async_callback(self.store.close)
        shelf = Shelf(self._base.device.data)
        beginning = Beginning(self._base, shelf, self.store.run, self._clock, self.host)
        await beginning.begin()
        self.config = beginning.config
        try:
            await self._start(beginning, shelf)
        except TakenBack:
            return False
        except Exception as fault:
            if await beginning.failed(fault):
                return False
            raise
        return True

    async def _open_keys(self) -> None:
        if self._opened_guard is None:
            self._opened_guard = await asyncio.to_thread(open_keys, self._base)
            self._keys_stack.callback(self._opened_guard.close)
        self.guard = self._opened_guard

    async def _start(self, beginning: Beginning, shelf: Shelf) -> None:
        config, device = self.config, self.config.device
        policy = read_policy(config)  # before any part: a purpose that it does not allow is not served
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
        self._traces = open_traces(config)
        self._stack.push_async_callback(asyncio.to_thread, self._traces.close)
        self.link = AggregatorLink(
            config,
            self.guard,
            self.store,
            self._clock,
            self._hints,
            self.custody,
            self._beside,
            self.notices,
            self._tail,
            on_acknowledged=lambda seq: self._traces.acknowledged(seq, self._clock.now()),
        )

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
            worker.begin()  # a camera takes seconds, while the models are loaded
        inference = InferenceThread()
        self._stack.push_async_callback(inference.close)
        in_inference = self._in_inference = inference.run
        with await self.store.run(lambda store: store.gallery.protection_key()) as key:
            protection = await in_inference(partial(TemplateProtection, key))
        self._stack.callback(protection.wipe)
        recognition = await in_inference(lambda: build_recognition(config, protection))
        self.matcher = recognition.matcher

        entries, refused = await take_up_gallery(self.store.run, in_inference, self.matcher, device.purpose)
        if refused:
            log.error("entries refused", entries=len(refused), reason=refused[0])
            self.notices["gallery"] = f"Entries that cannot be used: {len(refused)}. The first: {refused[0]}."
        await asyncio.gather(*(worker.tried() for worker in workers))
        self._stack.push_async_callback(self.presenter.settle)

        self.occupancy = Occupancy(self._clock.monotonic_ns, quiet_s=self.host.quiet_s)
        dialler = self.link.dialler()

        self.parts = FittedParts(
            partial(self_test, self.store.run, reader, camera),
            in_inference,
            recognition,
            sensor=config.fingerprint.model if config.fingerprint is not None else "",
            whole_gallery=not refused,
        )
        self.taking_up = open_taking_up(
            self._base,
            beginning,
            shelf,
            recognition,
            policy and policy[0],
            dialler=dialler,
            occupancy=self.occupancy,
            host=self.host,
            in_store=self.store.run,
            clock=self._clock,
            hints=self._hints,
            self_test=self.parts.well,
            on_change=self.link.report,
        )
        passed = asyncio.Event()
        self.link.start(
            self._stack,
            {part: worker for part, worker in (("fingerprint", reader), ("camera", camera)) if worker},
            self.matcher,
            in_inference,
            dialler=dialler,
            passed=passed,
            endings=Endings(
                self.occupancy, self.host, self._clock, self._hints, self.custody.destroy, device.data
            ),
            taking_up=self.taking_up,
        )
        self.mesh = await self._stack.enter_async_context(
            open_mesh(
                self._base,
                self.guard,
                self.store,
                self._clock,
                uplink_connected=lambda: self.link.connected,
                on_change=self.link.committed,  # a conflict that a neighbour reported is an event
            )
        )
        if self.mesh.fault:
            self.notices["site"] = self.mesh.fault
        self.live_view = None if config.page is None else LiveView()
        samples = SampleMeter()
        acquirer = build_acquirer(
            config,
            recognition,
            camera,
            reader,
            in_inference,
            self._clock,
            viewfinder=self.live_view,
            meter=samples,
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
            committed=self.link.committed,
            gallery_changed=self.link.gallery_changed,
            traces=self._traces,
        )
        self.day = Day(
            run_in_store=self.store.run,
            clock=self._clock,
            matcher=self.matcher,
            reader=reader,
            camera=camera,
            committed=self.link.committed,
            sync=self.link.sync,
        )
        self.collector = build_collector(
            config,
            self.store.run,
            self._clock,
            samples,
            self.link.meter,
            {Modality.FINGER: reader, Modality.FACE: camera},
            dirty=lambda: self.day.dirty_platen,
            queue=self.day.queue.people,
            committed=self.link.committed,
        )
        self._beside.run("telemetry", self.collector.run())
        self.occupancy.watch(lambda: self.desk.busy)
        self.occupancy.watch(lambda: bool(self.day.queue.people()))
        if beginning.tries:
            await beginning.judge(await self.parts.well())
            self.taking_up.went_on(beginning.standing)
        if self.host.updater.trial() is not None:
            await beginning.judge_trial(await self.parts.tried())
        if not self.host.updater.leaving:
            path = store_settings(self._base).path
            await self.store.run(lambda _store: former.drop(path, keys_of(path)))
            passed.set()
        self._beside.run("desired state", self.taking_up.run())
        # From here on nothing is tried any more: what the policy says is carried out.
        retention = None
        if policy is not None:
            retention = Retention(
                *policy, self.store.run, in_inference, self.matcher, self._clock, self.link.gallery_changed
            )
            await retention.begin()
        housekeeping = Housekeeping(
            self.store.run, self._clock, self.custody, self.link, self.day, retention, self.notices
        )
        await housekeeping.purge()
        self._beside.run("housekeeping", housekeeping.run())
        if self._saved is not None:
            # For staff and for the aggregator: a card that lost pages once will lose more.
            self.notices["store"] = f"{str(self._saved).capitalize()}. Get another card."
            await self.link.record_fault(DeviceFault("store", recovered=False, kind=StoreDamaged.__name__))
        await damaged_software.tell(self.host, config.device.data, self.notices, self.link.record_fault)
        log.info(
            "ready",
            references=entries,
            wrong_suggestions_expected_of_100=self.matcher.expected_wrong_suggestions(),
            uplink=self.link.uplink is not None,
        )

    def _open_store(self) -> Store:
        with self.guard.store_key() as key:
            on_trial = self.host.updater.trial() is not None
            settings = replace(store_settings(self._base), on_trial=on_trial)
            store, saved = open_or_mend(settings, key, self._clock.now())
        self._saved = saved or self._saved
        return store

    def _worker(self, part: str, opener: Callable[[], DeviceT] | None) -> DeviceWorker[DeviceT] | None:
        return None if opener is None else DeviceWorker(part, opener, partial(self._part_changed, part))

    def _lease_lapses(self, left: str) -> None:
        log.warning("lease lapses", left=left)
        self.notices["lease"] = (
            f"The keys of this appliance will be destroyed: {left} are left. Bring it to where it reaches "
            "its aggregator."
        )

    def _part_changed(self, part: str, available: bool, error: SensorError | None) -> None:
        kind = type(error).__name__ if error is not None else ""
        if available:
            log.info("part is back", part=part)
        else:
            log.warning("part lost", part=part, kind=kind, reason=str(error))
            self.presenter.show(Show(Signal.DEVICE_FAULT))
        self._beside.soon(self.link.record_fault(DeviceFault(part, available, kind)))
