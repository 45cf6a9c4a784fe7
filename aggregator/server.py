"""The composition root: everything that the server is made of, started in order and stopped in reverse."""

from __future__ import annotations

import asyncio
import importlib
import random
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType

from structlog.typing import FilteringBoundLogger

from aggregator import clock_check
from aggregator.authority import Authority
from aggregator.bus.in_process import InProcess
from aggregator.bus.port import Bus
from aggregator.caretaking import caretaking
from aggregator.dashboard.app import Dashboard
from aggregator.dashboard.signing_in import Provider
from aggregator.exporting.desk import ExportDesk
from aggregator.exporting.telling import ResultTeller
from aggregator.health import Health
from aggregator.leading import Duty, Leading
from aggregator.link.admission import Admissions
from aggregator.link.artifacts import ArtifactService
from aggregator.link.authorisation import (
    ARTIFACTS,
    DIAGNOSTICS,
    ENROLMENT,
    FLEET,
    GALLERY,
    INGEST,
    LINK,
    Authorisation,
)
from aggregator.link.desks import Desks
from aggregator.link.diagnostics import DiagnosticsService, erase_old_bundles
from aggregator.link.enrolment import EnrolmentService
from aggregator.link.fleet.calls import FleetCalls
from aggregator.link.fleet.service import FleetService
from aggregator.link.galleries import GalleryService
from aggregator.link.ingest import IngestService
from aggregator.link.log_relay import LogRelay
from aggregator.link.presence import Presence
from aggregator.link.rolling import RolloutRunner
from aggregator.link.server import LinkServer, Register
from aggregator.link.service import DeviceLinkService
from aggregator.link.workers import Hearing, Worker, new_worker
from aggregator.metrics import create_app as create_metrics
from aggregator.settings import Bound, Settings
from aggregator.store import accounts, measures, owning
from aggregator.store.place import Server
from aggregator.store.view import StoreView
from aggregator.store.writer import OnKept, StoreWriter
from aggregator.telling.deliverer import Deliverer
from aggregator.telling.mail import MailSender
from aggregator.telling.ports import Sender
from aggregator.telling.webhook import WebhookSender
from aggregator.traces import IngestTraces
from aggregator.watch import Watch
from aidpost.v1 import (
    artifact_pb2_grpc,
    enrolment_pb2_grpc,
    fleet_pb2_grpc,
    gallery_pb2_grpc,
    ingest_pb2_grpc,
    link_pb2_grpc,
)
from trust.tls.address import Address, AddressRefused
from trust.tls.callers import Callers
from trust.tls.gate import Gate
from trust.tls.refusals import Refusals
from trust.web.server import PageServer


