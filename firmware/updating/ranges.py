"""A file for RAUC over HTTP, on loopback alone: it asks for ranges, and each is read when it is asked for.

The address holds a random word, so that no other program of the machine can have anything fetched. One
request at a time is read on a connection, with the few headers that RAUC's client (curl) sends. Whoever sends
none in time is hung up on, and whoever has not said the word takes no connection from those who have.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from firmware.updater import Source, UpdateFailed
from firmware.updating.byte_range import RangeRefused, asked_for

PIECE_BYTES = 128 << 10
"""The most that the kernel's block device asks for at once; a whole file is sent in pieces of it."""
IDLE_S = 60.0
"""Between two requests; curl connects anew after that, as RAUC does while it compares a slot."""
MOST_CONNECTIONS = 160
"""Of those who have said the word, and again of the others: the kernel's block device asks RAUC for 128
ranges at once, each of which may have a connection of its own."""
_MOST_HEADERS_BYTES = 8 << 10


@asynccontextmanager
async def serving(source: Source, idle_s: float = IDLE_S) -> AsyncIterator[Served]:
    """Serve the file meanwhile; idle_s: so long a client may take to send a request. Raises OSError."""
    path = f"/{secrets.token_urlsafe(24)}"
    served = Served(source, path, idle_s)
    server = await asyncio.start_server(served.connection, "127.0.0.1", 0, limit=_MOST_HEADERS_BYTES)
    try:
        port = server.sockets[0].getsockname()[1]
        served.url = f"http://127.0.0.1:{port}{path}"
        yield served
    finally:
        server.close()
        await served.close()
        with suppress(asyncio.CancelledError):
            await server.wait_closed()


class Served:
    """A file that is served. url: under which. fault: why it could not be read, once it could not."""

    def __init__(self, source: Source, path: str, idle_s: float) -> None:
        self.url = ""
        self.fault: UpdateFailed | None = None
        self._source = source
        self._path = path
        self._idle_s = idle_s
        self._clients: set[asyncio.Task[None]] = set()
        self._strangers: set[asyncio.Task[None]] = set()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client goes, or takes too long to send one."""
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a server's connection is a task")
        try:
            if len(self._strangers) < MOST_CONNECTIONS:
                self._strangers.add(task)
                while await self._answer(await self._head(reader), writer, task):
                    pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, UpdateFailed):
            pass  # the client went, says nothing or no request, or what it waits for cannot be had
        except asyncio.CancelledError:
            pass  # closed: not to be logged as a fault of the server's
        finally:
            self._clients.discard(task)
            self._strangers.discard(task)
            writer.close()

    async def close(self) -> None:
        """End all connections."""
        tasks = self._clients | self._strangers
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _head(self, reader: asyncio.StreamReader) -> str:
        """Return the lines of the next request, whole within the time. Raises TimeoutError and others."""
        async with asyncio.timeout(self._idle_s):
            return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").replace("\r\n", "\n")

    async def _answer(self, head: str, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> bool:
        method, _, rest = head.partition(" ")
        if method not in ("GET", "HEAD"):
            return await _refuse(writer, "405 Method Not Allowed")
        if not secrets.compare_digest(rest.partition(" ")[0].encode(), self._path.encode()):
            return await _refuse(writer, "404 Not Found")
        if task not in self._clients:
            if len(self._clients) >= MOST_CONNECTIONS:
                return await _refuse(writer, "503 Service Unavailable")
            self._clients.add(task)
            self._strangers.discard(task)
        size = self._source.size_bytes
        try:
            # Of HEAD no ranges are defined.
            asked = asked_for(head if method == "GET" else "", size)
        except RangeRefused:
            return await _refuse(writer, f"416 Range Not Satisfiable\r\nContent-Range: bytes */{size}")
        # The first piece before the status line: what cannot be had is an error, no answer that breaks off.
        first = b""
        if method == "GET":
            try:
                first = await self._read(asked.start, asked.end)
            except UpdateFailed:
                return await _refuse(writer, "404 Not Found")  # the one answer that RAUC does not try again
        status = "200 OK\r\nAccept-Ranges: bytes"
        if asked.part:
            status = f"206 Partial Content\r\nContent-Range: bytes {asked.start}-{asked.end - 1}/{size}"
        count = asked.end - asked.start
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {count}\r\n\r\n".encode() + first)
        await writer.drain()
        if method == "GET":
            for offset in range(asked.start + len(first), asked.end, PIECE_BYTES):
                writer.write(await self._read(offset, asked.end))
                await writer.drain()
        return True

    async def _read(self, offset: int, end: int) -> bytes:
        try:
            return await self._source.read(offset, min(PIECE_BYTES, end - offset))
        except UpdateFailed as fault:
            self.fault = fault
            raise


async def _refuse(writer: asyncio.StreamWriter, status: str) -> bool:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    return False
