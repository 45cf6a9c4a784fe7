"""What delivers something to one kind of place."""

from __future__ import annotations

from typing import Protocol

from aggregator.fleet.hooks import Delivery, Hook


class NotDelivered(Exception):
    """It did not arrive; the message says why, in words for the desk. gone: it never will there."""

    def __init__(self, why: str, *, gone: bool = False) -> None:
        super().__init__(why)
        self.gone = gone


class Sender(Protocol):
    """Delivers to URLs or to mailboxes."""

    async def send(self, hook: Hook, key: bytes, delivery: Delivery, unix_s: int) -> None:
        """Deliver once; raises NotDelivered. key: signs; unix_s: the time that is signed with it."""

    async def close(self) -> None:
        """Close what is open."""
