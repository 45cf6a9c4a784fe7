"""The transforms of face embeddings that are compared: the shipped rotation, and what it was chosen over.

Each gives rows of length 1 whose dot product is the scheme's score, so that all are measured alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.bits import set_bits
from inference.evaluation.protection.poly_protect import PolyProtect
from inference.protection.face import EMBEDDING_LENGTH, FaceRotation
from inference.protection.key_stream import KeyStream

Floats: TypeAlias = NDArray[np.float32]
INT8_STEPS = 127


class FaceTransform(ABC):
    """One scheme under one key."""

    @abstractmethod
    def protect(self, embeddings: Floats) -> Floats:
        """Return the protected rows, shape (n, length), float32, L2 norm 1; embeddings: shape (n, 128)."""

    @abstractmethod
    def invert(self, rows: Floats) -> Floats:
        """Return what a holder of the key makes of the rows: embeddings, shape (n, 128), L2 norm 1."""

    def stored(self, rows: Floats) -> NDArray[Any]:
        """Return the rows as a gallery would hold them, one a row."""
        return rows

    def scores(self, stored: NDArray[Any], probe: Floats) -> NDArray[Any]:
        """Score a protected probe, shape (length,), against stored rows, as a search does."""
        return stored @ probe


@dataclass(frozen=True, slots=True)
class FaceScheme:
    """A transform before it has a key. keeps_scores: its scores are meant to be those of the embeddings."""

    name: str
    under: Callable[[KeyStream], FaceTransform]
    keeps_scores: bool = False


class Plain(FaceTransform):
    """No protection: what the others are held against."""

    def __init__(self, keys: KeyStream) -> None:
        del keys

    def protect(self, embeddings: Floats) -> Floats:
        """Return them as they are."""
        return embeddings

    def invert(self, rows: Floats) -> Floats:
        """Return them as they are."""
        return rows


class Rotation(FaceTransform):
    """The one that was chosen."""

    def __init__(self, keys: KeyStream) -> None:
        self._rotation = FaceRotation(keys)

    def protect(self, embeddings: Floats) -> Floats:
        """Turn them."""
        return self._rotation.turn(embeddings)

    def invert(self, rows: Floats) -> Floats:
        """Turn them back."""
        return self._rotation.turn_back(rows)


class RotationInt8(Rotation):
    """The same, each number rounded to one of 255 steps of the row's largest one."""

    def protect(self, embeddings: Floats) -> Floats:
        """Turn, then round."""
        return unit(self.stored(super().protect(embeddings)).astype(np.float32))

    def stored(self, rows: Floats) -> NDArray[np.int8]:
        """Return the steps: a cosine needs no scale."""
        largest = np.abs(rows).max(axis=-1, keepdims=True)
        return np.asarray(np.rint(rows * (INT8_STEPS / largest)), np.int8)

    def scores(self, stored: NDArray[Any], probe: Floats) -> NDArray[Any]:
        """Score by floats: numpy's products of integers take longer than the conversion."""
        steps = stored.astype(np.float32)
        return np.asarray((steps @ probe) / np.linalg.norm(steps, axis=1))


class SignedProjections(FaceTransform):
    """The signs of random projections, packed as bits (M. S. Charikar, STOC 2002; BioHashing without tokens).

    The share of differing bits is the angle over pi, so the scores order as cosines do, with noise.
    """

    def __init__(self, keys: KeyStream, bits: int) -> None:
        self._bits = bits
        self._directions = keys.normals(f"face signs {bits}", bits, EMBEDDING_LENGTH).astype(np.float32)

    def protect(self, embeddings: Floats) -> Floats:
        """Return 1 and -1, scaled to length 1."""
        signs = np.where(embeddings @ self._directions.T > 0, 1, -1)
        return np.asarray(signs / np.sqrt(self._bits), np.float32)

    def invert(self, rows: Floats) -> Floats:
        """Sum the directions by their signs, which is on average in proportion to the embedding."""
        return unit(rows @ self._directions)

    def stored(self, rows: Floats) -> NDArray[np.uint8]:
        """Pack eight signs into a byte."""
        return np.packbits(rows > 0, axis=-1)

    def scores(self, stored: NDArray[Any], probe: Floats) -> NDArray[Any]:
        """Count the equal bits."""
        differing = set_bits((stored ^ self.stored(probe)).T).astype(np.int32)
        return np.asarray(self._bits - differing)


class Polynomials(FaceTransform):
    """PolyProtect with one pair of coefficients and exponents for the gallery."""

    def __init__(self, keys: KeyStream, overlap: int) -> None:
        self._polynomials = PolyProtect(keys, overlap)

    def protect(self, embeddings: Floats) -> Floats:
        """Map each group of numbers to one, and scale: the scheme compares by cosine."""
        return unit(self._polynomials.map(embeddings).astype(np.float32))

    def invert(self, rows: Floats) -> Floats:
        """Solve the equations; the length of the row, which scaling took, is one unknown more."""
        return unit(self._polynomials.solve(rows))


def unit(rows: NDArray[np.floating]) -> Floats:
    """Bring rows to length 1."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


FACE_SCHEMES = (
    FaceScheme("none", Plain, keeps_scores=True),
    FaceScheme("rotation", Rotation, keeps_scores=True),
    FaceScheme("rotation, int8", RotationInt8, keeps_scores=True),
    FaceScheme("PolyProtect, overlap 4", lambda keys: Polynomials(keys, 4)),
    FaceScheme("PolyProtect, overlap 2", lambda keys: Polynomials(keys, 2)),
    FaceScheme("PolyProtect, overlap 0", lambda keys: Polynomials(keys, 0)),
    FaceScheme("256 signs", lambda keys: SignedProjections(keys, 256)),
    FaceScheme("1024 signs", lambda keys: SignedProjections(keys, 1024)),
    FaceScheme("4096 signs", lambda keys: SignedProjections(keys, 4096)),
)
SHIPPED = "rotation"
DRAWN = ("none", SHIPPED)
