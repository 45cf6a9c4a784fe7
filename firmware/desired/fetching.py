"""Fetches one file after the other onto the shelf; a broken link costs the piece that was under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import structlog

from firmware.desired.shelf import Shelf
from firmware.uplink.artifact_calls import NotOffered, OtherSize
from firmware.uplink.backoff import Backoff
from firmware.uplink.errors import LinkLost, UplinkError
from trust.state import Artifact, Refusal

PIECE_BYTES = 256 << 10  # written down at once: one flush of a card takes some 10 ms
MOST_WRONG = 2
"""So often a file may come that is not the one of its digest: once a card may have been at fault."""
Download: TypeAlias = Callable[[bytes, int], AsyncIterator[bytes]]
log = structlog.get_logger()


class Fetching:
    """download: yields a file's bytes by its digest, from an offset on; raises UplinkError."""

    def __init__(
        self,
        shelf: Shelf,
        download: Download,
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._shelf = shelf
        self._download = download
        self._backoff = backoff
        self._sleep = sleep

    async def fetch(self, artifact: Artifact) -> Refusal | None:
        """Have the file on the shelf, however long that takes; returns why it cannot be. Raises OSError."""
        field, wrong = f"artifacts.{artifact.kind.value}", 0
        while not await asyncio.to_thread(self._shelf.is_held, artifact):
            if not await asyncio.to_thread(self._shelf.room_for, artifact):
                megabytes = artifact.size_bytes / 1e6
                return Refusal(
                    field, f"the disk has no room for its {megabytes:.0f} MB: free some space first"
                )
            try:
                await self._receive(artifact)
            except NotOffered as fault:
                return Refusal(field, str(fault))
            except OtherSize:
                await asyncio.to_thread(self._shelf.discard, artifact)
            except UplinkError as fault:
                wait_s = self._backoff.next_s(fault.retry_after_s if isinstance(fault, LinkLost) else None)
                log.info("file waits", kind=artifact.kind.value, wait_s=round(wait_s), reason=str(fault))
                await self._sleep(wait_s)
                continue
            else:
                if await asyncio.to_thread(self._shelf.complete, artifact):
                    return None
            wrong += 1
            log.warning("file refused", kind=artifact.kind.value, digest=artifact.digest)
            if wrong >= MOST_WRONG:
                return Refusal(field, "what the aggregator sends is not the file of this digest: add it anew")
        return None

    async def _receive(self, artifact: Artifact) -> None:
        """Take what is missing, and no more than the file should have."""
        begun = await asyncio.to_thread(self._shelf.begun_bytes, artifact)
        gathered = bytearray()
        try:
            if begun < artifact.size_bytes:
                async for data in self._download(bytes.fromhex(artifact.digest), begun):
                    gathered += data
                    if begun + len(gathered) > artifact.size_bytes:
                        break  # another file: its digest will say so
                    if len(gathered) >= PIECE_BYTES:
                        await asyncio.to_thread(self._shelf.append, artifact, bytes(gathered))
                        begun += len(gathered)
                        gathered.clear()
                        self._backoff.reset()
        finally:
            # Also of a lost link, and of a state that is not desired any more: it may be desired again.
            self._shelf.append(artifact, bytes(gathered))
