"""A file for RAUC over HTTP, on loopback alone: it asks for ranges, and each is read when it is asked for.

The address holds a random word, so that no other program of the machine can have anything fetched.
One request at a time is read on a connection, with the few headers that RAUC's client (curl) sends.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from firmware.updater import Source, UpdateFailed

PIECE_BYTES = 128 << 10
"""The most that the kernel's block device asks for at once; a whole file is sent in pieces of it."""
_MOST_HEADERS_BYTES = 8 << 10
_RANGE = re.compile(r"^range:[ \t]*bytes=(\d+)-(\d*)[ \t]*$", re.MULTILINE | re.IGNORECASE)


@asynccontextmanager
async def serving(source: Source) -> AsyncIterator[Served]:
    """Serve the file meanwhile. Raises OSError."""
    path = f"/{secrets.token_urlsafe(24)}"
    served = Served(source, path)
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

    def __init__(self, source: Source, path: str) -> None:
        self.url = ""
        self.fault: UpdateFailed | None = None
        self._source = source
        self._path = path
        self._tasks: set[asyncio.Task[None]] = set()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client goes."""
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, UpdateFailed):
            pass  # the client went, sends what is no request, or what it waits for cannot be had
        except asyncio.CancelledError:
            pass  # closed: not to be logged as a fault of the server's
        finally:
            if task is not None:
                self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").replace("\r\n", "\n")
        method, _, rest = head.partition(" ")
        if method not in ("GET", "HEAD"):
            return await _refuse(writer, "405 Method Not Allowed")
        if not secrets.compare_digest(rest.partition(" ")[0].encode(), self._path.encode()):
            return await _refuse(writer, "404 Not Found")
        size, asked = self._source.size_bytes, _RANGE.search(head)
        start = int(asked[1]) if asked is not None else 0
        end = min(int(asked[2]) + 1, size) if asked is not None and asked[2] else size
        if start >= end:
            return await _refuse(writer, f"416 Range Not Satisfiable\r\nContent-Range: bytes */{size}")
        # The first piece before the status line: what cannot be had is an error, no answer that breaks off.
        first = b""
        if method == "GET":
            try:
                first = await self._read(start, end)
            except UpdateFailed:
                return await _refuse(writer, "404 Not Found")  # the one answer that RAUC does not try again
        status = "200 OK"
        if asked is not None:
            status = f"206 Partial Content\r\nContent-Range: bytes {start}-{end - 1}/{size}"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {end - start}\r\n\r\n".encode() + first)
        await writer.drain()
        if method == "GET":
            for offset in range(start + len(first), end, PIECE_BYTES):
                writer.write(await self._read(offset, end))
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
