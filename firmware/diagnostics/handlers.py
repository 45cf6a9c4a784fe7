"""The two orders of diagnostics: hand in a bundle; let the desk follow the log, if the site agrees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Protocol

from firmware.config import Config
from firmware.diagnostics.bundle import Findings, make_bundle
from firmware.diagnostics.log_tail import Follower, LogTail
from firmware.orders import OrderExpired, OrderFailed, OrderRefused
from firmware.uplink.codec import Command
from firmware.uplink.errors import UplinkError

MAX_FOLLOWED_S = 8 * 3600.0
PART = "support"


class Calls(Protocol):
    """What goes to the aggregator."""

    async def hand_in(self, command_id: bytes, bundle: bytes) -> None:
        """Hand in a bundle, trying until it is there; raises UplinkError when it never will be."""

    async def tell_log(self, command_id: bytes, lines: AsyncIterator[list[str]]) -> None:
        """Send lines until there are no more; raises UplinkError."""


class Diagnostics:
    """notices: for staff, who see that the log is followed. left_s: how long a command is worth doing."""

    def __init__(
        self,
        config: Config,
        tail: LogTail,
        calls: Calls,
        findings: Callable[[], Awaitable[Findings]],
        notices: MutableMapping[str, str],
        left_s: Callable[[Command], float],
    ) -> None:
        self._config = config
        self._tail = tail
        self._calls = calls
        self._findings = findings
        self._notices = notices
        self._left_s = left_s

    async def collect(self, command: Command) -> str:
        """Make a bundle and hand it in. Raises OrderFailed and its kinds."""
        found = await self._findings()
        bundle = await asyncio.to_thread(make_bundle, self._config, found, self._tail.lines())
        try:
            async with asyncio.timeout(self._left_s(command)):
                await self._calls.hand_in(command.command_id, bundle)
        except TimeoutError:
            raise OrderExpired("the link did not last long enough to hand in the bundle: ask again") from None
        except UplinkError as error:
            raise OrderFailed(f"the aggregator did not take the bundle: {error}") from error
        return f"handed in {len(bundle):,} bytes"

    async def tail(self, command: Command) -> str:
        """Let the desk follow the log for the command's duration. Raises OrderFailed and its kinds."""
        if not self._config.support.log:
            raise OrderRefused(
                "the site has not agreed that its log is followed: with its consent set log = true in the "
                "[support] table of the appliance's file"
            )
        lasts_s = min(command.duration_s, MAX_FOLLOWED_S)
        self._notices[PART] = f"Support follows the log of this appliance for {round(lasts_s / 60)} minutes."
        try:
            with self._tail.followed() as follower:
                await self._calls.tell_log(command.command_id, _lines(follower, lasts_s))
        except UplinkError as error:
            raise OrderFailed(f"the log was followed until the link broke: {error}") from error
        finally:
            self._notices.pop(PART, None)
        return f"the log was followed for {round(lasts_s / 60)} minutes"


async def _lines(follower: Follower, lasts_s: float) -> AsyncIterator[list[str]]:
    """Yield what comes, until the time is over."""
    ends_s = asyncio.get_running_loop().time() + lasts_s
    while True:
        try:
            async with asyncio.timeout_at(ends_s):
                lines = await follower.next()
        except TimeoutError:
            return
        yield lines
