"""The commands that end the appliance, once nobody is being served: restart, reboot, wipe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog

from firmware import wiping
from firmware.clock import Clock
from firmware.host import Ending, Host
from firmware.occupancy import Occupancy
from firmware.orders import Handler, LastAct, OrderExpired, OrderRefused
from firmware.power import PowerRefused
from firmware.records import CommandKind
from firmware.uplink.codec import Command
from firmware.uplink.time_hints import TimeHints

log = structlog.get_logger()


class Endings:
    """destroy: the keys, for a reason that each later start says. data: the appliance's folder."""

    def __init__(
        self,
        occupancy: Occupancy,
        host: Host,
        clock: Clock,
        hints: TimeHints,
        destroy: Callable[[str], Awaitable[None]],
        data: Path,
    ) -> None:
        self._occupancy = occupancy
        self._host = host
        self._clock = clock
        self._hints = hints
        self._destroy = destroy
        self._data = data

    @property
    def handlers(self) -> Mapping[CommandKind, Handler]:
        """What is told by the start that follows."""
        return {CommandKind.RESTART: self._restart, CommandKind.REBOOT: self._reboot}

    @property
    def last_acts(self) -> Mapping[CommandKind, LastAct]:
        """What is told before."""
        said = "the keys are being destroyed, and the data erased"
        return {CommandKind.WIPE: LastAct(self._until_quiet, said, self._wipe)}

    async def _restart(self, command: Command) -> None:
        if self._host.start_anew is None:
            raise OrderRefused("it runs for one command alone: `aidpost run` is what can be started anew")
        await self._until_quiet(command)
        self._host.start_anew(Ending.RESTART)

    async def _reboot(self, command: Command) -> None:
        await self._until_quiet(command)
        try:
            await self._host.power.reboot()
        except PowerRefused as refused:
            raise OrderRefused(str(refused)) from refused

    async def _wipe(self) -> None:
        try:
            await asyncio.to_thread(wiping.mark, self._data)
        except OSError as error:  # a full disk: what is on it stays closed all the same
            log.error("data not erased", reason=error.strerror)  # noqa: TRY400
        await self._destroy(wiping.REASON)

    async def _until_quiet(self, command: Command) -> None:
        """Wait until nobody is served, for as long as the command holds."""

        def may() -> bool:
            if self._hints.is_past(command.expires_ns, self._clock.monotonic_ns()):
                raise OrderExpired("somebody was being served until its time was over")
            return True

        await self._occupancy.until_quiet(may)
