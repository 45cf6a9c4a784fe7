"""The harness's end of the line to the agent in the guest."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PORT: Final = "agent"
IN_GUEST: Final = Path(__file__).with_name("agent_in_guest.py")
# QEMU takes names of 55 characters, and systemd.extra-unit. leaves nine for the unit.
UNIT: Final = "t.service"
UNIT_TEXT: Final = """\
[Unit]
Description=Agent of the tests, given by the harness
After=sysinit.target
[Service]
LoadCredential=agent
ExecStart=/usr/bin/python3 -I %d/agent
StandardError=journal+console
Restart=on-failure
OOMScoreAdjust=-900
"""
_SPARE_S, _POLL_S = 30.0, 0.1
_LINE_LIMIT = 16 << 20


class GuestFailed(Exception):
    """A command in the guest failed, or the guest went away before it had answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command in the guest ended with, and what it printed."""

    status: int
    output: str


def credentials(folder: Path) -> dict[str, Path]:
    """Write the credentials that bring the agent, and return QEMU's fw_cfg names for the files."""
    unit = folder / UNIT
    unit.write_text(UNIT_TEXT)
    return {
        f"opt/io.systemd.credentials/systemd.extra-unit.{UNIT}": unit,
        "opt/io.systemd.credentials/agent": IN_GUEST,
    }


async def connect(
    socket: Path, process: asyncio.subprocess.Process
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a line of this QEMU, which makes its socket once its turn has come. Raises GuestFailed."""
    while process.returncode is None:
        try:
            return await asyncio.open_unix_connection(socket, limit=_LINE_LIMIT)
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(_POLL_S)
    raise GuestFailed("QEMU did not start")


class Agent:
    """Asks one boot's agent; it is gone when the guest is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[int, asyncio.Future[Answer]] = {0: asyncio.get_running_loop().create_future()}
        self._next = 1
        self._reading = asyncio.create_task(self._read())

    async def ready(self) -> str:
        """Wait until the agent runs; return the boot's id."""
        return (await asyncio.shield(self._waiting[0])).output.strip()

    async def sh(self, command: str, timeout_s: float = 120.0) -> Answer:
        """Run a shell command and return how it ended. Raises GuestFailed where the guest went away."""
        return await self._ask({"command": command, "timeout_s": timeout_s}, timeout_s)

    async def run(self, command: str, timeout_s: float = 120.0) -> str:
        """Run a shell command that must succeed; return what it printed. Raises GuestFailed."""
        answer = await self.sh(command, timeout_s)
        if answer.status != 0:
            raise GuestFailed(f"{command!r} ended with {answer.status}: {answer.output.strip()[-1500:]}")
        return answer.output

    async def put(self, path: str, content: bytes) -> None:
        """Write a file in the guest."""
        await self._ask({"put": path, "content": base64.b64encode(content).decode()}, 120.0)

    async def _ask(self, words: dict[str, Any], timeout_s: float) -> Answer:
        await self.ready()
        number, self._next = self._next, self._next + 1
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._writer.write(json.dumps({"id": number, **words}).encode() + b"\n")
        try:
            async with asyncio.timeout(timeout_s + _SPARE_S):
                return await answer
        except TimeoutError:
            raise GuestFailed(f"the guest did not answer within {timeout_s:.0f} s: {words}") from None
        finally:
            self._waiting.pop(number, None)

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                said = json.loads(line)
                waiting = self._waiting.get(said["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(Answer(said["status"], said["output"]))
        except ConnectionError:
            pass
        self._fail()

    def _fail(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(GuestFailed("the guest went away"))
                waiting.exception()  # whoever waits hears it; where nobody does, asyncio need not say so

    async def close(self) -> None:
        """Hang up."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._fail()
        self._writer.close()
