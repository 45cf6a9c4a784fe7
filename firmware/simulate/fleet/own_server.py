"""The aggregator of a simulation: the real command, in a process and a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from firmware.uplink.channel import Target

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
_COMMAND = str(Path(sys.executable).with_name("aidpost-aggregator"))


class ServerFailed(Exception):
    """The aggregator did not start or stop; the message has what it said."""


class OwnServer:
    """folder: for store, identity and log. After `start`, `target` says where it listens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._listen = "127.0.0.1:0"
        self.credential = folder / "identity" / "administrator.pem"

    @property
    def target(self) -> Target:
        """Where it listens."""
        return Target.parse(self._listen)

    async def make(self) -> None:
        """Make its authority and the administrator's credential. Raises ServerFailed."""
        identity, store = self._folder / "identity", self._folder / "store.db"
        made = await asyncio.create_subprocess_exec(
            _COMMAND, "init", f"--identity={identity}", f"--store={store}", stdout=asyncio.subprocess.DEVNULL
        )
        if await made.wait():
            raise ServerFailed("`aidpost-aggregator init` failed")

    async def start(self) -> None:
        """Start it, at the same address again. Raises ServerFailed."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                _COMMAND,
                "serve",
                f"--store={self._folder / 'store.db'}",
                f"--identity={self._folder / 'identity'}",
                f"--listen={self._listen}",
                "--dashboard=127.0.0.1:0",
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None  # noqa: S101 -- it is a pipe
        line = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await self._process.stdout.readline()
        if not line:
            raise ServerFailed(f"the aggregator did not start: {(self._folder / 'server.log').read_text()}")
        self._listen = json.loads(line)["listen"]

    async def kill(self) -> None:
        """End it at once, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def cpu_s(self) -> float:
        """Return the processor time that it has used since it was started."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)

    def memory_kb(self) -> float:
        """Return its resident memory, kB (1000 bytes)."""
        for line in self._proc("status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1.024  # in KiB, proc(5)
        raise ServerFailed("the aggregator has ended")

    def _proc(self, name: str) -> str:
        if self._process is None:
            raise ServerFailed("the aggregator was not started")
        return Path(f"/proc/{self._process.pid}/{name}").read_text()
