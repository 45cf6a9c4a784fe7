"""One appliance process under measurement: the real `aidpost run` on a virtual sensor and pictures."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from firmware.workflow.station import PRESS_SPILLS_S

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 30.0
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class ProcessFailed(RuntimeError):
    """The appliance under measurement ended or fell silent."""


@dataclass(slots=True)
class ApplianceProcess:
    """A running `aidpost run` with a console board. start_ms: from the launch to its first screen."""

    start_ms: float
    _process: asyncio.subprocess.Process
    _events: asyncio.Queue[dict[str, Any]]
    _reader: asyncio.Task[None]

    @classmethod
    async def start(cls, config: Path) -> Self:
        """Launch it and wait until it serves people. Raises ProcessFailed."""
        begun_s = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "firmware", "run", "--config", str(config)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        if process.stderr is None:
            raise AssertionError("the pipe was asked for")
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        reader = asyncio.create_task(_read_log(process.stderr, events))
        appliance = cls(0.0, process, events, reader)
        await appliance.wait_for("screen", START_TIMEOUT_S)
        appliance.start_ms = (time.perf_counter() - begun_s) * 1e3
        return appliance

    async def wait_for(
        self, event: str, timeout_s: float = ANSWER_TIMEOUT_S, state: str = ""
    ) -> dict[str, Any]:
        """Return the next log line with this event; state: of the screen, for "screen"."""
        return await self._next(
            lambda line: line["event"] == event and state in ("", line.get("state")), timeout_s
        )

    async def _next(self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    line = await self._events.get()
                    if "error" in line:
                        raise ProcessFailed(line["error"])
                    if wanted(line):
                        return line
        except TimeoutError:
            raise ProcessFailed(f"the appliance did not go on within {timeout_s:.0f} s") from None

    async def check_in(self) -> dict[str, Any]:
        """Check the next person in at the clinic by the buttons alone; returns the log line of the check-in.

        No card, "I agree", a search; the first candidate is confirmed where there is one.
        """
        await self._ok()
        await self.wait_for("screen", state="clinic-notice")
        self.press("a")
        await self._ok()
        line = await self._next(
            lambda line: line["event"] == "check-in" or line.get("state") == "clinic-suggestion",
            ANSWER_TIMEOUT_S,
        )
        if line["event"] == "check-in":
            return line
        self.press("a")
        await self._ok()
        return await self.wait_for("check-in")

    async def next_person(self) -> None:
        """Give whoever was checked in the visit token, also where staff look at the paper, and go on."""
        line = await self._next(
            lambda line: line.get("state") in ("clinic-paper", "answer-visit"), ANSWER_TIMEOUT_S
        )
        await self._ok()
        if line["state"] == "clinic-paper":
            await self.wait_for("screen", state="answer-visit")
            await self._ok()
        await self.wait_for("screen", state="clinic-ready")

    async def _ok(self) -> None:
        """Press OK once the screen has stood long enough for it to count."""
        await asyncio.sleep(PRESS_SPILLS_S + 0.05)
        self.press("o")

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
        self._reader.cancel()


async def _read_log(stream: asyncio.StreamReader, events: asyncio.Queue[dict[str, Any]]) -> None:
    last = ""
    while line := await stream.readline():
        last = line.decode(errors="replace").strip()
        try:
            events.put_nowait({"event": "", **json.loads(last)})
        except json.JSONDecodeError:
            continue
    events.put_nowait({"error": f"the appliance ended: {last}"})
