"""Face embeddings turned by an orthogonal matrix that the gallery's key draws.

Lengths and angles stay, and so does every score; the numbers themselves are of use only beside others that
were turned in the same way. Whoever has the key turns them back: see docs/template-protection.md.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.protection.key_stream import KeyStream, rotation

Floats: TypeAlias = NDArray[np.float32]

EMBEDDING_LENGTH = 128
SCORE_TOLERANCE = 1e-6
"""By which a cosine may differ from the plain one: two roundings to float32 of numbers below 1."""


class FaceRotation:
    """The rotation of one gallery, 128 KiB; wipe it with the key."""

    def __init__(self, keys: KeyStream) -> None:
        self._matrix = rotation(keys, "face rotation", EMBEDDING_LENGTH)

    def turn(self, embeddings: NDArray[np.floating]) -> Floats:
        """Return the turned embeddings; shape (128,) or (n, 128), float32, L2 norm 1 as before."""
        # In float64, so that the one rounding at the end is all that a score can change by.
        return np.asarray(embeddings.astype(np.float64) @ self._matrix.T, np.float32)

    def turn_back(self, turned: NDArray[np.floating]) -> Floats:
        """Return the embeddings as the network gave them, to float32: what the key can do."""
        return np.asarray(turned.astype(np.float64) @ self._matrix, np.float32)

    def wipe(self) -> None:
        """Overwrite the matrix."""
        self._matrix[...] = 0
