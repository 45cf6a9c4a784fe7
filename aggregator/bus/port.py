"""What a worker needs of the bus. Nothing that counts goes over it alone: all is in the store.

What is lost on it is found at the device's next hello, and by a look every half a minute.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec


class Ended(msgspec.Struct, frozen=True):
    """A device's streams have to end: those with a number below `stream`, all for 0.

    code: name of the gRPC status. retry_s: when the device is to come again, None where it decides.
    """

    device_id: str
    stream: int
    code: str
    message: str
    retry_s: float | None = None


class Listener(Protocol):
    """What a worker does with what others say; called in its event loop."""

    def woken(self, device_ids: Collection[str]) -> None:
        """Something may wait for these devices."""

    def woken_all(self) -> None:
        """Something may wait for any device."""

    def ended(self, what: Ended) -> None:
        """Another worker ends a device's stream."""

    def told(self, command_id: bytes, lines: tuple[str, ...] | None) -> None:
        """A device at another worker tells lines of its log, None at their end."""


class Bus(Protocol):
    """No method waits for the network, and none fails: who is not reached finds out by looking."""

    async def start(self, listener: Listener) -> None:
        """Begin to hear others."""

    async def stop(self) -> None:
        """Say what was not said yet, and hear nobody any more."""

    def holding(self, device_id: str) -> AbstractContextManager[None]:
        """Hear what concerns a device as long as its stream is here."""

    def following(self, command_id: bytes) -> AbstractContextManager[None]:
        """Hear the lines that a device tells for a command at another worker."""

    def tell(self, command_id: bytes, lines: tuple[str, ...] | None) -> None:
        """Pass lines on to whoever follows them at another worker, None at their end."""

    def wake(self, device_ids: Collection[str]) -> None:
        """Tell whoever holds the streams of these devices to look."""

    def wake_all(self) -> None:
        """Tell all workers to look for all devices."""

    def end(self, what: Ended) -> None:
        """Tell whoever holds the stream to end it."""
