"""A support session: people of the desk sign in to this appliance by SSH for a while, if the site agrees.

The image has no SSH otherwise. Whoever signs in is the user `support`, who sees how the machine is and
nothing that the appliance holds. The result of the command says who was there, and stands in the chain.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Protocol

from firmware.config import Support
from firmware.orders import OrderFailed, OrderRefused
from firmware.uplink.codec import Command

MAX_SESSION_S = 8 * 3600.0
PART = "support session"
UNIT = "aidpost-support.service"
LOG = Path("/run/aidpost/support.log")
MOST_LOG_BYTES = 65_536
# As dropbear says it, the port after the address.
_LOGIN = re.compile(
    r"Pubkey auth succeeded for '\w+' with \S+ key (SHA256:[\w+/=]{8,64}) from ([0-9a-fA-F.:]+):\d+"
)
_SHOWN = 12  # characters of a key's digest: the result has 200 in all


class DoorRefused(Exception):
    """The door could not be opened; the message says why."""


class Door(Protocol):
    """Lets people in, and says who came."""

    async def open(self) -> None:
        """Let in whoever has one of the keys. Raises DoorRefused."""

    async def close(self) -> None:
        """Let nobody in any more, and end who is there. Never raises."""

    def visitors(self) -> tuple[str, ...]:
        """Return who came since it was opened: key and address of each, in order, nobody twice."""


class SupportSessions:
    """notices: for staff, who see that support is here."""

    def __init__(
        self,
        settings: Support,
        door: Door,
        notices: MutableMapping[str, str],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._door = door
        self._notices = notices
        self._wait = wait

    async def open(self, command: Command) -> str:
        """Let support in for the command's duration. Raises OrderFailed and its kinds."""
        if not self._settings.session or not self._settings.keys:
            raise OrderRefused(
                "the site has not agreed to support sessions: with its consent set session = true and the "
                "keys of support in the [support] table of the appliance's file"
            )
        lasts_s = min(command.duration_s, MAX_SESSION_S)
        minutes = round(lasts_s / 60)
        try:
            await self._door.open()
        except DoorRefused as error:
            raise OrderFailed(str(error)) from error
        self._notices[PART] = f"Support can sign in to this appliance for {minutes} minutes."
        try:
            await self._wait(lasts_s)
            visitors = self._door.visitors()
        finally:
            self._notices.pop(PART, None)
            await asyncio.shield(self._door.close())
        came = "; ".join(visitors) or "nobody"
        return f"open for {minutes} minutes; signed in: {came}"


class SystemdDoor:
    """The unit of the image, which polkit lets this service start and stop."""

    def __init__(self, log: Path = LOG) -> None:
        self._log = log

    async def open(self) -> None:
        """Start the unit."""
        said = await _systemctl("start", UNIT)
        if said is not None:
            raise DoorRefused(f"the support session did not start: {said}")

    async def close(self) -> None:
        """Stop the unit, and with it everybody's shell."""
        await _systemctl("stop", UNIT)

    def visitors(self) -> tuple[str, ...]:
        """Read who came in the log of the unit."""
        try:
            with self._log.open("rb") as file:
                text = file.read(MOST_LOG_BYTES).decode(errors="replace")
        except OSError:
            return ("unknown: the log of the session cannot be read",)
        return visitors_in(text)


def visitors_in(log: str) -> tuple[str, ...]:
    """Return key and address of each who signed in, in order, nobody twice."""
    found = (f"{key[: _SHOWN + len('SHA256:')]} from {address}" for key, address in _LOGIN.findall(log))
    return tuple(dict.fromkeys(found))


async def _systemctl(verb: str, unit: str) -> str | None:
    """Ask systemd; returns what it said where it refused."""
    try:
        asked = await asyncio.create_subprocess_exec(
            "systemctl",
            "--no-ask-password",
            verb,
            unit,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return f"systemctl cannot be run: {error.strerror}"
    _, said = await asked.communicate()
    if not asked.returncode:
        return None
    return " ".join(said.decode(errors="replace").split()) or f"exit status {asked.returncode}"
