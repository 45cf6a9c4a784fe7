"""Becomes a device of the aggregator with one claim: asks until an operator has approved, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from firmware.clock import Clock
from firmware.config import Config, ConfigError
from firmware.first_boot.configuration import TABLETS
from firmware.first_boot.places import Places
from firmware.first_boot.terms import Situation, Step, Trouble
from firmware.first_boot.waiting import Waiting, to_its_end
from firmware.guard.pin import AskPin
from firmware.opening import open_keys, open_membership, uplink_target
from firmware.uplink.errors import LinkLost, UplinkMisconfigured, WrongAggregator
from trust.claim_file import ClaimFile
from trust.keys.errors import GuardError
from trust.keys.guard import KeyGuard

INTERFACES = Path("/sys/class/net")
AGAIN_S = 10.0
"""Between two tries: a person stands before it, and plugs in a cable."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Joining:
    """places: what is written. show: told how it stands. waiting: until the next try.

    interfaces: of the machine's networks, as the kernel shows them. sleep: until the aggregator is asked
    again.
    """

    places: Places
    show: Callable[[Situation], None]
    waiting: Waiting
    ask_pin: AskPin
    clock: Clock
    interfaces: Path = INTERFACES
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def join(self, claim: ClaimFile) -> tuple[Config, KeyGuard]:
        """Return the configuration and the open guard of a device that has joined. Raises JoinRefused."""
        with ExitStack() as opened:
            self.show(self._standing(claim, Step.AGGREGATOR))
            config, guard = await self.opened(
                partial(self.places.write, claim), partial(self._standing, claim, Step.AGGREGATOR)
            )
            opened.callback(guard.close)
            target = uplink_target(config.uplink) if config.uplink else None
            if target is None:
                raise AssertionError("a claim names its aggregator")
            membership = open_membership(config, guard, target, self.clock, self.sleep)
            pending = self._standing(claim, Step.APPROVAL, key_words=membership.key_words)
            while True:
                self.show(self._standing(claim, Step.AGGREGATOR))
                try:
                    await membership.join(claim.aggregator.claim(), partial(self.show, pending))
                except WrongAggregator as error:
                    trouble, detail = Trouble.OTHER_AGGREGATOR, str(error)
                except LinkLost as error:
                    reached = has_network(self.interfaces)
                    trouble, detail = Trouble.NO_ANSWER if reached else Trouble.NO_NETWORK, str(error)
                else:
                    log.info("joined", device=config.device.id, site=config.device.site)
                    opened.pop_all()
                    return config, guard
                log.warning("not joined yet", trouble=trouble.value, reason=detail)
                self.show(self._standing(claim, Step.AGGREGATOR, trouble, detail))
                await self.waiting.for_s(AGAIN_S)

    async def opened(
        self, configured: Callable[[], Config], standing: Callable[[Trouble, str], Situation]
    ) -> tuple[Config, KeyGuard]:
        """Return the configuration, and the guard that it names, open; tries again until both are there."""
        while True:
            try:
                config = await to_its_end(configured)
                if config.uplink is not None:
                    uplink_target(config.uplink)
                return config, await asyncio.to_thread(open_keys, config, self.ask_pin)
            except GuardError as error:
                trouble, detail = Trouble.NO_KEYS, str(error)
            except (ConfigError, UplinkMisconfigured, OSError) as error:
                trouble, detail = Trouble.NOT_WRITTEN, str(error)
            log.error("first boot waits", trouble=trouble.value, reason=detail)
            self.show(standing(trouble, detail))
            await self.waiting.for_s(AGAIN_S)

    def _standing(
        self,
        claim: ClaimFile,
        step: Step,
        trouble: Trouble | None = None,
        detail: str = "",
        key_words: str = "",
    ) -> Situation:
        now = datetime.fromtimestamp(self.clock.wall_ns() / 1e9, UTC)
        wifi = claim.network.wifi
        return Situation(
            step,
            trouble,
            detail,
            device=claim.device.id,
            site=claim.device.site,
            target=claim.aggregator.target,
            key_words=key_words,
            wifi="" if wifi is None else wifi.name,
            # No clock that is right was ever before the claim was made.
            clock=now.date() if now < claim.aggregator.made else None,
            languages=claim.device.languages,
            tablets=TABLETS if claim.hardware.tablets else "",
        )


def has_network(interfaces: Path = INTERFACES) -> bool:
    """Whether any interface but the loopback is up, as far as the kernel knows."""
    states = interfaces.glob("*/operstate")
    return any(path.parent.name != "lo" and path.read_text().strip() in ("up", "unknown") for path in states)
