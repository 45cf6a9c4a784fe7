"""Takes up what the desk desires: does for each phase of the machine what has to be done, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from firmware.clock import Clock
from firmware.desired import view
from firmware.desired.bundles import Bundles
from firmware.desired.fetching import Fetching
from firmware.desired.judging import Judge
from firmware.desired.machine import Arrived, Event, Examined, Quiet, step
from firmware.desired.settings import KNOWN_SETTINGS
from firmware.desired.shelf import SMALL, Shelf
from firmware.desired.starting import log_step
from firmware.desired.terms import Phase, Standing, with_it
from firmware.host import Ending, Host
from firmware.occupancy import Occupancy
from firmware.power import PowerRefused
from firmware.store.errors import StoreError
from firmware.store.thread import RunInStore
from firmware.updater import UpdateFailed
from firmware.uplink.state_message import Desired
from firmware.uplink.time_hints import TimeHints
from trust.state import (
    Artifact,
    ArtifactKind,
    DesiredResult,
    DesiredState,
    Refusal,
    ReportedState,
    ServiceWindow,
)

AGAIN_S = 60.0
"""After which it is tried again what a full or damaged disk did not let through."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Used:
    """What is in use: settings as JSON text by name, and files, those of the software too."""

    settings: Mapping[str, str]
    artifacts: tuple[Artifact, ...]


