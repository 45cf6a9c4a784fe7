"""The door before the page: who is silent or takes much room keeps nobody out who works here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from trust.tls.address import Address
from trust.web.door import DoorLimits
from trust.web.server import PageServer

ASKS = b"GET / HTTP/1.1\r\nhost: page\r\n"


async def streams_for_ever(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


def says_staff(scope: Scope) -> bool:
    return (b"cookie", b"staff") in scope["headers"]


@asynccontextmanager
async def served(limits: DoorLimits) -> AsyncIterator[Address]:
    server = PageServer(Address("127.0.0.1", 0), streams_for_ever, is_signed_in=says_staff, limits=limits)
    address = await server.start()
    try:
        yield address
    finally:
        await server.stop()


class Browser:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def asks(self, headers: bytes = b"") -> None:
        self.writer.write(ASKS + headers + b"\r\n")
        assert await self.reader.readuntil(b"here")

    async def is_dropped(self) -> None:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await self.reader.readexactly(1 << 16)


@asynccontextmanager
async def browsers(address: Address, count: int) -> AsyncIterator[list[Browser]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            stack.callback(writer.close)
            made.append(Browser(reader, writer))
        yield made


@pytest.mark.parametrize("limits", [DoorLimits(most_of_one=4), DoorLimits(most_anonymous=4)])
async def test_strangers_make_room_and_who_is_signed_in_stays(limits: DoorLimits) -> None:
    async with served(limits) as address, browsers(address, 1) as (tablet,):
        await tablet.asks(b"cookie: staff\r\n")
        async with browsers(address, 60) as strangers:
            await strangers[0].is_dropped()
            await strangers[-5].is_dropped()
            async with browsers(address, 1) as (another,):
                await another.asks(b"cookie: staff\r\n")
            assert not tablet.reader.at_eof()
            await strangers[-1].asks()


@pytest.mark.parametrize(
    "sent", [b"", ASKS + b"x-a: ", b"POST / HTTP/1.1\r\nhost: page\r\ncontent-length: 9\r\n\r\nhalf"]
)
async def test_who_does_not_finish_a_request_is_dropped(sent: bytes) -> None:
    async with served(DoorLimits(request_s=0.05)) as address, browsers(address, 2) as (silent, other):
        await other.asks()
        silent.writer.write(sent)
        await silent.is_dropped()
        assert not other.reader.at_eof(), "what is answered has all its time"
