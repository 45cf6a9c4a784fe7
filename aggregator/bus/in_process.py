"""The bus of an aggregator that is one process: there is nobody else."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext

from aggregator.bus.port import Ended, Listener


class InProcess:
    """Tells nobody."""

    async def start(self, listener: Listener) -> None:
        """Nobody will speak."""

    async def stop(self) -> None:
        """Nobody spoke."""

    def holding(self, device_id: str) -> AbstractContextManager[None]:
        """Nobody has anything to say of it."""
        return nullcontext()

    def following(self, command_id: bytes) -> AbstractContextManager[None]:
        """Nobody tells lines elsewhere."""
        return nullcontext()

    def tell(self, command_id: bytes, lines: tuple[str, ...] | None) -> None:
        """Nobody follows elsewhere."""

    def wake(self, device_ids: Collection[str]) -> None:
        """Nobody else holds a stream."""

    def wake_all(self) -> None:
        """Nobody else holds a stream."""

    def end(self, what: Ended) -> None:
        """Nobody else holds a stream."""
