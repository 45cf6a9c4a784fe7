"""What may stand between a device and its aggregator: a proxy that hinders, in user space."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, unique
from pathlib import Path

from trust import certificates
from trust.certificates import key_to_pem, to_pem

_PAGE = b"<html><body>Welcome to the guest network. Please accept the terms.</body></html>"
PORTAL = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (len(_PAGE), _PAGE)


@unique
class Manner(Enum):
    """What happens to connections.

    PASS: nothing. REFUSE: they are reset. PORTAL: a page of HTML answers. OTHER_CA: TLS of another authority
    answers, under the right name. SWALLOW: what is sent disappears, and nothing ever answers (half-open).
    """

    PASS = "pass"  # noqa: S105
    REFUSE = "refuse"
    PORTAL = "portal"
    OTHER_CA = "other CA"
    SWALLOW = "swallow"


class Middlebox:
    """Listens on `target`; idle_s: how long it keeps a connection on which nothing is sent, None for ever.

    sent_bytes: of TCP payload in both directions, TLS included.
    """

    def __init__(self, far: str, other_tls: ssl.SSLContext) -> None:
        self._far = far
        self._other_tls = other_tls
        self._manner = Manner.PASS
        self._tasks: set[asyncio.Task[None]] = set()
        self.idle_s: float | None = None
        self.sent_bytes = 0
        self.target = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.target = "127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        self._server.close()
        await self._end_all()

    async def behave(self, manner: Manner) -> None:
        """Behave so from now on. Connections that are open stay, and SWALLOW reaches them; others end."""
        self._manner = manner
        if manner is not Manner.SWALLOW:
            await self._end_all()

    async def _end_all(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        try:
            match self._manner:
                case Manner.PASS | Manner.SWALLOW:
                    host, _, port = self._far.rpartition(":")
                    far_reader, far_writer = await asyncio.open_connection(host, int(port))
                    writers.append(far_writer)
                    await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
                case Manner.PORTAL:
                    await reader.read(1024)
                    writer.write(PORTAL)
                    await writer.drain()
                case Manner.OTHER_CA:
                    await writer.start_tls(self._other_tls)
                case Manner.REFUSE:
                    pass
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # to end connections is what a middlebox does
        finally:
            self._tasks.discard(task)
            for each in writers:
                each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(self.idle_s):
                chunk = await reader.read(65536)
            if not chunk:
                raise ConnectionError("one end closed")
            if self._manner is Manner.SWALLOW:
                continue
            self.sent_bytes += len(chunk)
            writer.write(chunk)
            await writer.drain()


def other_authority(folder: Path) -> ssl.SSLContext:
    """Return a server's side of TLS with a certificate for the right name by another authority."""
    authority_key, key = certificates.new_key(), certificates.new_key()
    authority = certificates.make_authority(authority_key)
    server = certificates.make_server(authority, authority_key, key.public_key())
    file = folder / "other.pem"
    file.write_bytes(key_to_pem(key) + to_pem(server, authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.set_alpn_protocols(["h2"])
    return context


@asynccontextmanager
async def middlebox(far: str, folder: Path) -> AsyncIterator[Middlebox]:
    box = Middlebox(far, other_authority(folder))
    await box.start()
    try:
        yield box
    finally:
        await box.stop()
