"""The key that signs what devices may hold against the aggregator: receipts for what it holds."""

from __future__ import annotations

import os
import secrets
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


class ReceiptKeyUnusable(Exception):
    """The file of the key cannot be read or made; the message says what to do."""


class ReceiptKey:
    """An Ed25519 key in a file; devices know its public half: back it up with the store."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, receipt: Receipt) -> bytes:
        """Return the signature."""
        return receipt.signed(self._key)

    @classmethod
    def of(cls, path: Path) -> ReceiptKey:
        """Read the key, or make it. Raises ReceiptKeyUnusable."""
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
    path.parent.mkdir(mode=0o700, exist_ok=True)
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError:
        return path.read_bytes()  # workers that start together have one key: of the first
    finally:
        partial.unlink()
    return pem
