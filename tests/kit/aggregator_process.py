"""The real `aidpost-aggregator serve` in a process of its own, on free ports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from aggregator.store.place import Place, Server

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0


class AggregatorProcess:
    """Starts the server on a store; leaving the context stops it with SIGTERM."""

    def __init__(
        self,
        store: Place,
        *options: str,
        identity: Path | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        log_file: Path | None = None,
    ) -> None:
        """environment: None for this process's own. prefix: a command that executes the one after it.

        log_file: beside a store that is a file by default.
        """
        assert log_file is not None or isinstance(store, Path)
        self._prefix = prefix
        self._store = store.dsn if isinstance(store, Server) else store
        self._log_file = log_file or store.with_suffix(".log")  # type: ignore[union-attr]
        self._environment = environment
        self._security = ["--insecure-loopback"] if identity is None else [f"--identity={identity}"]
        self._options = options
        self.target = ""
        self.dashboard_url = ""
        self.workers: Sequence[int] = ()
        """Process ids, with --workers."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        """Start; raises RuntimeError with what the server said when it does not."""
        self._log = self._log_file.open("ab")
        self._process = await asyncio.create_subprocess_exec(
            *self._prefix,
            str(Path(sys.executable).with_name("aidpost-aggregator")),
            "serve",
            f"--store={self._store}",
            *self._security,
            "--listen=127.0.0.1:0",
            "--dashboard=127.0.0.1:0",
            *self._options,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            env=self._environment,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            self._log.close()
            raise RuntimeError(f"the server did not start: {self.log()}")
        ready = json.loads(line)
        self.target, self.dashboard_url = ready["listen"], ready["dashboard"]
        self.workers = ready.get("workers", ())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            await self.stop()
        self._log.close()

    async def kill(self) -> None:
        """End the process at once, as a crash would (SIGKILL)."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        """Ask the process to end (SIGTERM); return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            return await self._process.wait()

    def cpu_s(self) -> float:
        """Return the processor time that the server has used so far."""
        return cpu_s(self._process.pid)

    def memory_mb(self) -> float:
        """Return the server's resident memory."""
        return memory_mb(self._process.pid)

    def memory_peak_mb(self) -> float:
        """Return the most that the server's resident memory has been."""
        return memory_mb(self._process.pid, "VmHWM")

    def open_files(self) -> int:
        """Return how many files the server has open."""
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def log(self) -> str:
        """Return what the server has logged."""
        return self._log_file.read_text()


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Return a process's resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6  # in KiB, proc(5)
    raise AssertionError(f"no {field}")


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)
