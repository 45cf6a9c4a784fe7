"""Keys encrypted under another key: AES-256-GCM, bound to what they are for."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from trust.keys.errors import KeysDamaged
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey

KEK_BYTES = 32
_NONCE_BYTES = 12  # SP 800-38D §8.2.2: random; each key-encryption key seals a handful of values in its life
_TAG_BYTES = 16


def derived(secret: SecretKey, salt: bytes, guard: GuardKind) -> SecretKey:
    """Return the key-encryption key of a guard whose secret is uniformly random: HKDF-SHA-256 (RFC 5869)."""
    key = SecretKey(KEK_BYTES)
    with secret.view() as material, key.view() as out:
        HKDF(SHA256(), KEK_BYTES, salt, context_of(guard, "key encryption")).derive_into(material, out)
    return key


def wrap(kek: SecretKey, value: memoryview | bytes, context: bytes) -> bytes:
    """Return nonce, ciphertext and tag of `value`, bound to `context`."""
    nonce = os.urandom(_NONCE_BYTES)
    with kek.view() as key:
        return nonce + AESGCM(key).encrypt(nonce, value, context)


def unwrap(kek: SecretKey, wrapped: bytes, context: bytes) -> SecretKey:
    """Return what was wrapped. Raises KeysDamaged when `kek`, the value or the context is another."""
    value = SecretKey(max(1, len(wrapped) - _NONCE_BYTES - _TAG_BYTES))
    try:
        with kek.view() as key, value.view() as out:
            AESGCM(key).decrypt_into(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context, out)
    except (InvalidTag, ValueError) as error:
        value.close()
        raise KeysDamaged(
            "the keys do not open: their file was changed, or it belongs to another card, board or TPM; put "
            "back the file of this store"
        ) from error
    return value


def context_of(guard: GuardKind, use: str) -> bytes:
    """Return what binds a guard's key to the guard and to its use, such as "store" or "device"."""
    return f"aidpost keys 1\0{guard.value}\0{use}".encode()
