"""The guard's device key as `cryptography` wants a key, to sign requests and certificates with."""

from __future__ import annotations

from typing import NoReturn

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from trust.keys.guard import KeyGuard


class GuardedKey(ec.EllipticCurvePrivateKey):
    """Lets the X.509 builders of `cryptography` sign with what a guard holds; everything else is refused."""

    def __init__(self, guard: KeyGuard) -> None:
        self._guard = guard

    @property
    def curve(self) -> ec.EllipticCurve:
        """The one curve of this project."""
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        """Bits."""
        return self.curve.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half."""
        return self._guard.public_key()

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:  # type: ignore[override]
        """Sign with ECDSA and SHA-256; raises GuardError, and ValueError for any other algorithm."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed) or not isinstance(algorithm, hashes.SHA256):
            raise ValueError("this key signs SHA-256 alone")
        return self._guard.sign(bytes(data))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        """Refuse: the key signs only."""
        raise NotImplementedError("the key signs only")

    def private_numbers(self) -> NoReturn:
        """Refuse: the key is never seen."""
        raise NotImplementedError("the key is never seen")

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,  # noqa: A002 -- the library's own name
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> NoReturn:
        """Refuse: the key is never seen."""
        raise NotImplementedError("the key is never seen")

    def __copy__(self) -> GuardedKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> GuardedKey:
        return self
