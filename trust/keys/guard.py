"""The port: what the store and the device's identity ask of whatever guards the keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, unique
from typing import TYPE_CHECKING, Self

from trust.keys.secret import SecretKey

if TYPE_CHECKING:  # the service that opens the data partition takes half the time without it
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

STORE_KEY_BYTES = 32  # AES-256


@unique
class GuardKind(Enum):
    """Where the secret lies that opens the keys. `docs/keys.md` says what each one promises."""

    FILE = "file"
    PIN = "pin"
    OTP = "otp"
    TPM = "tpm"


class KeyGuard(ABC):
    """An open guard, for one process: the key of the store, and the key that proves which device this is.

    Methods raise GuardError and its kinds, and may be called from any thread.
    """

    kind: GuardKind

    @abstractmethod
    def store_key(self) -> SecretKey:
        """Return the store's key, `STORE_KEY_BYTES` long; the caller closes it."""

    @abstractmethod
    def public_key(self) -> EllipticCurvePublicKey:
        """Return the public half of the device key, on P-256."""

    @abstractmethod
    def sign(self, data: bytes) -> bytes:
        """Return the device's ECDSA signature of the SHA-256 digest of `data`, as DER (RFC 3279)."""

    @abstractmethod
    def destroy(self, reason: str) -> None:
        """Make both keys unrecoverable for this card, and remember why; the guard is closed afterwards.

        Every later opening raises KeysDestroyed with `reason`. May be called twice.
        """

    @abstractmethod
    def close(self) -> None:
        """Overwrite the keys in memory. May be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
