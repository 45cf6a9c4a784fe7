"""The first boot from its beginning to its end. What is on the disk says where it goes on after a power cut.

| On the disk | What is next |
|---|---|
| a configuration, no folder `first-boot` | nothing: the first boot is over |
| no certificate for the configuration's device | the claim that was taken, or else one that is shown |
| a certificate, and a store without a supervisor | the supervisor of the claim, or one who is entered |
| a certificate and a supervisor | settings and self-test |
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from firmware.clock import Clock
from firmware.config import Config
from firmware.first_boot.codes import Codes, ShownCodes
from firmware.first_boot.joining import INTERFACES, Joining
from firmware.first_boot.places import Places
from firmware.first_boot.supervising import Supervising
from firmware.first_boot.terms import Situation, Step, Trouble, standing
from firmware.first_boot.waiting import Inbox, Waiting, to_its_end
from firmware.first_boot.wifi import ShownWifi, WifiTrial
from firmware.guard.pin import AskPin
from firmware.uplink.errors import JoinRefused
from trust.claim_file import ClaimFile, ClaimFileRefused
from trust.keys.guard import KeyGuard
from trust.network import Wifi

log = structlog.get_logger()


class Tries(Protocol):
    """Starts the appliance once (`firmware.first_boot.trying.Trying`)."""

    go_on: bool

    async def try_out(
        self,
        config: Config,
        guard: KeyGuard,
        show: Callable[[Situation], None],
        waiting: Waiting,
        done: Callable[[], None],
    ) -> None:
        """Take up settings and test the parts, then call `done`."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the first boot works with.

    codes: None without a camera. release: frees camera and board before the appliance takes them. sleep:
    until the aggregator is asked again whether an operator approved. pause: until a radio is looked at again.
    """

    supervising: Supervising
    trying: Tries
    ask_pin: AskPin
    codes: Codes | None = None
    release: Callable[[], Awaitable[object]] | None = None
    clock: Clock = field(default_factory=Clock)
    interfaces: Path = INTERFACES
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class FirstBoot:
    """Runs once; `situation` says where it stands, and `subscribe` tells of each change."""

    def __init__(self, places: Places, means: Means) -> None:
        self.situation = Situation(Step.CLAIM)
        self._places = places
        self._means = means
        self._waiting = Waiting()
        self._joining = Joining(
            places, self._show, self._waiting, means.ask_pin, means.clock, means.interfaces, means.sleep
        )
        self._wifi = ShownWifi(
            WifiTrial(places, means.interfaces, means.pause),
            means.clock.monotonic_ns,
            lambda: self._show(self.situation),
        )
        self._listeners: list[Callable[[], None]] = []
        self._claims: Inbox[ClaimFile] = Inbox()
        self._codes = ShownCodes(
            means.codes,
            self._claims.put,
            lambda code: self._wifi.take_code(code, self.situation),
            self._not_read,
        )

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` with each new situation; returns what takes it off again."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    async def run(self) -> None:
        """Go on until the appliance is ready. Raises OSError, UplinkError, GuardError, StoreError."""
        await asyncio.to_thread(self._places.begin)
        looking = asyncio.create_task(self._codes.look(), name="codes")
        with ExitStack() as opened:
            try:
                config, guard = await self._joined()
                opened.callback(guard.close)
                await self._name_supervisor(config, guard)
            finally:
                looking.cancel()
                await asyncio.wait({looking})
                if not looking.cancelled() and (fault := looking.exception()) is not None:
                    # Its kind alone: what it says may be of a code, which holds a passphrase.
                    log.error("no code was looked for", fault=type(fault).__name__)
            if self._means.release is not None:
                await self._means.release()

            def done() -> None:
                self._places.finish()
                self._show(replace(standing(config, Step.SELF_TEST), ready=True))

            await self._means.trying.try_out(config, guard, self._show, self._waiting, done)

    # --- what people do at the appliance ---------------------------------------------------------------

    def again(self) -> None:
        """Try at once what is waited for."""
        self._waiting.stir()

    def go_on(self) -> None:
        """Go on although a part is not well."""
        if self.situation.trouble is Trouble.PARTS:
            self._means.trying.go_on = True
            self._waiting.stir()

    def take_wifi(self, wifi: Wifi) -> None:
        """Use another Wi-Fi network from now on, if it can be joined."""
        if self.situation.step is Step.AGGREGATOR:
            self._wifi.take(wifi)

    def name_supervisor(self, name: str, pin: bytearray) -> None:
        """Let this person be the first who signs in; what is wrong with the PIN shows in the situation."""
        if self.situation.step is Step.SUPERVISOR:
            self._means.supervising.enter(name, pin)

    # --- the supervisor --------------------------------------------------------------------------------

    async def _name_supervisor(self, config: Config, guard: KeyGuard) -> None:
        """Let the one of the claim sign in, or who is entered, or the one of a claim that is shown now."""
        shown = asyncio.create_task(self._take_supervisors(config), name="supervisors")
        try:
            claim = await asyncio.to_thread(self._claimed)
            named = claim if claim is not None and _is_of(claim, config) else None
            await self._means.supervising.name_one(config, guard, named, self._show)
        finally:
            shown.cancel()
            await asyncio.wait({shown})
        await asyncio.to_thread(self._places.forget_claim)

    async def _take_supervisors(self, config: Config) -> None:
        while True:
            await self._claims.filled()
            claim = self._claims.take()
            if claim.supervisor is not None and _is_of(claim, config):
                pin = bytearray(claim.supervisor.pin, "ascii")
                self.name_supervisor(claim.supervisor.name, pin)
            elif self.situation.step is Step.SUPERVISOR:
                self._show(standing(config, Step.SUPERVISOR, Trouble.NAMES_NOBODY))

    # --- the claim -------------------------------------------------------------------------------------

    async def _joined(self) -> tuple[Config, KeyGuard]:
        config = await asyncio.to_thread(self._places.joined)
        if config is not None:
            return await self._joining.opened(lambda: config, partial(standing, config, Step.SETTINGS))
        why = Situation(Step.CLAIM)
        while True:
            try:
                claim = await asyncio.to_thread(self._places.staged)
            except ClaimFileRefused as error:
                log.warning("claim file refused", reason=str(error))
                why, claim = Situation(Step.CLAIM, Trouble.FILE_UNREADABLE, str(error)), None
            if claim is None:
                self._show(why)
                await self._claims.filled()
                await to_its_end(partial(self._places.stage, self._claims.take()))
                continue
            outcome = await self._join(claim)
            if not isinstance(outcome, Situation):
                return outcome
            why = outcome

    async def _join(self, claim: ClaimFile) -> tuple[Config, KeyGuard] | Situation:
        """Join with the claim; returns what to say where it is good for nothing, or another one came.

        A Wi-Fi network that somebody shows is tried between two tries to join.
        """
        self._codes.known(claim)
        # Taken before and after, and never beside: `join` writes the network too.
        if not (self._claims or self._wifi.taken):
            joining = asyncio.create_task(self._joining.join(claim), name="join")
            brought = [asyncio.create_task(each.filled()) for each in (self._claims, self._wifi.taken)]
            try:
                await asyncio.wait({joining, *brought}, return_when=asyncio.FIRST_COMPLETED)
                if joining.done():
                    return joining.result()
            except JoinRefused as error:
                return await self._refused(claim, error)
            finally:
                for task in (joining, *brought):
                    task.cancel()
                await asyncio.wait({joining, *brought})
        if self._claims:
            await to_its_end(partial(self._places.stage, self._claims.take()))
        else:
            await self._wifi.try_out(claim)
        return Situation(Step.CLAIM)

    async def _refused(self, claim: ClaimFile, error: JoinRefused) -> Situation:
        """Forget the claim, which is good for nothing; returns what to say."""
        log.warning("claim refused", reason=str(error))
        await asyncio.to_thread(self._places.forget_claim)
        trouble, device = _TROUBLES.get(error.reason, Trouble.REFUSED), claim.device
        return Situation(Step.CLAIM, trouble, str(error), device.id, device.site, languages=device.languages)

    def _not_read(self, trouble: Trouble, detail: str) -> None:
        if self.situation.step is Step.CLAIM:
            self._show(Situation(Step.CLAIM, trouble, detail))

    def _claimed(self) -> ClaimFile | None:
        try:
            return self._places.staged()
        except ClaimFileRefused:
            return None

    def _show(self, situation: Situation) -> None:
        situation = replace(situation, joins=self._wifi.joins, news=self._wifi.news)
        if situation == self.situation:
            return
        self.situation = situation
        for listener in tuple(self._listeners):
            listener()


def _is_of(claim: ClaimFile, config: Config) -> bool:
    return (claim.device.id, claim.device.site) == (config.device.id, config.device.site)


_TROUBLES = {
    "CLAIM_UNKNOWN": Trouble.CLAIM_UNKNOWN,
    "CLAIM_OF_OTHER_SITE": Trouble.CLAIM_OF_OTHER_SITE,
    "CLAIM_USED": Trouble.CLAIM_USED,
    "CLAIM_EXPIRED": Trouble.CLAIM_EXPIRED,
}
