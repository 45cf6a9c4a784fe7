"""Counts what goes over the link."""

from __future__ import annotations

from trust.telemetry import LinkUse

FRAME_BYTES = 5
"""Before each message (gRPC over HTTP2, Length-Prefixed-Message); TLS and TCP come on top."""


class LinkMeter:
    """Used from the event loop. It counts on from the start of the process and is never set back."""

    def __init__(self) -> None:
        self._sent_bytes = 0
        self._received_bytes = 0
        self._connects = 0

    def connected(self) -> None:
        """A stream was opened."""
        self._connects += 1

    def sent(self, size_bytes: int) -> None:
        """One message was sent."""
        self._sent_bytes += size_bytes + FRAME_BYTES

    def received(self, size_bytes: int) -> None:
        """One message came."""
        self._received_bytes += size_bytes + FRAME_BYTES

    def used(self) -> LinkUse:
        """Return the counts so far."""
        return LinkUse(self._sent_bytes, self._received_bytes, self._connects)
