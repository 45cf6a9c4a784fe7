"""Numbers drawn from a gallery's protection key, the same on every machine."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Doubles: TypeAlias = NDArray[np.float64]
Secret: TypeAlias = bytes | bytearray | memoryview

KEY_BYTES = 32
KEY_ID_BYTES = 8
"""Names a key; of a million galleries two share one with a chance of 3e-8."""

_BLOCK_BYTES = 136  # the rate of SHAKE-256
_PURPOSE = b"aidpost template protection 1 "


class KeyStream:
    """Independent streams of one key, each by its label: SHAKE-256 of a block that begins with the key.

    That is the keyed sponge that KMAC256 is (NIST SP 800-185), without its encodings. Bytes are equal
    everywhere. Normal numbers are made from them with the logarithm and cosine of the machine, so they may
    differ by some 1e-15 of their size between machines.
    """

    def __init__(self, secret: Secret) -> None:
        """secret: `KEY_BYTES` long, used while this object lives; the caller overwrites it."""
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a protection key has {KEY_BYTES} bytes, not {len(secret)}")
        self._secret = secret

    def key_id(self) -> bytes:
        """Return what names the key without telling anything of it, `KEY_ID_BYTES` long."""
        return self.stream("id", KEY_ID_BYTES)

    def stream(self, label: str, size: int) -> bytes:
        """Return `size` bytes that nobody without the key can tell from random ones."""
        sponge = hashlib.shake_256(self._secret)
        sponge.update(bytes(_BLOCK_BYTES - KEY_BYTES))
        sponge.update(_PURPOSE + label.encode())
        return sponge.digest(size)

    def normals(self, label: str, *shape: int) -> Doubles:
        """Return standard normal numbers (G. E. P. Box, M. E. Muller, Ann. Math. Stat. 29, 1958)."""
        count = int(np.prod(shape))
        pairs = -(-count // 2)
        words = np.frombuffer(self.stream(label, 16 * pairs), "<u8")
        uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # above 0, below 1
        radius = np.sqrt(-2 * np.log(uniform[:pairs]))
        angle = 2 * np.pi * uniform[pairs:]
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count].reshape(shape)

    def integers(self, label: str, below: int, count: int) -> NDArray[np.int64]:
        """Return `count` integers from 0 to below - 1; the bias of the remainder is below `below` / 2**64."""
        words = np.frombuffer(self.stream(label, 8 * count), "<u8")
        return (words % np.uint64(below)).astype(np.int64)

    def permutation(self, label: str, length: int) -> NDArray[np.intp]:
        """Return an order of `length` things."""
        return np.argsort(np.frombuffer(self.stream(label, 8 * length), "<u8"), kind="stable")


def rotation(keys: KeyStream, label: str, length: int) -> Doubles:
    """Return an orthogonal matrix, shape (length, length), each as likely as any other.

    QR of normal numbers with the signs of R's diagonal put right (F. Mezzadri, Notices of the AMS 54, 2007).
    Machines agree to 1e-12: such matrices are far from singular.
    """
    q, r = np.linalg.qr(keys.normals(label, length, length))
    return np.asarray(q * np.sign(np.diag(r)), np.float64)
