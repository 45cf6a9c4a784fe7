"""Starts the appliance as it will run: it takes up what the desk desires, and its parts are tried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from firmware.appliance import Appliance
from firmware.config import Config, ConfigError
from firmware.first_boot.terms import Situation, Step, Trouble, standing
from firmware.first_boot.waiting import Waiting
from firmware.host import Ending, Host
from firmware.opening import Hardware
from firmware.store.errors import StoreError
from inference.errors import InferenceError
from sensors.errors import SensorError
from trust.keys.guard import KeyGuard

TRY_AGAIN_S = 10.0
log = structlog.get_logger()

Show = Callable[[Situation], None]


@dataclass(slots=True)
class Trying:
    """use: told of the appliance that started. connect_s: so long the aggregator is waited for; where it does
    not come, nothing is lost. heard_s: by then a state that is desired has arrived. settings_s: so long it
    may take; what takes longer goes on by itself when the appliance runs.
    """

    make_host: Callable[[Callable[[Ending], None]], Host]
    use: Callable[[Appliance], None]
    connect_s: float = 60.0
    heard_s: float = 3.0
    settings_s: float = 180.0
    go_on: bool = False
    """Set by somebody who sees on the page which part is not well, and goes on without it."""

    async def try_out(
        self, config: Config, guard: KeyGuard, show: Show, waiting: Waiting, done: Callable[[], None]
    ) -> None:
        """Take up settings until the parts are well, or somebody goes on without one.

        done: called at the end, while lamp and buzzer can still tell of it.
        """
        while True:
            show(standing(config, Step.SETTINGS))
            try:
                if await self._tried(config, guard, show, waiting, done):
                    return
            except (ConfigError, StoreError, InferenceError, SensorError) as error:
                log.warning("appliance not started", fault=type(error).__name__, reason=str(error))
                show(standing(config, Step.SELF_TEST, Trouble.NOT_STARTED, str(error)))
                await waiting.for_s(TRY_AGAIN_S)

    async def _tried(
        self, config: Config, guard: KeyGuard, show: Show, waiting: Waiting, done: Callable[[], None]
    ) -> bool:
        """Start the appliance once; False where what it took up wants it to start anew."""
        anew = asyncio.Event()
        host = self.make_host(lambda _ending: anew.set())
        hardware = Hardware.of(config, console_keys=False)
        async with Appliance(config, hardware, guard=guard, host=host) as appliance:
            self.use(appliance)
            await self._settle(appliance, anew)
            if anew.is_set():
                return False
            await self._test(appliance, show, waiting)
            done()
        return True

    async def _settle(self, appliance: Appliance, anew: asyncio.Event) -> None:
        """Wait until what is desired is in use, is refused, wants a start anew, or takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.connect_s):
                await appliance.link.until_connected()
            await asyncio.sleep(self.heard_s)
            waits = [
                asyncio.ensure_future(appliance.taking_up.until_decided()),
                asyncio.ensure_future(anew.wait()),
            ]
            try:
                await asyncio.wait(waits, timeout=self.settings_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def _test(self, appliance: Appliance, show: Show, waiting: Waiting) -> None:
        config = appliance.config
        while not self.go_on:
            show(standing(config, Step.SELF_TEST))
            amiss = tuple(each for each in await appliance.parts.self_test() if each.well is False)
            for each in amiss:
                log.warning("self-test", part=each.part, reason=each.advice)
            if not amiss or config.page is None:
                return  # without a page nobody could say that it goes on
            show(standing(config, Step.SELF_TEST, Trouble.PARTS, findings=amiss))
            await waiting.for_s(TRY_AGAIN_S)
