"""The key that signs what devices may hold against the aggregator: receipts for what it holds."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from trust.chain import Receipt

SUFFIX = ".receipt-key.pem"


class ReceiptKeyUnusable(Exception):
    """The file of the key cannot be read or made; the message says what to do."""


class ReceiptKey:
    """An Ed25519 key in a file beside the store; devices know its public half: back it up too."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, receipt: Receipt) -> bytes:
        """Return the signature."""
        return receipt.signed(self._key)

    @classmethod
    def beside(cls, store: Path) -> ReceiptKey:
        """Read the key of this store, or make it. Raises ReceiptKeyUnusable."""
        path = store.with_name(store.name + SUFFIX)
        try:
            try:
                pem = path.read_bytes()
            except FileNotFoundError:
                pem = _made(path)
            key = load_pem_private_key(pem, None)
        except OSError as error:
            raise ReceiptKeyUnusable(
                f"cannot read or make {path} ({error.strerror}): check the folder and its rights"
            ) from error
        except (ValueError, TypeError) as error:
            raise ReceiptKeyUnusable(f"{path} is no key: put back the file of this store") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ReceiptKeyUnusable(f"{path} is no Ed25519 key: put back the file of this store")
        return cls(key)


def _made(path: Path) -> bytes:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return pem
