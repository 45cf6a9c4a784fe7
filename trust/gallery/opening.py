"""The key pair with which an appliance opens what a custodian wrapped for it: HPKE (RFC 9180).

ML-KEM-768 and X25519 together (the hybrid of draft-ietf-hpke-pq): templates that somebody copies today must
still be closed when a quantum computer opens X25519, and ML-KEM alone is young.
"""

from __future__ import annotations

from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trust.gallery.errors import CardRefused, RosterRefused
from trust.keys.secret import SecretKey

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MLKEM_BYTES = 1184  # FIPS 203, table 3
_X25519_BYTES = 32
PUBLIC_BYTES = _MLKEM_BYTES + _X25519_BYTES


class ApplianceKeys:
    """What an appliance opens wrapped keys with, and signs its changes of a gallery with.

    Both are derived from the key of its store, which the key guard holds: nothing more has to be kept, and
    they are gone when the guard's keys are destroyed. They live in OpenSSL's memory while the process runs.
    """

    def __init__(self, opening: MLKEM768X25519PrivateKey, public: bytes, author: Ed25519PrivateKey) -> None:
        self._opening = opening
        self.public = public
        """1,216 bytes: ML-KEM-768's, then X25519's."""
        self.author = author

    @classmethod
    def derived(cls, store_key: SecretKey) -> Self:
        """Derive them by HKDF-SHA-256 (RFC 5869), one label each."""
        with (
            _derived(store_key, "ML-KEM-768", 64) as mlkem_seed,
            _derived(store_key, "X25519", 32) as x25519_seed,
            _derived(store_key, "Ed25519", 32) as author_seed,
            mlkem_seed.view() as mlkem_view,
            x25519_seed.view() as x25519_view,
            author_seed.view() as author_view,
        ):
            mlkem = MLKEM768PrivateKey.from_seed_bytes(mlkem_view)
            x25519 = X25519PrivateKey.from_private_bytes(x25519_view)
            author = Ed25519PrivateKey.from_private_bytes(author_view)
        public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return cls(MLKEM768X25519PrivateKey(mlkem, x25519), public, author)

    @property
    def author_public(self) -> bytes:
        """32 bytes (RFC 8032)."""
        return self.author.public_key().public_bytes_raw()

    def unwrap(self, wrapped: bytes, context: bytes) -> SecretKey:
        """Return what was wrapped for this appliance. Raises RosterRefused."""
        try:
            return SecretKey.taken_from(bytearray(_SUITE.decrypt(wrapped, self._opening, context)))
        except (InvalidTag, ValueError) as error:
            raise RosterRefused(
                "the gallery's key was not wrapped for this appliance, or the roster was changed: let the "
                "custodian wrap it for this appliance's present card"
            ) from error


def wrap(secret: bytes | memoryview, public: bytes, context: bytes) -> bytes:
    """Return `secret` so that the holder of `public` alone can open it. Raises CardRefused for no key."""
    try:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_BYTES]),
            X25519PublicKey.from_public_bytes(public[_MLKEM_BYTES:]),
        )
        return _SUITE.encrypt(secret, key, context)
    except ValueError as error:
        raise CardRefused("the card's key is none that a gallery can be wrapped for") from error


def _derived(store_key: SecretKey, label: str, size: int) -> SecretKey:
    key = SecretKey(size)
    with store_key.view() as material, key.view() as out:
        info = b"aidpost gallery keys 1\0" + label.encode()
        HKDF(SHA256(), size, None, info).derive_into(material, out)
    return key
