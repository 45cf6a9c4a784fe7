"""One change of a gallery: an entry's next version or its erasure, signed by the appliance that made it.

Each author numbers its changes without a gap and chains them, so that whoever hands them on can hold changes
back, and not unseen; it can make, alter, repeat or reorder none. A change that another one has replaced goes
on without its sealed parts: their digests are signed, so the chain still holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, unique
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from trust.gallery import fields
from trust.gallery.sealing import NONCE_BYTES, TAG_BYTES, SealedModality

LINK_BYTES = 32
SIGNATURE_BYTES = 64
ENTRY_ID_BYTES = 16
NO_ENTRY = bytes(ENTRY_ID_BYTES)
# 6,000 minutiae; a change is one message, and an appliance takes 64 KiB in one
MAX_SEALED_BYTES = 48 * 1024 + NONCE_BYTES + TAG_BYTES
MAX_SEEN = 64


@unique
class Kind(IntEnum):
    """What a change does. Nothing follows an erasure.

    SEEN: changes no entry; its author says once a day that it is there, and what it has seen.
    """

    PUT = 1
    ERASE = 2
    SEEN = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One sealed modality; digest: SHA-256 of `sealed`, which is None where the version was replaced."""

    modality: SealedModality
    digest: bytes
    sealed: bytes | None

    @classmethod
    def of(cls, modality: SealedModality, sealed: bytes) -> Self:
        """Return a part with its digest."""
        return cls(modality, hashlib.sha256(sealed).digest(), sealed)


@dataclass(frozen=True, slots=True)
class Change:
    """author: the member's number. seq: of its changes, from 1. before: the link of its change before.

    version: of the entry, from 1. seen: up to which number the author held the changes of others, where that
    rose since its last change.
    """

    gallery_id: bytes
    author: int
    seq: int
    before: bytes
    epoch: int
    entry_id: bytes
    version: int
    kind: Kind
    parts: tuple[Part, ...] = ()
    seen: tuple[tuple[int, int], ...] = ()
    signature: bytes = b""

    def signed(self, key: Ed25519PrivateKey) -> Change:
        """Return it with the author's signature."""
        return replace(self, signature=key.sign(self._statement()))

    def is_by(self, author_key: bytes) -> bool:
        """Whether the holder of this key (Ed25519, 32 bytes) signed it."""
        try:
            Ed25519PublicKey.from_public_bytes(author_key).verify(self.signature, self._statement())
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def link(self) -> bytes:
        """What the author's next change is chained to."""
        return hashlib.sha256(self._statement()).digest()

    @property
    def is_whole(self) -> bool:
        """Whether every sealed part is here."""
        return all(part.sealed is not None for part in self.parts)

    def replaced(self) -> Change:
        """Return what stays of it once a newer version exists."""
        return replace(self, parts=tuple(replace(part, sealed=None) for part in self.parts))

    def _statement(self) -> bytes:
        numbers = (self.author, self.epoch, self.version, self.kind)
        seen = [number.to_bytes(8, "big") for pair in self.seen for number in pair]
        parts = [fields.join([bytes([part.modality]), part.digest]) for part in self.parts]
        return fields.join(
            [
                b"aidpost gallery change 1",
                self.gallery_id,
                *(number.to_bytes(4, "big") for number in numbers),
                self.seq.to_bytes(8, "big"),
                self.before,
                self.entry_id,
                fields.join(parts),
                fields.join(seen),
            ]
        )


def first_link(gallery_id: bytes, author_key: bytes) -> bytes:
    """Return what an author's first change of a gallery is chained to."""
    return hashlib.sha256(fields.join([b"aidpost gallery author 1", gallery_id, author_key])).digest()


def modalities_once(parts: Sequence[Part]) -> bool:
    """Whether no modality stands there twice."""
    return len({part.modality for part in parts}) == len(parts)
