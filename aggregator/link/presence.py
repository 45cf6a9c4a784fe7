"""Who is connected: one live stream for each device, and the newest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from aggregator.bus.in_process import InProcess
from aggregator.bus.port import Bus, Ended
from aggregator.link.ending import LinkEnded, superseded


class Presence:
    """The live streams by device; each learns through its future that it has to end.

    worker: this worker's name, "" where there are no others. bus: to the others.
    """

    def __init__(self, worker: str = "", bus: Bus | None = None) -> None:
        self.worker = worker
        self.elsewhere: frozenset[str] = frozenset()
        """The devices that were connected to other workers at the last beat."""
        self._bus = bus or InProcess()
        self._live: dict[str, tuple[int, asyncio.Future[LinkEnded]]] = {}
        self._closed_with: LinkEnded | None = None

    @contextmanager
    def joined(self, device_id: str, stream: int = 0) -> Iterator[asyncio.Future[LinkEnded]]:
        """Be the device's live stream; yields the future that is set when the stream has to end.

        stream: its number among workers, 0 where there are no others.
        """
        ended: asyncio.Future[LinkEnded] = asyncio.get_running_loop().create_future()
        if self._closed_with is not None:
            ended.set_result(self._closed_with)
        elif self._live.get(device_id, (0, None))[0] > stream:
            ended.set_result(superseded())
        else:
            self.end_here(device_id, superseded(), below=stream)
            if stream:
                self._tell(device_id, superseded(), stream)
        live = (stream, ended)
        if not ended.done():
            self._live[device_id] = live
        try:
            with self._bus.holding(device_id):
                yield ended
        finally:
            if self._live.get(device_id) is live:
                del self._live[device_id]

    def connected(self) -> frozenset[str]:
        """Return the identifiers of the devices that have a live stream, at this worker or another."""
        return self.elsewhere | self._live.keys()

    def streams(self) -> dict[str, int]:
        """Return the number of each live stream of this worker, by device."""
        return {device_id: stream for device_id, (stream, _) in self._live.items()}

    def end(self, device_id: str, reason: LinkEnded) -> None:
        """End the device's live stream, if it has one, wherever it is."""
        self.end_here(device_id, reason)
        self._tell(device_id, reason, 0)

    def end_here(self, device_id: str, reason: LinkEnded, below: int = 0) -> None:
        """End the device's live stream at this worker, if its number is below, or whatever it is for 0."""
        stream, ended = self._live.get(device_id, (0, None))
        if ended is not None and not ended.done() and (not below or stream < below):
            ended.set_result(reason)

    def ended(self, what: Ended) -> None:
        """Another worker ends a device's stream."""
        reason = LinkEnded(grpc.StatusCode[what.code], what.message, what.retry_s)
        self.end_here(what.device_id, reason, below=what.stream)

    def close(self, reason: Callable[[int], LinkEnded]) -> None:
        """End all streams, and every one that comes later; reason: for one of so many others."""
        self._closed_with = reason(0)
        others = max(len(self._live) - 1, 0)
        for _, ended in self._live.values():
            if not ended.done():
                ended.set_result(reason(others))

    def _tell(self, device_id: str, reason: LinkEnded, stream: int) -> None:
        self._bus.end(Ended(device_id, stream, reason.code.name, reason.message, reason.retry_s))
