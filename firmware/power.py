"""The port through which the machine starts anew, and root's units behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from firmware.wishes import FOLDER, REBOOT, NobodyListens, wish


class PowerRefused(Exception):
    """The machine cannot be started anew from here; the message says what to do."""


class Power(Protocol):
    """Starts the machine anew."""

    async def reboot(self) -> None:
        """Ask for it; returns before it happens. Raises PowerRefused."""


class Systemd:
    """The machine's own systemd, which alone may do it; this service can wish for it."""

    def __init__(self, wishes: Path = FOLDER) -> None:
        self._wishes = wishes

    async def reboot(self) -> None:
        """Leave the wish for aidpost-reboot.path."""
        try:
            await asyncio.to_thread(wish, REBOOT, self._wishes)
        except NobodyListens as error:
            raise PowerRefused(str(error)) from error