class TakingUp:
    """One appliance's. Used from the event loop; `run` is a task of the composition root.

    standing: as the store has it. self_test: returns the parts that are well. on_change: called when
    `reported` says something else.
    """

    def __init__(
        self,
        standing: Standing,
        *,
        judge: Judge,
        shelf: Shelf,
        used: Used,
        fetching: Fetching | None,
        bundles: Bundles | None,
        occupancy: Occupancy,
        host: Host,
        in_store: RunInStore,
        clock: Clock,
        hints: TimeHints,
        self_test: Callable[[], Awaitable[tuple[str, ...]]],
        on_change: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._standing = standing
        self._judge = judge
        self._shelf = shelf
        self._used = used
        self._fetching = fetching
        self._bundles = bundles
        self._occupancy = occupancy
        self._host = host
        self._in_store = in_store
        self._clock = clock
        self._hints = hints
        self._self_test = self_test
        self._on_change = on_change
        self._sleep = sleep
        self._arrived: Desired | None = None
        self._news = asyncio.Event()
        self._stepped = asyncio.Event()
        self._held_free = ExitStack()

    @property
    def version(self) -> str:
        """Of the software that runs."""
        return self._judge.version

    def hear(self, desired: Desired) -> None:
        """The aggregator sent a desired state."""
        self._arrived = desired
        self._news.set()

    def went_on(self, standing: Standing) -> None:
        """The start itself made a step: what was tried is in use."""
        self._standing = standing
        self._on_change()

    async def until_decided(self) -> None:
        """Wait until nothing waits to be taken up."""
        while self._standing.under_way is not None:
            self._stepped.clear()
            await self._stepped.wait()

    def reported(self) -> ReportedState:
        """Say what this appliance is, and what it made of the newest desired state."""
        standing = self._standing
        refusals: tuple[Refusal, ...] = ()
        generation, result = 0, DesiredResult.APPLIED  # before the first: there is nothing that it is not
        if standing.under_way is not None:
            generation, result = standing.under_way.desired.generation, DesiredResult.WAITING
        elif standing.decision is not None:
            decision = standing.decision
            generation, result, refusals = decision.generation, decision.result, decision.refusals
        return ReportedState(
            generation=generation,
            result=result,
            digest="" if standing.in_use is None else standing.in_use.digest,
            refusals=refusals,
            software_version=self._judge.version,
            settings=dict(self._used.settings),
            artifacts=self._used.artifacts,
            known_settings=KNOWN_SETTINGS,
        )

    async def run(self) -> None:
        """Take up what comes, until cancelled."""
        with self._held_free:
            await self._tidy()
            while True:
                try:
                    await self._turn()
                except (StoreError, OSError) as fault:
                    log.warning("desired state waits", fault=type(fault).__name__, reason=str(fault))
                    await self._sleep(AGAIN_S)

    async def _turn(self) -> None:
        """Look at what arrived, or else go on until something does or this step is done."""
        self._news.clear()
        if (arrived := self._arrived) is not None:
            await self._step(self._arrival(arrived))
            if self._arrived is arrived:
                self._arrived = None
            return
        act, news = asyncio.create_task(self._act()), asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait({act, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            if not act.done():
                act.cancel()
            await asyncio.wait({act, news})
        if not act.cancelled():
            await self._step(act.result())

    def _arrival(self, arrived: Desired) -> Arrived:
        return Arrived(arrived.state, arrived.refusals or self._judge.before_files(arrived.state))

    async def _act(self) -> Event:
        way, following = self._standing.under_way, self._standing.following
        if way is None and following is not None:
            return self._arrival(Desired(following))
        if way is not None:
            match way.phase:
                case Phase.FETCHING:
                    return await self._fetch(way.desired)
                case Phase.AWAITING_QUIET:
                    return await self._await_quiet(way.desired)
                case Phase.APPLYING:
                    if (refusal := await self._apply(way.desired, way.well_before)) is not None:
                        return Examined((refusal,))
                case Phase.SELF_TESTING:
                    pass  # at the start, before anybody is served
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this wait")

    async def _fetch(self, desired: DesiredState) -> Examined:
        for artifact in self._judge.fetched(desired):
            refusal = await self._have(artifact)
            if refusal is not None:
                return Examined((refusal,))
        edition = await self._in_store(lambda store: store.ages.policy_edition())
        used = with_it(self._standing.in_use, desired)
        return Examined(await asyncio.to_thread(self._judge.with_files, desired, used, edition))

    async def _have(self, artifact: Artifact) -> Refusal | None:
        """Have a file on the shelf, or software in the slot that does not run; returns why it cannot be."""
        if artifact.kind is not ArtifactKind.SOFTWARE:
            return await self._fetching.fetch(artifact) if self._fetching is not None else None
        if self._bundles is None:
            return None
        try:
            async with self._bundles.over_the_link(artifact) as source:
                await self._host.updater.stage(artifact, source)
        except UpdateFailed as fault:
            return Refusal("artifacts.software", str(fault))
        return None

    async def _await_quiet(self, desired: DesiredState) -> Quiet:
        window = desired.window
        while True:
            await self._occupancy.until_quiet(lambda: window is None or self._within(window))
            with ExitStack() as held:
                held.enter_context(self._occupancy.kept_free())
                well = await self._self_test()
                if not self._occupancy.busy:
                    self._held_free.enter_context(held.pop_all())
                    return Quiet(well)

    async def _apply(self, desired: DesiredState, well: tuple[str, ...]) -> Refusal | None:
        """Start anew with it; returns why that cannot be. well: the parts that are well without it."""
        if self._host.start_anew is None:
            return None  # at the next start, whoever starts it
        new_software = [each for each in self._judge.fetched(desired) if each.kind is ArtifactKind.SOFTWARE]
        try:
            for software in new_software:
                await self._host.updater.activate(software, well)
                await self._host.power.reboot()
        except (UpdateFailed, PowerRefused) as fault:
            with suppress(UpdateFailed):
                await self._host.updater.take_back()
            return Refusal("artifacts.software", str(fault))
        if not new_software:
            self._host.start_anew(Ending.ANEW)
        return None

    async def _step(self, event: Event) -> None:
        before, standing = self._standing, step(self._standing, event)
        if standing == before:
            self._on_change()  # somebody believes that this is news, and is told how it stands
            return
        files = await asyncio.to_thread(self._small_files, standing)
        moment = self._clock.now()
        await self._in_store(lambda store: store.desired.save(moment, standing, files))
        self._standing = standing
        self._stepped.set()
        way = standing.under_way
        if way is None or way.phase is not Phase.APPLYING:
            self._held_free.close()
        log_step(standing)
        await self._tidy()
        self._on_change()

    async def _tidy(self) -> None:
        """Erase the files that are not needed, and write down for people how it stands."""
        standing = self._standing
        await asyncio.to_thread(self._shelf.keep, standing.digests())
        await asyncio.to_thread(view.write, self._judge.base.device.data, standing)

    def _small_files(self, standing: Standing) -> dict[str, bytes]:
        """Return the content of the small files of a state that was examined, for the store."""
        way = standing.under_way
        if way is None or way.phase is not Phase.AWAITING_QUIET:
            return {}
        return {each.digest: self._shelf.read(each) for each in way.desired.artifacts if each.kind in SMALL}

    def _within(self, window: ServiceWindow) -> bool:
        """Whether the window is open, by the aggregator's clock where it is known; else it is not."""
        monotonic_ns, moment = self._clock.monotonic_ns(), self._clock.now()
        server = self._hints.server_time(monotonic_ns)
        if server is not None:
            now_ns = server.earliest_ns
        elif moment.quality.is_set:
            now_ns = moment.wall_ns
        else:
            return False
        return window.holds(datetime.fromtimestamp(now_ns / 1e9, UTC))