class Aggregator:
    """The running server, as an asynchronous context.

    Raises StoreError, AddressInUse or ReceiptKeyUnusable at the start.
    """

    def __init__(
        self, settings: Settings, log: FilteringBoundLogger, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._settings = settings
        self._log = log
        self._wall_ns = wall_ns
        self._running = AsyncExitStack()
        self._duties: list[Duty] = []
        self._link: LinkServer | None = None
        self._health = Health(settings, log)

    async def __aenter__(self) -> Bound:
        async with AsyncExitStack() as starting:
            bound = await self._start(starting)
            self._running = starting.pop_all()
        self._log.info("server.ready", listen=str(bound.listen), dashboard=bound.dashboard_url)
        return bound

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.info("server.stopping")
        await self._running.aclose()
        self._log.info("server.stopped")

    async def _start(self, starting: AsyncExitStack) -> Bound:
        settings, wall_ns = self._settings, self._wall_ns
        store = StoreWriter(
            settings.store,
            wall_ns=wall_ns,
            max_bytes=settings.max_store_bytes,
            on_fault=self._health.store_changed,
            on_kept=self._open_traces(starting),
        )
        await store.open()
        starting.push_async_callback(store.close)
        if (authority := settings.authority) is not None:
            owned = await store.submit(lambda db: owning.claim(db, authority.fingerprint, wall_ns()))
            authority.check_owns(settings.store, it_is=owned)
        view = await self._view(starting)
        bus = self._bus()
        presence = Presence(new_worker() if isinstance(settings.store, Server) else "", bus)
        desks = Desks.over(view, wall_ns, self._log, bus)
        starting.push_async_callback(bus.stop)
        relay = LogRelay(bus)
        await bus.start(Hearing(desks, presence, relay))
        if presence.worker:
            worker = Worker(store, view, presence, desks, wall_ns, self._health.clock_compared, self._log)
            await self._start_beating(starting, worker)
        for desk in (desks.commands, desks.desired):
            self._keep_running(starting, desk.run(), "desk")
        rollouts = await self._start_rollouts(starting, store, presence, desks)
        if settings.authority is None:
            listen = await self._start_open(starting, store, presence, desks)
        else:
            listen = await self._start_gated(
                starting, store, view, presence, desks, rollouts, relay, settings.authority
            )
        health = None if self._link is None else await self._health.answer(self._link)
        metrics = await self._start_watching(starting, store, presence)
        dashboard = None
        if settings.dashboard is not None:
            dashboard = await self._start_dashboard(
                starting, store, view, presence, desks, settings.dashboard
            )
        await self._start_duties(starting)
        return Bound(listen, dashboard, over_tls=settings.shown is not None, metrics=metrics, health=health)

    async def _view(self, starting: AsyncExitStack) -> StoreView:
        """Open a reader of its own, for what keeps nobody else waiting."""
        view = StoreView(self._settings.store, self._wall_ns)
        starting.push_async_callback(view.close)
        await view.open()
        return view

    def _bus(self) -> Bus:
        if not self._settings.bus:
            return InProcess()
        # Imported for those who use it: nats-py is an extra.
        nats = importlib.import_module("aggregator.bus.nats")
        authority = self._settings.authority
        fleet = "open" if authority is None else authority.fingerprint[:8].hex()
        bus: Bus = nats.NatsBus(self._settings.bus, fleet, self._log)
        return bus

    async def _start_beating(self, starting: AsyncExitStack, worker: Worker) -> None:
        ahead_s = await worker.beat()  # who is connected elsewhere is known before anybody is served
        if clock_check.differs(ahead_s) and self._settings.compare_clock:
            raise clock_check.refuse(ahead_s, self._settings.store)
        starting.push_async_callback(worker.retire)
        self._keep_running(starting, worker.run(), "worker")

    async def _start_duties(self, starting: AsyncExitStack) -> None:
        """Begin what one worker does for all; where there is one, it does it."""
        view: StoreView | None = None
        if isinstance(self._settings.store, Server):
            view = await self._view(starting)
        self._keep_running(starting, Leading(view, self._log).run(self._duties), "duties")

    def _keep_running(self, starting: AsyncExitStack, work: Coroutine[None, None, None], name: str) -> None:
        """Run until the stop."""
        task = asyncio.create_task(work, name=name)
        starting.push_async_callback(asyncio.wait, {task})
        starting.callback(task.cancel)

    def _open_traces(self, starting: AsyncExitStack) -> OnKept | None:
        to = self._settings.traces
        if to is None:
            return None
        from trust.tracing import DecisionTracer  # an extra, for those who use it

        traces = IngestTraces(
            DecisionTracer.to(to.endpoint, "aidpost-aggregator", "aggregator", to.share), self._wall_ns
        )
        starting.push_async_callback(asyncio.to_thread, traces.close)
        return traces.kept

    async def _start_watching(
        self, starting: AsyncExitStack, store: StoreWriter, presence: Presence
    ) -> Address | None:
        """Look after alerts, what is told of them, and metrics, with a reader that no page waits for."""
        settings, wall_ns, log = self._settings, self._wall_ns, self._log
        view = await self._view(starting)
        senders: dict[str, Sender] = {"url": WebhookSender(settings.hook_trust)}
        if settings.mail is not None:
            senders["email"] = MailSender(settings.mail, settings.hook_trust)
        for sender in senders.values():
            starting.push_async_callback(sender.close)
        deliverer = Deliverer(store, senders, wall_ns, random.SystemRandom(), log)
        self._duties.append(deliverer.run)
        # A new one for each turn: it listens for a while before it calls anybody silent.
        self._duties.append(
            lambda: Watch(
                store,
                view,
                presence.connected,
                wall_ns,
                log,
                deliverer.look,
                keep_events_ns=settings.keep_events_ns,
            ).run()
        )
        if settings.authority is not None:
            key = settings.authority.pseudonym_key
            teller = ResultTeller(store, settings.export_policy, key, wall_ns, deliverer.look, log)
            self._duties.append(teller.run)
        if settings.metrics is None:
            return None
        app = create_metrics(lambda: view.read(measures.read), presence.connected, wall_ns)
        server = PageServer(settings.metrics, app, elsewhere="name another with --metrics")
        starting.push_async_callback(server.stop)
        return await server.start()

    async def _start_dashboard(
        self,
        starting: AsyncExitStack,
        store: StoreWriter,
        view: StoreView,
        presence: Presence,
        desks: Desks,
        address: Address,
    ) -> Address:
        settings, shown = self._settings, self._settings.shown
        provider: Provider | None = None
        if settings.openid is not None:
            from aggregator.dashboard.openid import OpenIdProvider  # an extra, for those who use it

            provider = OpenIdProvider(settings.openid, self._wall_ns)
        fleet_view = await self._view(starting)
        dashboard = Dashboard(
            view,
            store,
            presence.connected,
            self._wall_ns,
            shelf=settings.beside.bundle_shelf(),
            look=desks.commands.look,
            fleet_view=fleet_view,
            names=() if shown is None else shown.names,
            provider=provider,
        )
        if shown is not None and provider is None and not await view.read(accounts.any_made):
            self._log.warning("dashboard.nobody", why="no account yet: `aidpost-aggregator accounts add`")
        self._keep_running(starting, dashboard.watching.keep(), "fleet")
        server = PageServer(
            address,
            dashboard.app,
            None if shown is None else shown.tls,
            is_signed_in=dashboard.is_signed_in,
            elsewhere="name another with --dashboard",
        )
        starting.push_async_callback(server.stop)
        return await server.start()

    async def _start_open(
        self, starting: AsyncExitStack, store: StoreWriter, presence: Presence, desks: Desks
    ) -> Address:
        """Serve devices without certificates, for development on one machine."""
        settings = self._settings
        if not settings.listen.is_loopback:
            raise AddressRefused("without certificates the server listens on this machine alone")
        self._log.warning("server.insecure", why="no authority: nobody is authenticated, nothing encrypted")
        link = self._link = LinkServer(
            self._for_devices(store, presence, desks, None, Refusals(self._log, time.monotonic)),
            presence,
            None,
        )
        starting.push_async_callback(link.stop)
        return Address(settings.listen.host, await link.start(settings.listen))

    async def _start_gated(
        self,
        starting: AsyncExitStack,
        store: StoreWriter,
        view: StoreView,
        presence: Presence,
        desks: Desks,
        rollouts: RolloutRunner,
        relay: LogRelay,
        authority: Authority,
    ) -> Address:
        settings, log, wall_ns = self._settings, self._log, self._wall_ns
        callers, refusals = Callers(), Refusals(log, time.monotonic)
        enrolment = EnrolmentService(store, authority, callers, presence, wall_ns, log, refusals)
        exports = ExportDesk(settings.store, settings.export_policy, authority.pseudonym_key, wall_ns)
        calls = FleetCalls(store, view, callers, wall_ns)
        shelf = settings.beside.bundle_shelf()
        artifacts = settings.beside.artifact_shelf()
        artifacts.tidy()
        fleet = FleetService(
            calls,
            authority,
            presence,
            desks,
            exports,
            artifacts,
            shelf,
            relay,
            rollouts,
            has_mail_server=settings.mail is not None,
        )
        handed_out = ArtifactService(calls, artifacts)
        handed_in = DiagnosticsService(calls, shelf, relay)
        self._duties.append(lambda: caretaking(partial(erase_old_bundles, store, shelf, wall_ns), log))
        sealed = GalleryService(store, callers, wall_ns, refusals)
        services: dict[str, Register] = {
            **self._for_devices(store, presence, desks, callers, refusals),
            ENROLMENT: partial(enrolment_pb2_grpc.add_EnrolmentServiceServicer_to_server, enrolment),
            GALLERY: partial(gallery_pb2_grpc.add_GalleryServiceServicer_to_server, sealed),
            ARTIFACTS: partial(artifact_pb2_grpc.add_ArtifactServiceServicer_to_server, handed_out),
            DIAGNOSTICS: partial(artifact_pb2_grpc.add_DiagnosticsServiceServicer_to_server, handed_in),
            FLEET: partial(fleet_pb2_grpc.add_FleetServiceServicer_to_server, fleet),
        }
        worth = await self._view(starting)
        link = self._link = LinkServer(services, presence, Authorisation(callers, worth, wall_ns, refusals))
        # mkdtemp makes it for this user alone: nobody else on the machine gets past the gate.
        inner = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="aidpost-"))) / "grpc"
        gate = Gate(
            settings.listen,
            authority.server_context(),
            authority.certificate,
            inner,
            callers,
            refusals,
            settings.gate_limits,
            shared_port=settings.shared_port,
        )
        starting.push_async_callback(gate.stop)
        starting.push_async_callback(link.stop)
        await link.start(inner)
        return await gate.start()

    async def _start_rollouts(
        self, starting: AsyncExitStack, store: StoreWriter, presence: Presence, desks: Desks
    ) -> RolloutRunner:
        # A view of its own: adding up what happened to people keeps no page waiting.
        view = await self._view(starting)
        runner = RolloutRunner(
            store,
            view,
            presence.connected,
            lambda device_ids: desks.desired.look(*device_ids),
            self._wall_ns,
            self._log,
            self._settings.rollout_turn_s,
        )
        self._duties.append(runner.run)
        return runner

    def _for_devices(
        self,
        store: StoreWriter,
        presence: Presence,
        desks: Desks,
        callers: Callers | None,
        refusals: Refusals,
    ) -> dict[str, Register]:
        """Return the services that take events; callers: None asks nobody for a certificate."""
        limits, wall_ns, log = self._settings.limits, self._wall_ns, self._log
        key = self._settings.beside.key()
        admissions = Admissions(store, presence, callers, refusals, key, limits.credit, wall_ns)
        link = DeviceLinkService(
            store, presence, admissions, desks.commands, desks.desired, limits, wall_ns, log
        )
        ingest = IngestService(store, admissions, limits.max_batch_events, log)
        return {
            LINK: partial(link_pb2_grpc.add_DeviceLinkServiceServicer_to_server, link),
            INGEST: partial(ingest_pb2_grpc.add_IngestServiceServicer_to_server, ingest),
        }
