"""The hash chain over a device's events, and what the aggregator's receipt for it says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LINK_BYTES = 32
RECEIPT_BYTES = 64
RECEIPT_KEY_BYTES = 32


def first_link(device_id: str, epoch: bytes) -> bytes:
    """Return what the first event is chained to, so that no event fits another device or outbox."""
    return hashlib.sha256(b"aidpost events 1\0" + _prefixed(device_id.encode()) + epoch).digest()


def next_link(link: bytes, canonical: bytes) -> bytes:
    """Return the chain's value after an event: SHA-256 of the value before and its canonical form."""
    return hashlib.sha256(link + canonical).digest()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the aggregator signs: it holds every event up to `seq`, and their chain ends in `link`.

    server_ns: its clock, nanoseconds since 1970 UTC.
    """

    device_id: str
    epoch: bytes
    seq: int
    link: bytes
    server_ns: int

    def signed(self, key: Ed25519PrivateKey) -> bytes:
        """Return the signature."""
        return key.sign(self._statement())

    def holds(self, public_key: bytes, signature: bytes) -> bool:
        """Whether the signature is by this key (32 bytes, RFC 8032); False for what is no key at all."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, self._statement())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _statement(self) -> bytes:
        # Every part has a fixed length or its length before it: no two receipts share a statement.
        numbers = self.seq.to_bytes(8, "big") + self.server_ns.to_bytes(8, "big")
        return b"aidpost receipt 1\0" + _prefixed(self.device_id.encode()) + self.epoch + numbers + self.link


def _prefixed(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text
