"""systemd hears that a service is ready, stopping, and alive only as long as its parts answer."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from trust.service_manager import ServiceManager

PATIENCE_S = 60.0


@pytest.fixture
def heard(tmp_path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    listening.settimeout(PATIENCE_S)
    return listening


def manager(heard: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": heard.getsockname(), **more})


def test_it_says_when_it_is_ready_and_when_it_stops(heard: socket.socket) -> None:
    told = manager(heard)
    told.ready()
    told.status("serves\npeople")
    told.stopping()
    assert [heard.recv(200) for _ in range(3)] == [b"READY=1", b"STATUS=serves people", b"STOPPING=1"]
    heard.close()


async def test_it_is_alive_as_long_as_its_parts_answer(heard: socket.socket) -> None:
    hangs, answers = asyncio.Event(), 2

    async def parts() -> None:
        nonlocal answers
        answers -= 1
        if answers < 0:
            hangs.set()
            await asyncio.Event().wait()

    watching = asyncio.create_task(manager(heard, WATCHDOG_USEC="3000").watch(parts))
    async with asyncio.timeout(PATIENCE_S):
        await hangs.wait()
    watching.cancel()
    heard.setblocking(False)
    assert [heard.recv(200) for _ in range(2)] == [b"WATCHDOG=1"] * 2
    with pytest.raises(BlockingIOError):
        heard.recv(200)
    heard.close()


async def test_nobody_is_told_where_there_is_no_service_manager() -> None:
    nobody = ServiceManager({})
    nobody.ready()
    async with asyncio.timeout(PATIENCE_S):
        await nobody.watch(asyncio.Event().wait)
    other = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert ServiceManager(other).watchdog_s is None
