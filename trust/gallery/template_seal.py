"""A template that is compared in the clear, sealed for all the time between: AES-256-GCM, bound to its entry.

Nonces are random, 96 bits, as for sealed entries (`sealing`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trust.gallery import fields
from trust.gallery.errors import EntryRefused
from trust.gallery.sealing import NONCE_BYTES
from trust.keys.secret import SecretKey

_PURPOSE = b"aidpost template 1"


def seal_template(key: SecretKey, entry_id: bytes, content: bytes) -> bytes:
    """Return nonce, ciphertext and tag; as long as `content` and 28 bytes."""
    nonce = os.urandom(NONCE_BYTES)
    with key.view() as view:
        return nonce + AESGCM(view).encrypt(nonce, content, fields.join([_PURPOSE, entry_id]))


def unseal_templates(key: SecretKey, entry_id: bytes, sealed: Sequence[bytes]) -> list[bytes]:
    """Return what was sealed for this entry. Raises EntryRefused.

    Several at a time, as the cipher made ready takes longer than a template's decryption.
    """
    with key.view() as view:
        cipher = AESGCM(view)
    bound_to = fields.join([_PURPOSE, entry_id])
    try:
        return [cipher.decrypt(each[:NONCE_BYTES], each[NONCE_BYTES:], bound_to) for each in sealed]
    except (InvalidTag, ValueError) as error:
        raise EntryRefused(
            f"a template of the entry {entry_id.hex()} does not open: it was changed, moved from another "
            "entry, or sealed under another key; remove the entry and register the person again"
        ) from error
