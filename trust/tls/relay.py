"""One end of a relayed connection; two of them, joined, are a relay between TLS and a Unix socket."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

CLOSE_TIMEOUT_S = 2.0  # how long a peer may take to answer that the connection is closed


class End(asyncio.Protocol):
    """One end of a relayed connection: what comes in goes to the other end, as fast as that takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        # No asyncio.Event: that takes 900 bytes, twice for each of thousands of devices.
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._other: End | None = None
        self._bytes_left: int | None = None

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on, None for none."""
        found: str | None = self._tls().selected_alpn_protocol()
        return found

    @property
    def certificate(self) -> bytes | None:
        """The peer's certificate, DER, its chain checked; None where it showed none."""
        return self._tls().getpeercert(binary_form=True)

    def join(self, other: End, max_bytes: int | None) -> None:
        """Give what the other end takes in to this one; max_bytes: what this end may send in all."""
        self._other, other._other = other, self
        self._bytes_left = max_bytes

    def begin(self) -> None:
        """Give what this end takes in to the other one, now that it is connected."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection and what was not sent yet."""
        if hasattr(self, "transport"):
            self.transport.abort()

    async def finish(self) -> None:
        """Close the connection in any case."""
        if not hasattr(self, "transport"):
            return
        self.transport.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.until_lost()
        except TimeoutError:
            self.transport.abort()

    async def until_lost(self) -> None:
        """Wait until the connection is gone."""
        await asyncio.shield(self._lost)  # who gives up waiting leaves it to the others

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and read nothing before the other end is there."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's has its methods and not its class
        if self._other is None:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on what came in, as long as this end may send."""
        if self._other is None:
            return
        if self._bytes_left is not None:
            self._bytes_left -= len(data)
            if self._bytes_left < 0:
                self.transport.abort()
                return
        self._other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end too."""
        if not self._lost.done():
            self._lost.set_result(None)
        if self._other is not None and hasattr(self._other, "transport"):
            self._other.transport.close()

    def pause_writing(self) -> None:
        """Let the other end read no more for now."""
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other end read again."""
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def _tls(self) -> ssl.SSLObject:
        found = self.transport.get_extra_info("ssl_object")
        if not isinstance(found, ssl.SSLObject):
            raise TypeError("the connection is not encrypted")
        return found
