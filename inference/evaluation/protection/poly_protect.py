"""PolyProtect: groups of an embedding's numbers, each mapped to one by a keyed polynomial; and its inversion.

V. Krivokuca Hahn, S. Marcel, "Towards Protecting Face Embeddings in Mobile Face Verification Scenarios", IEEE
T-BIOM 4(1), 2022: m = 5 numbers a group, p = c1 v1^e1 + ... + c5 v5^e5, coefficients from -50 to 50 but 0,
exponents 1 to 5 in some order, groups that share `overlap` numbers, zeros after the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.protection.face import EMBEDDING_LENGTH
from inference.protection.key_stream import Doubles, KeyStream

GROUP = 5
LARGEST_COEFFICIENT = 50
_STEPS = 60
_FIRST_DAMPING = 1e-3


class PolyProtect:
    """The polynomials of one key."""

    def __init__(self, keys: KeyStream, overlap: int) -> None:
        """overlap: 0 to 4, how many numbers two neighbouring groups share."""
        drawn = keys.integers("polynomial coefficients", 2 * LARGEST_COEFFICIENT, GROUP) - LARGEST_COEFFICIENT
        self._coefficients = np.where(drawn >= 0, drawn + 1, drawn).astype(np.float64)
        self._exponents = keys.permutation("polynomial exponents", GROUP) + 1
        starts = np.arange(0, EMBEDDING_LENGTH - overlap, GROUP - overlap)
        self._places = starts[:, None] + np.arange(GROUP)
        self._padded = int(self._places.max()) + 1

    def map(self, embeddings: NDArray[np.floating]) -> Doubles:
        """Return the values of the polynomials, shape (n, groups); embeddings: shape (n, 128)."""
        padded = np.zeros((len(embeddings), self._padded))
        padded[:, :EMBEDDING_LENGTH] = embeddings
        return np.asarray(padded[:, self._places] ** self._exponents @ self._coefficients, np.float64)

    def solve(self, rows: NDArray[np.floating]) -> Doubles:
        """Find embeddings of length 1 whose rows point the same way, shape (n, 128), by Levenberg-Marquardt.

        There are fewer equations than numbers, so one of many solutions comes out: the attacker starts from
        small random numbers and keeps what he gets.
        """
        return np.array([self._solve(np.asarray(row, np.float64)) for row in rows])

    def _solve(self, row: Doubles) -> Doubles:
        found = np.random.default_rng(0).normal(0, 1e-3, EMBEDDING_LENGTH)
        damping = _FIRST_DAMPING
        residual, slopes = self._residual(found, row)
        for _ in range(_STEPS):
            normal = slopes.T @ slopes
            step = np.linalg.solve(normal + damping * np.eye(len(normal)), slopes.T @ residual)
            tried, tried_slopes = self._residual(found - step, row)
            if tried @ tried < residual @ residual:
                found, residual, slopes, damping = found - step, tried, tried_slopes, damping / 3
            else:
                damping *= 5
        return found

    def _residual(self, embedding: Doubles, row: Doubles) -> tuple[Doubles, Doubles]:
        """Return what is left of the equations, and its derivatives: rows match in direction, length is 1."""
        padded = np.zeros(self._padded)
        padded[:EMBEDDING_LENGTH] = embedding
        groups = padded[self._places]
        values = groups**self._exponents @ self._coefficients
        by_group = self._coefficients * self._exponents * groups ** (self._exponents - 1)
        slopes = np.zeros((len(values), self._padded))
        np.put_along_axis(slopes, self._places, by_group, axis=1)
        slopes = slopes[:, :EMBEDDING_LENGTH]
        # Rows are known in direction alone: the scheme compares by cosine.
        length = max(float(np.linalg.norm(values)), 1e-12)
        direction = values / length
        turning = (slopes - np.outer(direction, direction @ slopes)) / length
        residual = np.append(direction - row, embedding @ embedding - 1)
        return residual, np.vstack([turning, 2 * embedding])
