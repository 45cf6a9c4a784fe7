"""Bundles of software over the link: read where they are needed, within what one update may take.

A bundle does not lie on the disk: the installer asks for those of its blocks that neither slot holds, and
each is fetched as it is asked for. A lost link and spent bytes of the day only take time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from firmware.updater import Source, UpdateFailed
from firmware.uplink.artifact_calls import NotOffered, OtherSize
from firmware.uplink.backoff import Backoff
from firmware.uplink.errors import LinkLost, UplinkError
from trust.state import Artifact

log = structlog.get_logger()


class Ranges(Protocol):
    """Reads a part of a file by its digest."""

    async def read(self, digest: bytes, offset: int, count: int) -> bytes:
        """Return so many bytes, fewer at its end. Raises UplinkError."""

    async def close(self) -> None:
        """Give back what it is read over."""


class Bundles:
    """most_bytes: of the link, for one update. until_free: returns once nobody is served."""

    def __init__(
        self,
        ranges: Ranges,
        backoff: Backoff,
        most_bytes: int,
        until_free: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ranges = ranges
        self._backoff = backoff
        self._most_bytes = most_bytes
        self._until_free = until_free
        self._sleep = sleep

    @asynccontextmanager
    async def over_the_link(self, artifact: Artifact) -> AsyncIterator[Source]:
        """Yield a bundle that is fetched as it is read."""
        over = _OverTheLink(
            artifact, self._ranges, self._backoff, self._most_bytes, self._until_free, self._sleep
        )
        try:
            yield over
        finally:
            log.info("bundle read", taken_bytes=over.taken_bytes, of_bytes=artifact.size_bytes)
            await self._ranges.close()


class _OverTheLink:
    def __init__(
        self,
        artifact: Artifact,
        ranges: Ranges,
        backoff: Backoff,
        most_bytes: int,
        until_free: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._artifact = artifact
        self._ranges = ranges
        self._backoff = backoff
        self._most_bytes = most_bytes
        self._until_free = until_free
        self._sleep = sleep
        self.taken_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self._artifact.size_bytes

    async def read(self, offset: int, count: int) -> bytes:
        if self.taken_bytes + count > self._most_bytes:
            raise UpdateFailed(
                f"more than {self._most_bytes / 1e6:.0f} of its {self.size_bytes / 1e6:.0f} MB are not here: "
                f"desire settings.updates.most_mb of up to {self.size_bytes / 1e6:.0f} to allow that"
            )
        self.taken_bytes += count
        digest = bytes.fromhex(self._artifact.digest)
        while True:
            await self._until_free()
            try:
                data = await self._ranges.read(digest, offset, count)
            except (NotOffered, OtherSize) as fault:
                raise UpdateFailed(str(fault)) from fault
            except UplinkError as fault:
                wait_s = self._backoff.next_s(fault.retry_after_s if isinstance(fault, LinkLost) else None)
                log.info("bundle waits", wait_s=round(wait_s), reason=str(fault))
                await self._sleep(wait_s)
                continue
            if len(data) == count:
                self._backoff.reset()
                return data
            # The bytes of the day ended within the range: what came is of no use without the rest.
            await self._sleep(self._backoff.next_s())
