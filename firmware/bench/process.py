"""One appliance process under measurement: the real `aidpost run` on a virtual sensor and pictures."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class ProcessFailed(RuntimeError):
    """The appliance under measurement ended or fell silent."""


@dataclass(slots=True)
class ApplianceProcess:
    """A running `aidpost run` with a console board. start_ms: from the launch to its "ready" line."""

    start_ms: float
    _process: asyncio.subprocess.Process
    _events: asyncio.Queue[dict[str, Any]]
    _readers: list[asyncio.Task[None]]
    asked: asyncio.Event

    @classmethod
    async def start(cls, config: Path) -> Self:
        """Launch it and wait until it is ready. Raises ProcessFailed."""
        begun_s = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "firmware", "run", "--config", str(config)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        if process.stdout is None or process.stderr is None:
            raise AssertionError("the pipes were asked for")
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        asked = asyncio.Event()
        readers = [
            asyncio.create_task(_read_log(process.stderr, events)),
            asyncio.create_task(_read_signs(process.stdout, asked)),
        ]
        appliance = cls(0.0, process, events, readers, asked)
        await appliance.wait_for("ready", START_TIMEOUT_S)
        appliance.start_ms = (time.perf_counter() - begun_s) * 1e3
        return appliance

    async def wait_for(self, event: str, timeout_s: float) -> dict[str, Any]:
        """Return the next log line with this event."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    line = await self._events.get()
                    if line.get("event") == event:
                        return line
                    if "error" in line:
                        raise ProcessFailed(line["error"])
        except TimeoutError:
            raise ProcessFailed(f"the appliance logged no {event!r} within {timeout_s:.0f} s") from None

    def press(self, key: str) -> None:
        """Press a button of the console board."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{key}\n".encode())

    def peak_mb(self) -> float:
        """Return the process's largest resident set so far, in MB of 10^6 bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = _PEAK.search(status)
        if found is None:
            raise ProcessFailed("the kernel does not tell the peak memory of the process")
        return int(found[1]) * 1024 / 1e6

    async def kill(self) -> None:
        """End it at once, as the kernel or a power cut would (SIGKILL)."""
        self._process.kill()
        await self._process.wait()
        await self.stop()

    async def stop(self) -> None:
        """End it."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        for reader in self._readers:
            reader.cancel()


async def _read_log(stream: asyncio.StreamReader, events: asyncio.Queue[dict[str, Any]]) -> None:
    last = ""
    while line := await stream.readline():
        last = line.decode(errors="replace").strip()
        try:
            events.put_nowait(json.loads(last))
        except json.JSONDecodeError:
            continue
    events.put_nowait({"error": f"the appliance ended: {last}"})


async def _read_signs(stream: asyncio.StreamReader, asked: asyncio.Event) -> None:
    while line := await stream.readline():
        if line.startswith(b"Is it "):
            asked.set()
