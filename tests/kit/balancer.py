"""An L4 balancer in user space: each new connection goes to the next worker that takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CONNECT_S = 1.0


class Balancer:
    """Listens on `target`; workers: host:port of each, to be changed at any time. Open connections stay."""

    def __init__(self) -> None:
        self.workers: list[str] = []
        self.target = ""
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.target = "127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        try:
            far_reader, far_writer = await self._worker()
            writers.append(far_writer)
            copying = [_copy(reader, far_writer), _copy(far_reader, writer)]
            await asyncio.wait(map(asyncio.ensure_future, copying), return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass  # the device sees that its connection ends
        finally:
            self._tasks.discard(task)
            for each in writers:
                each.transport.abort()

    async def _worker(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(len(self.workers)):
            self._turn += 1
            host, _, port = self.workers[self._turn % len(self.workers)].rpartition(":")
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await asyncio.open_connection(host, int(port))
            except OSError:
                continue
        raise ConnectionError("no worker takes a connection")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass  # one end is gone, and the other follows


@asynccontextmanager
async def balancer() -> AsyncIterator[Balancer]:
    each = Balancer()
    await each.start()
    try:
        yield each
    finally:
        await each.stop()
