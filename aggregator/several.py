"""`serve --workers N`: processes that share the port of the link, each started again when it ends."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from typing import Any

from structlog.typing import FilteringBoundLogger

from trust.stop_signals import stop_signals
from trust.tls.address import Address, AddressInUse

AGAIN_S = 1.0  # a worker that ends at once must not keep the machine busy
STOP_S = 20.0  # streams drain for 5 s, gRPC stops within 7 s
_PROGRAM = "from aggregator.cli import main; main(prog_name='aidpost-aggregator')"


class WorkerFailed(Exception):
    """A worker ended before it was ready; what it said is on standard error."""


class Several:
    """arguments: of `aidpost-aggregator` as they were given. listen: the address that all share.

    program: what a worker is started as. again_s: after which one that ended is started again.
    """

    def __init__(
        self,
        count: int,
        arguments: Sequence[str],
        listen: Address,
        log: FilteringBoundLogger,
        *,
        program: Sequence[str] = (sys.executable, "-c", _PROGRAM),
        again_s: float = AGAIN_S,
    ) -> None:
        self._count = count
        self._program = program
        self._again_s = again_s
        self._arguments = arguments
        self._listen = listen
        self._log = log
        self._processes: dict[int, Process] = {}
        self._stop = asyncio.Event()

    async def run(self, announce: Callable[[dict[str, Any]], None], stopping: Callable[[], None]) -> None:
        """Run until SIGTERM or Ctrl-C. Raises AddressInUse and WorkerFailed.

        announce: called once with what the first worker said and all process ids, when all are ready.
        """
        with stop_signals(self._stop.set), self._held() as held:
            address = Address(self._listen.host, held.getsockname()[1])
            try:
                # The first makes the tables, and the others find them.
                ready = await self._start(0, address)
                await asyncio.gather(*(self._start(number, address) for number in range(1, self._count)))
                pids = [process.pid for _, process in sorted(self._processes.items())]
                announce({**ready, "pid": os.getpid(), "workers": pids})
                watching = [asyncio.create_task(self._watch(number, address)) for number in self._processes]
                await self._stop.wait()
                stopping()
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)
            finally:
                await self._end()

    def _held(self) -> socket.socket:
        """Return a socket that keeps the port for the workers, and takes no connection itself."""
        held = socket.socket(socket.AF_INET6 if ":" in self._listen.host else socket.AF_INET)
        try:
            # Whoever listens on the port alone is found here, and not shared with.
            with socket.socket(held.family) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((self._listen.host, self._listen.port))
                port = alone.getsockname()[1]
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind((self._listen.host, port))
        except OSError as error:
            held.close()
            raise AddressInUse(
                f"cannot listen on {self._listen} ({error.strerror}): "
                "stop the program that uses the port, or name another"
            ) from error
        return held

    async def _start(self, number: int, address: Address) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *self._program,
            *self._arguments,
            f"--listen={address}",
            f"--worker={number}",
            stdin=PIPE,  # its end tells the worker that this process is gone
            stdout=PIPE,
            env={name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
        )
        self._processes[number] = process
        line = b"" if process.stdout is None else await process.stdout.readline()
        if not line:
            await process.wait()
            raise WorkerFailed(f"worker {number} did not start (exit status {process.returncode})")
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError as error:
            process.kill()
            await process.wait()
            raise WorkerFailed(f"worker {number} says {line!r} instead of where it listens") from error
        return said

    async def _watch(self, number: int, address: Address) -> None:
        """Start a worker again whenever it ends; a machine that has no room for one may have some later."""
        while True:
            code = await self._processes[number].wait()
            self._log.error("worker.ended", number=number, status=code)
            while True:
                await asyncio.sleep(self._again_s)
                try:
                    said = await self._start(number, address)
                except (WorkerFailed, OSError) as error:
                    self._log.error("worker.not_started", number=number, why=str(error))
                else:
                    self._log.info("worker.started", number=number, pid=said["pid"])
                    break

    async def _end(self) -> None:
        running = [process for process in self._processes.values() if process.returncode is None]
        for process in running:
            process.terminate()
        if running:
            waits = [asyncio.create_task(process.wait()) for process in running]
            _, late = await asyncio.wait(waits, timeout=STOP_S)
            if late:
                for process in running:
                    if process.returncode is None:
                        process.kill()
                await asyncio.wait(late)
