"""The port through which the machine starts anew, and systemd behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

_SYSTEMD = Path("/run/systemd/system")  # as sd_booted(3) looks for it


class PowerRefused(Exception):
    """The machine cannot be started anew from here; the message says what to do."""


class Power(Protocol):
    """Starts the machine anew."""

    async def reboot(self) -> None:
        """Ask for it; returns before it happens. Raises PowerRefused."""


class Systemd:
    """The machine's own systemd, through `systemctl`; the service's user needs leave for it from polkit."""

    async def reboot(self) -> None:
        """Ask systemd."""
        if not await asyncio.to_thread(_SYSTEMD.is_dir):
            raise PowerRefused("systemd does not run this machine, so nothing here can start it anew")
        try:
            asked = await asyncio.create_subprocess_exec(
                "systemctl",
                "--no-ask-password",
                "reboot",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise PowerRefused(f"systemctl cannot be run: {error.strerror}") from error
        _, said = await asked.communicate()
        if asked.returncode:
            words = said.decode(errors="replace").strip() or f"exit status {asked.returncode}"
            raise PowerRefused(f"systemd did not start the machine anew: {words}")
