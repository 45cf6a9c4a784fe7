"""Tells systemd how a service is (sd_notify(3)): ready, stopping, and alive for its watchdog.

Without a service manager every word is lost, and nothing is different.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

PINGS_PER_PERIOD = 3  # systemd advises two; the third allows for one that is late


class ServiceManager:
    """The one that started this process, if it was one; environment: of the process."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment)
        """How often it wants to hear that the service is alive, in seconds; None for never."""

    def ready(self) -> None:
        """The service does its work."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """The service ends."""
        self._tell("STOPPING=1")

    def status(self, sentence: str) -> None:
        """Say in a sentence how it is; `systemctl status` shows it."""
        self._tell(f"STATUS={' '.join(sentence.split())}")

    async def watch(self, alive: Callable[[], Awaitable[object]]) -> None:
        """Call `alive` and say so when it returns, again and again; returns where nobody wants to hear.

        What `alive` waits for is what the watchdog guards: if it hangs, the service is started anew.
        """
        if self.watchdog_s is None:
            return
        while True:
            await alive()
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / PINGS_PER_PERIOD)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is in Linux' abstract namespace, where it begins with a zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.sendto(state.encode(), address)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    period_us = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", "")
    if not period_us.isdigit() or int(period_us) == 0 or meant_for not in ("", str(os.getpid())):
        return None
    return int(period_us) / 1e6
