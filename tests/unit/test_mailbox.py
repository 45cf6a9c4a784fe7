"""The queue between two tasks of a stream: order, room, and tasks that are cancelled while they wait."""

from __future__ import annotations

import asyncio

from aggregator.link.mailbox import Mailbox


async def test_things_come_in_order_and_wait_for_room() -> None:
    box: Mailbox[int] = Mailbox(room=2)
    got: list[int] = []

    async def put() -> None:
        for number in range(20):
            await box.put(number)

    async def get() -> None:
        while len(got) < 20:
            got.append(await box.get())

    putting = asyncio.create_task(put())
    await asyncio.sleep(0)
    assert box
    assert not putting.done(), "there is room for two"
    await asyncio.gather(putting, get())
    assert got == list(range(20))
    assert not box


async def test_who_was_cancelled_takes_nobody_elses_turn() -> None:
    box: Mailbox[int] = Mailbox(room=1)
    await box.put(1)
    gave_up = asyncio.create_task(box.put(2))
    await asyncio.sleep(0)
    gave_up.cancel()
    waits = asyncio.create_task(box.put(3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [await box.get(), await box.get()] == [1, 3]
    await waits
