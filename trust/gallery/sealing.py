"""A sealed entry: AES-256-GCM under the gallery's key of one epoch, bound to exactly one place.

The associated data are gallery, epoch, entry, modality and version: what is moved to another place does not
open. Nonces are random, 96 bits (SP 800-38D, 8.2.2): no counter has to survive a restored backup or a copied
card. A key may seal 2^32 times (8.3 there); a gallery of 10,000 entries that is sealed anew a thousand times
under one key is 2^24.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum, unique

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trust.gallery import fields
from trust.gallery.errors import EntryRefused
from trust.keys.secret import SecretKey

NONCE_BYTES = 12
TAG_BYTES = 16
SMALLEST_BYTES = 64
"""Lengths are rounded up to 64, 96, 128, 192, 256, 384 bytes and so on. They do not tell how long a card
number is, and how many minutiae there are, 8 bytes each, to some third: finer ones would link a person's
fingers in two galleries."""
_PAD = b"\x80"


@unique
class SealedModality(IntEnum):
    """What is in a sealed part; a person who gave both has two."""

    FACE = 1
    FINGER = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed part stands; gallery_id, entry_id: 16 random bytes each."""

    gallery_id: bytes
    epoch: int
    entry_id: bytes
    modality: SealedModality
    version: int

    def associated_data(self) -> bytes:
        """Return what a sealed part is bound to."""
        numbers = [each.to_bytes(4, "big") for each in (self.epoch, self.modality, self.version)]
        return fields.join([b"aidpost gallery entry 1", self.gallery_id, self.entry_id, *numbers])


def seal(key: SecretKey, place: Place, content: bytes) -> bytes:
    """Return nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    with key.view() as view:
        return nonce + AESGCM(view).encrypt(nonce, _padded(content), place.associated_data())


def unseal(key: SecretKey, place: Place, sealed: bytes) -> bytes:
    """Return what was sealed for this place. Raises EntryRefused."""
    try:
        with key.view() as view:
            padded = AESGCM(view).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.associated_data())
    except (InvalidTag, ValueError) as error:
        raise EntryRefused(
            f"version {place.version} of the entry {place.entry_id.hex()} does not open at its place: it was "
            "changed, moved, or sealed under another key"
        ) from error
    content, pad, _ = padded.rpartition(_PAD)
    if not pad:
        raise EntryRefused(f"version {place.version} of the entry {place.entry_id.hex()} is not padded")
    return content


def _padded(content: bytes) -> bytes:
    """ISO/IEC 7816-4: one byte 0x80, then zeros."""
    size = SMALLEST_BYTES
    while size <= len(content):
        size = size * 3 // 2 if size.bit_count() == 1 else size // 3 * 4
    return content + _PAD + bytes(size - len(content) - 1)
