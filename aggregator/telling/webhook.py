"""Delivers by HTTPS POST, signed as aggregator/fleet/hooks.py says; no redirect is followed."""

from __future__ import annotations

import asyncio
import socket
import ssl

import httpx

from aggregator.fleet.hooks import DELIVERY, SIGNATURE, Delivery, Hook, may_be_told, signature
from aggregator.telling.ports import NotDelivered

TIMEOUT_S = 10.0
STEPS = 3  # to connect, to send, to answer
GONE = 410  # RFC 9110, 15.5.11: the place asks for no more


class WebhookSender:
    """context: whom it trusts; the system's authorities by default. timeout_s: of each step."""

    def __init__(self, context: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            verify=context or ssl.create_default_context(),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,  # a proxy named in the environment is no place that an administrator chose
            headers={"User-Agent": "aidpost-aggregator"},
        )

    async def send(self, hook: Hook, key: bytes, delivery: Delivery, unix_s: int) -> None:
        """Post the body; any answer from 200 to 299 is an arrival. Raises NotDelivered."""
        body = delivery.body.encode()
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: signature(key, unix_s, body),
            DELIVERY: str(delivery.number),
        }
        try:
            await _refuse_odd_addresses(hook.url)
            # Streamed, and closed unread: an endless answer costs nothing, nor does one that drips.
            async with (
                asyncio.timeout(STEPS * self._timeout_s),
                self._client.stream("POST", hook.url, content=body, headers=headers) as response,
            ):
                status = response.status_code
        except TimeoutError as error:
            raise NotDelivered("it took too long to answer") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise NotDelivered(f"{type(error).__name__}: {error}"[:200]) from error
        if not 200 <= status < 300:
            raise NotDelivered(f"it answered {status}", gone=status == GONE)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _refuse_odd_addresses(url: str) -> None:
    """Raise NotDelivered where a name leads to an address at which no hook may be; OSError for no address.

    Whoever answers for the name may change its address in the next moment; the certificate that the place has
    to show for its name is what then stands against it.
    """
    parts = httpx.URL(url)
    loop = asyncio.get_running_loop()
    for *_, address in await loop.getaddrinfo(parts.raw_host, parts.port or 443, type=socket.SOCK_STREAM):
        if not may_be_told(str(address[0])):
            raise NotDelivered(f"{parts.host} leads to {address[0]}, where nobody is told anything")
