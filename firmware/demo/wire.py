"""A wire between appliance and aggregator that can be cut and mended, as field links are."""

from __future__ import annotations

import asyncio
import contextlib


class Wire:
    """Forwards TCP connections on loopback to `target` (host, port) until it is cut."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def address(self) -> str:
        """Where to connect, as host:port; the same before and after a cut."""
        return f"127.0.0.1:{self._port}"

    @property
    def whole(self) -> bool:
        """Whether connections go through now."""
        return self._server is not None

    async def mend(self) -> None:
        """Let connections through; the first call chooses the port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._forward, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse new connections and break those that are open."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for pair in self._pairs:
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)
        await server.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("a connection handler runs in a task")
        self._pairs.add(task)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            writers.append(far_writer)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # a cut wire is the point of this class
        finally:
            self._pairs.discard(task)
            for each in writers:
                each.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
