"""What is stored of an entry, sealed under a key of its own, and that key wrapped: AES-256-GCM throughout.

An entry is shredded by wrapping the keys of all others under a new key, and overwriting the former one.
Nonces are random, 96 bits, as for sealed entries (`sealing`).
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trust.gallery.errors import EntryRefused
from trust.gallery.sealing import NONCE_BYTES
from trust.keys.secret import SecretKey

KEY_BYTES = 32
WRAP_ID_BYTES = 8
_WRAPPED = b"aidpost entry key 1"
_SEALED = b"aidpost entry 1"


class EntrySeal:
    """Seals and opens what is stored of one entry."""

    def __init__(self, entry_id: bytes, key: bytes) -> None:
        """key: random, KEY_BYTES long."""
        self._entry_id = entry_id
        self._cipher = AESGCM(key)
        self._bound_to = _SEALED + entry_id

    def seal(self, content: bytes) -> bytes:
        """Return nonce, ciphertext and tag; 28 bytes more than `content`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, self._bound_to)

    def opened(self, sealed: bytes) -> bytes:
        """Return what was sealed. Raises EntryRefused."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._bound_to)
        except (InvalidTag, ValueError) as error:
            raise EntryRefused(f"what is stored of the entry {self._entry_id.hex()} does not open") from error


class WrappingKey:
    """Wraps the keys of entries. wrap_id: stands before what it wrapped, WRAP_ID_BYTES."""

    def __init__(self, wrap_id: bytes, key: SecretKey) -> None:
        """key: stays open as long as this is used; `close` closes it."""
        self.wrap_id = wrap_id
        self.key = key
        with key.view() as view:
            self._cipher = AESGCM(view)

    def wrap(self, entry_id: bytes, key: bytes) -> bytes:
        """Return the key of an entry for its row: WRAP_ID_BYTES and 60 more."""
        nonce = os.urandom(NONCE_BYTES)
        return self.wrap_id + nonce + self._cipher.encrypt(nonce, key, _WRAPPED + entry_id)

    def unwrapped(self, entry_id: bytes, wrapped: bytes) -> bytes:
        """Return the key of an entry. Raises EntryRefused."""
        nonce, sealed = wrapped[WRAP_ID_BYTES:][:NONCE_BYTES], wrapped[WRAP_ID_BYTES + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, _WRAPPED + entry_id)
        except (InvalidTag, ValueError) as error:
            raise EntryRefused(f"the key of the entry {entry_id.hex()} does not open") from error

    def close(self) -> None:
        """Overwrite the key. May be called twice."""
        self.key.close()
