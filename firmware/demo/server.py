"""The aggregator of the demonstration: the real command, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

READY_TIMEOUT_S = 90.0  # 2 s on a free PC; many times that beside the emulated machines of the tests
STOP_TIMEOUT_S = 10.0


class ServerFailed(RuntimeError):
    """The aggregator did not start, or did not answer."""


def _command() -> str:
    beside = Path(sys.executable).with_name("aidpost-aggregator")
    found = str(beside) if beside.exists() else shutil.which("aidpost-aggregator")
    if found is None:
        raise ServerFailed(
            "the command aidpost-aggregator is not installed beside this one: run `make setup`"
        )
    return found


@dataclass(slots=True)
class Server:
    """A running `aidpost-aggregator serve`; use `start` and `stop`."""

    store: Path
    listen: tuple[str, int]
    dashboard: str
    _credential: Path
    _process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, folder: Path) -> Self:
        """Make its authority, start it on free ports and wait until it listens. Raises ServerFailed."""
        store, identity = folder / "aggregator.db", folder / "authority"
        credential = folder / "administrator.pem"
        await _told(
            *("init", "--store", str(store), "--identity", str(identity), "--credential", str(credential))
        )
        with (folder / "aggregator.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(_command(), "serve", "--store", str(store), "--identity", str(identity)),
                *("--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0"),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        if process.stdout is None:
            raise AssertionError("the pipe was asked for")
        try:
            line = await asyncio.wait_for(process.stdout.readline(), READY_TIMEOUT_S)
        except BaseException as error:  # whoever stops waiting leaves no process behind
            process.kill()
            await process.wait()
            if not isinstance(error, TimeoutError):
                raise
            raise ServerFailed(f"the aggregator did not start within {READY_TIMEOUT_S:.0f} s") from None
        if not line:
            await process.wait()
            raise ServerFailed(f"the aggregator did not start; see {folder / 'aggregator.log'}")
        ready = json.loads(line)
        host, _, port = ready["listen"].rpartition(":")
        return cls(store, (host, int(port)), ready["dashboard"], credential, process)

    @property
    def target(self) -> str:
        """Where it listens for devices, as host:port."""
        return f"{self.listen[0]}:{self.listen[1]}"

    async def administer(self, *words: str) -> str:
        """Do what an operator types; return what is printed. Raises ServerFailed."""
        return await _told(*words, "--server", self.target, "--credential", str(self._credential))

    async def results(self) -> list[dict[str, Any]]:
        """Return every event that it holds, as its own `results` command tells."""
        told = await _told("results", "--store", str(self.store), "--format", "json")
        rows: list[dict[str, Any]] = json.loads(told)
        return rows

    async def wait(self) -> None:
        """Wait until it ends by itself."""
        await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


async def _told(*words: str) -> str:
    """Run one command of the aggregator and return what it prints; raises ServerFailed."""
    process = await asyncio.create_subprocess_exec(
        _command(), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await process.communicate()
    if process.returncode != 0:
        raise ServerFailed(f"aidpost-aggregator {words[0]} failed: {said.decode(errors='replace').strip()}")
    return out.decode()
