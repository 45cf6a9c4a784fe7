"""Runs what `serve` was told to: one server in this process, or several workers below it."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aggregator.logs import configure_logs
from aggregator.several import Several, WorkerFailed
from trust.service_manager import ServiceManager
from trust.stop_signals import stop_signals
from trust.tls.address import Address, AddressInUse
from trust.tls.gate import MAX_CONNECTIONS

if TYPE_CHECKING:
    from aggregator.settings import Bound, Settings

FILES_OF_CONNECTION = 3  # from the peer to the gate, and both ends from there to gRPC
OTHER_FILES = 4096  # of handshakes, the store, pages and uploads


class TooFewFiles(Exception):
    """The system lets the process open fewer files than its connections need; the message says what to do."""


def raise_file_limit(connections: int) -> None:
    """Let the process have the files that so many connections need. Raises TooFewFiles."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_OF_CONNECTION * connections + OTHER_FILES
    if most != resource.RLIM_INFINITY and wanted > most:
        if connections > MAX_CONNECTIONS:  # which somebody asked for
            raise TooFewFiles(
                f"{connections:,} connections need {wanted:,} open files, and the system allows {most:,}: "
                "raise it (LimitNOFILE= in the unit, or ulimit -Hn), or take fewer connections"
            )
        wanted = most
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def run_several(count: int, listen: Address, ready_file: Path | None) -> None:
    """Run so many workers of this command line on one port, until they are told to stop."""
    manager = ServiceManager()

    def announce(ready: dict[str, Any]) -> None:
        _write_ready(ready, ready_file)
        manager.ready()

    async def run() -> None:
        await Several(count, sys.argv[1:], listen, configure_logs()).run(announce, manager.stopping)

    try:
        asyncio.run(run())
    except (AddressInUse, WorkerFailed) as error:
        raise click.ClickException(str(error)) from error


async def run_one(settings: Settings, ready_file: Path | None, worker: int | None) -> None:
    """Run one server until SIGTERM or Ctrl-C; worker: its number below a process with which it ends."""
    from aggregator.server import Aggregator

    stop = asyncio.Event()
    log = configure_logs()
    if worker is not None:
        log = log.bind(worker=worker)  # all write to one place
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    with stop_signals(stop.set):
        async with Aggregator(settings, log, time.time_ns) as bound:
            _announce(bound, ready_file)
            manager = ServiceManager()
            manager.ready()
            await stop.wait()
            manager.stopping()


def _announce(bound: Bound, ready_file: Path | None) -> None:
    ready: dict[str, Any] = {
        "listen": str(bound.listen),
        "dashboard": bound.dashboard_url,
        "pid": os.getpid(),
    }
    if bound.metrics is not None:
        ready["metrics"] = f"http://{bound.metrics}/metrics"
    if bound.health is not None:
        ready["health"] = str(bound.health)
    _write_ready(ready, ready_file)


def _write_ready(ready: dict[str, Any], ready_file: Path | None) -> None:
    line = json.dumps(ready)
    if ready_file is not None:
        partial = ready_file.with_name(ready_file.name + ".partial")
        try:
            partial.write_text(line + "\n")
            partial.replace(ready_file)  # whoever waits for the file finds it whole
        except OSError as error:
            raise click.ClickException(
                f"cannot write {ready_file} ({error.strerror}): name a file in a folder that is yours"
            ) from error
    click.echo(line)
