"""Who is connected: one live stream for each device, and the newest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aggregator.link.ending import LinkEnded, superseded


class Presence:
    """The live streams by device; each learns through its future that it has to end."""

    def __init__(self) -> None:
        self._live: dict[str, asyncio.Future[LinkEnded]] = {}
        self._closed_with: LinkEnded | None = None

    @contextmanager
    def joined(self, device_id: str) -> Iterator[asyncio.Future[LinkEnded]]:
        """Be the device's live stream; yields the future that is set when the stream has to end."""
        ended: asyncio.Future[LinkEnded] = asyncio.get_running_loop().create_future()
        if self._closed_with is not None:
            ended.set_result(self._closed_with)
        elif (older := self._live.get(device_id)) is not None and not older.done():
            older.set_result(superseded())
        self._live[device_id] = ended
        try:
            yield ended
        finally:
            if self._live.get(device_id) is ended:
                del self._live[device_id]

    def connected(self) -> frozenset[str]:
        """Return the identifiers of the devices that have a live stream."""
        return frozenset(self._live)

    def end(self, device_id: str, reason: LinkEnded) -> None:
        """End the device's live stream, if it has one."""
        ended = self._live.get(device_id)
        if ended is not None and not ended.done():
            ended.set_result(reason)

    def close(self, reason: LinkEnded) -> None:
        """End all streams, and every one that comes later."""
        self._closed_with = reason
        for ended in self._live.values():
            if not ended.done():
                ended.set_result(reason)
