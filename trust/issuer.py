"""The key of whoever plans a distribution or a clinic's day, or answers for the data: it signs offline.

One Ed25519 key in a file; appliances name its public half in `[issuer] keys`. What it signs, lists, cards and
policies, begins with what it is, so that no card is a list.
"""

from __future__ import annotations

import os
from enum import Enum, unique
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

SIGNATURE_BYTES = 64
PUBLIC_KEY_BYTES = 32


@unique
class Signs(Enum):
    """What a signature is on."""

    LIST = b"aidpost list 1\0"
    CARD = b"aidpost card 1\0"
    POLICY = b"aidpost policy 1\0"
    EXPORT = b"aidpost export 1\0"


class IssuerKeyUnusable(Exception):
    """The file of the key cannot be read or made; the message says what to do."""


class IssuerKey:
    """The private key. Whoever has its file can make lists and cards that the appliances take for real."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        """32 bytes, RFC 8032."""

    @classmethod
    def new(cls) -> Self:
        """Return a key that is in no file."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a key in a new file that its owner alone can read. Raises IssuerKeyUnusable."""
        made = cls.new()
        pem = made._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError as error:
            raise IssuerKeyUnusable(f"{path} is there already: name a new file") from error
        except OSError as error:
            raise IssuerKeyUnusable(
                f"cannot write {path} ({error.strerror}): name a file in a folder that is yours"
            ) from error
        return made

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file. Raises IssuerKeyUnusable."""
        try:
            if path.stat().st_mode & 0o077:
                raise IssuerKeyUnusable(f"others can read {path}: chmod 600 it, and ask who has read it")
            key = load_pem_private_key(path.read_bytes(), None)
        except OSError as error:
            raise IssuerKeyUnusable(
                f"cannot read {path} ({error.strerror}): `aidpost cards keys new` makes a key"
            ) from error
        except (ValueError, TypeError) as error:
            raise IssuerKeyUnusable(f"{path} is no key: put back the file from a copy") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise IssuerKeyUnusable(f"{path} is no Ed25519 key: put back the file from a copy")
        return cls(key)

    def sign(self, what: Signs, statement: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._key.sign(what.value + statement)


def signature_holds(public_key: bytes, what: Signs, statement: bytes, signature: bytes) -> bool:
    """Whether this key (32 bytes) signed the statement; False for what is no key at all."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, what.value + statement)
    except (InvalidSignature, ValueError):
        return False
    return True
