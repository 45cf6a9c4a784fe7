"""What the first boot waits for: nothing that people bring is lost, and no thread writes beside another."""

from __future__ import annotations

import asyncio
import threading

from firmware.first_boot.waiting import Inbox, to_its_end


async def test_a_wait_that_is_cancelled_takes_nothing() -> None:
    inbox: Inbox[str] = Inbox()
    waiting = asyncio.create_task(inbox.filled())
    await asyncio.sleep(0)
    inbox.put("a claim")
    waiting.cancel()
    await asyncio.wait({waiting})
    await inbox.filled()
    assert inbox
    assert inbox.take() == "a claim"
    assert not inbox


async def test_a_write_that_is_cancelled_is_over_when_its_thread_is() -> None:
    begun, go_on, written = threading.Event(), threading.Event(), list[str]()

    def write() -> None:
        begun.set()
        go_on.wait()
        written.append("all of it")

    writing = asyncio.create_task(to_its_end(write))
    await asyncio.to_thread(begun.wait)
    writing.cancel()
    await asyncio.sleep(0)
    assert not writing.done()
    go_on.set()
    await asyncio.wait({writing})
    assert writing.cancelled()
    assert written == ["all of it"]
