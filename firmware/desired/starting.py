"""What an appliance starts with: its own file, and over it what the desk desired, unless that fails."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from firmware.clock import Clock
from firmware.config import Config
from firmware.desired.judging import built
from firmware.desired.machine import SELF_TEST, Event, NotInstalled, SelfTested, Started, Unusable, step
from firmware.desired.settings import SettingsRefused
from firmware.desired.shelf import Shelf
from firmware.desired.terms import Phase, Standing
from firmware.host import Host
from firmware.policy import PolicyRefused
from firmware.power import PowerRefused
from firmware.store.errors import PolicyWentBack, StoreError
from firmware.store.thread import RunInStore
from firmware.updater import UpdateFailed
from inference.errors import InferenceError
from trust.keys.errors import GuardError
from trust.state import Artifact, ArtifactKind, Refusal

log = structlog.get_logger()


class TakenBack(Exception):
    """What was being tried, or was in use, was taken back: the appliance is to be started without it."""


class Beginning:
    """One start. config: with which the parts are built. standing: as the store has it."""

    def __init__(self, base: Config, shelf: Shelf, in_store: RunInStore, clock: Clock, host: Host) -> None:
        self._version = host.version
        self._base = base
        self._shelf = shelf
        self._in_store = in_store
        self._clock = clock
        self._host = host
        self.standing = Standing()
        self.config = base

    async def begin(self) -> None:
        """Find out what to start with. Raises StoreError."""
        self.standing = await self._in_store(lambda store: store.desired.standing())
        way = self.standing.under_way
        await self._step(Started() if self._is_installed() else NotInstalled())
        if (
            way is not None
            and self.standing.under_way is None
            and _software(way.desired.artifacts) is not None
        ):
            await self._leave_software()  # it was started too often, and never passed
        contents = await self._in_store(lambda store: store.desired.files())
        while (used := self.standing.to_use) is not None:
            try:
                self._shelf.restore(used.artifacts, contents)
                self.config = built(self._base, used, self._shelf)
            except SettingsRefused as error:
                await self._take_back(error.refusals)
            except OSError as error:  # a full or damaged disk: people are served with the file alone
                said = f"its files cannot be put on the disk ({error.strerror}): free some, or change it"
                await self._take_back((Refusal("artifacts", said),))
            else:
                return
        self.config = self._base

    @property
    def tries(self) -> bool:
        """Whether something new is being tried: it is in use only once `passed`."""
        way = self.standing.under_way
        return way is not None and way.phase is Phase.SELF_TESTING

    def _is_installed(self) -> bool:
        """Whether the software that is desired, if any, was written whole before the start."""
        way = self.standing.under_way
        software = _software(way.desired.artifacts) if way is not None else None
        return software is None or software.version == self._version or self._host.updater.holds(software)

    async def judge(self, well: tuple[str, ...]) -> None:
        """Hold the self-test's outcome against what was well before. Raises TakenBack, StoreError.

        well: the parts that are well now.
        """
        way = self.standing.under_way
        if way is None or not self.tries:
            return
        refusals = [
            Refusal(SELF_TEST, f"{part} was well before, and is not with it: what was before is in use again")
            for part in way.well_before
            if part not in well
        ]
        software = _software(way.desired.artifacts)
        if software is not None and software.version != self._version:
            said = (
                f"the machine started with {self._version}, and not with {software.version}: look at its log"
            )
            refusals.append(Refusal("artifacts.software", said))
        if refusals:
            await self._take_back(tuple(refusals))
            raise TakenBack
        if software is not None:
            try:
                await self._host.updater.keep()
            except UpdateFailed as fault:
                await self._take_back((Refusal("artifacts.software", str(fault)),))
                raise TakenBack from fault
        await self._step(SelfTested())

    async def judge_trial(self, parts: Mapping[str, bool]) -> None:
        """Let software pass that did not come from the desk, as from a memory stick; or leave it again.

        parts: those that are fitted, and whether each is well now.
        """
        if (trial := self._host.updater.trial()) is None:
            return
        lacking = [part for part in (parts if trial.well is None else trial.well) if not parts.get(part)]
        try:
            if not lacking:
                await self._host.updater.keep()
                log.info("software kept", version=self._version)
                return
        except UpdateFailed as fault:
            log.error("software not kept", reason=str(fault))  # noqa: TRY400 -- said by the port
        else:
            log.error("software taken back", version=self._version, not_well=lacking)
        await self._leave_software()

    async def failed(self, fault: Exception) -> bool:
        """Take back what the appliance did not start with; returns whether there was any.

        Keys that are gone and a store that does not write are no fault of it. Raises StoreError.
        """
        if isinstance(fault, GuardError | StoreError) and not isinstance(fault, PolicyWentBack):
            return False
        if self.tries:
            said = f"the appliance did not start with it: {fault}"
            await self._take_back((Refusal(SELF_TEST, said),))
            return True
        if self.standing.in_use is None or not isinstance(
            fault, InferenceError | PolicyRefused | PolicyWentBack
        ):
            return False
        kind = ArtifactKind.OPERATING_POINT if isinstance(fault, InferenceError) else ArtifactKind.POLICY
        if all(each.kind is not kind for each in self.standing.in_use.artifacts):
            return False
        await self._take_back((Refusal(f"artifacts.{kind.value}", f"it cannot be used any more: {fault}"),))
        return True

    async def _take_back(self, refusals: tuple[Refusal, ...]) -> None:
        for refusal in refusals:
            log.error("desired state taken back", field=refusal.field, reason=refusal.reason)
        way = self.standing.under_way
        software = _software(way.desired.artifacts) if way is not None and self.tries else None
        await self._step(SelfTested(refusals) if self.tries else Unusable(refusals))
        if software is not None:
            await self._leave_software()

    async def _leave_software(self) -> None:
        """Go back to what was there before, which takes a new start unless it runs already."""
        try:
            await self._host.updater.take_back()
            if self._host.updater.leaving:
                await self._host.power.reboot()
        except (UpdateFailed, PowerRefused) as fault:
            log.error("software not taken back", reason=str(fault))  # noqa: TRY400 -- said by the port

    async def _step(self, event: Event) -> None:
        standing = step(self.standing, event)
        if standing != self.standing:
            moment = self._clock.now()
            await self._in_store(lambda store: store.desired.save(moment, standing))
            self.standing = standing
            log_step(standing)


def log_step(standing: Standing) -> None:
    """Write into the log what is done now for the newest desired state, or what became of it."""
    way, decision = standing.under_way, standing.decision
    if way is not None:
        log.info("desired state", generation=way.desired.generation, phase=way.phase.value)
    elif decision is not None:
        log.info("desired state", generation=decision.generation, result=decision.result.value)


def _software(artifacts: tuple[Artifact, ...]) -> Artifact | None:
    return next((each for each in artifacts if each.kind is ArtifactKind.SOFTWARE), None)
