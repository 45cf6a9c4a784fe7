"""The ways to keep fingers that are compared: the shipped one, and what it was chosen over."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from inference import plain_codec
from inference.bits import set_bits
from inference.finger.cylinders import PreparedFinger, prepare
from inference.protection.finger import CODE_BITS, Codes, CylinderCodes, Floats
from inference.protection.key_stream import KeyStream
from inference.types import FingerTemplate

SEAL_BYTES = 28
"""Nonce and tag of AES-256-GCM."""
_LARGEST_SHIFT_PX = 100
# Equation 20 of Cappelli et al. 2010: how many of the best pairs are averaged, by the smaller print.
LEAST_PAIRS, MOST_PAIRS = 4, 12
PAIRS_MU, PAIRS_TAU = 20, 0.4

Score: TypeAlias = Callable[[PreparedFinger, PreparedFinger], float]
"""The comparator of plain minutiae."""
HeldT = TypeVar("HeldT")


class FingerTransform(ABC, Generic[HeldT]):
    """One scheme under one key."""

    @abstractmethod
    def protect(self, template: FingerTemplate) -> HeldT:
        """Return what a gallery holds."""

    @abstractmethod
    def compare(self, one: HeldT, other: HeldT) -> float:
        """Score two of one gallery; higher is more alike."""

    @abstractmethod
    def bytes(self, held: HeldT) -> int:
        """Return how many bytes are stored, without the envelope."""

    def link(self, one: HeldT, other: HeldT) -> float:
        """Score two of galleries with two keys, as one who has neither key would."""
        return self.compare(one, other)

    def codes(self, held: HeldT) -> Codes | None:
        """Return what a first pass of a search goes over, None where there is nothing for it."""
        del held
        return None

    @property
    def planes(self) -> Floats | None:
        """What the key tells of how codes were made, None where there are none."""
        return None


@dataclass(frozen=True, slots=True)
class FingerScheme:
    """A transform before it has a key. keyed: whether a key changes anything."""

    name: str
    under: Callable[[KeyStream, Score], FingerTransform]  # type: ignore[type-arg]  # each holds its own kind
    keyed: bool = True


class PlainMinutiae(FingerTransform[tuple[PreparedFinger, int]]):
    """No protection: the minutiae as they are stored, rounded, and the comparator."""

    def __init__(self, keys: KeyStream, score: Score) -> None:
        del keys
        self._score = score

    def protect(self, template: FingerTemplate) -> tuple[PreparedFinger, int]:
        """Return the minutiae ready for comparison, and their bytes."""
        data = plain_codec.encode(template)
        stored = plain_codec.decode(data)
        assert isinstance(stored, FingerTemplate)  # noqa: S101 -- for the type checker
        return prepare(self._moved(stored)), len(data)

    def compare(self, one: tuple[PreparedFinger, int], other: tuple[PreparedFinger, int]) -> float:
        """Compare by minutiae."""
        return self._score(one[0], other[0])

    def bytes(self, held: tuple[PreparedFinger, int]) -> int:
        """As stored."""
        return held[1]

    def _moved(self, template: FingerTemplate) -> FingerTemplate:
        return template


class MovedMinutiae(PlainMinutiae):
    """All minutiae turned and shifted by the key: the comparator does not care, and neither does a thief."""

    def __init__(self, keys: KeyStream, score: Score) -> None:
        super().__init__(keys, score)
        turn, *shift = keys.integers("finger motion", 2**16, 3) / 2**16
        self._turn = np.float32(2 * np.pi * turn)
        self._shift = (np.array(shift) * 2 - 1).astype(np.float32) * _LARGEST_SHIFT_PX

    def _moved(self, template: FingerTemplate) -> FingerTemplate:
        rows = template.minutiae.copy()
        x, y = rows[:, 0].copy(), -rows[:, 1]
        c, s = np.cos(self._turn), np.sin(self._turn)
        rows[:, 0] = c * x - s * y + self._shift[0]
        rows[:, 1] = -(s * x + c * y + self._shift[1])
        rows[:, 2] += self._turn
        return replace(template, minutiae=rows)


class CodesAlone(FingerTransform[Codes]):
    """Keyed codes of cylinders and nothing else: no position, no direction, no minutia."""

    def __init__(self, keys: KeyStream, score: Score, bits: int) -> None:
        del score
        self._codes = CylinderCodes(keys, bits)

    @property
    def planes(self) -> Floats | None:
        """Those of the codes."""
        return self._codes.planes

    def protect(self, template: FingerTemplate) -> Codes:
        """Return the codes, not filled up: a comparator without them would not have to tell them apart."""
        return self._codes.of(prepare(template))

    def compare(self, one: Codes, other: Codes) -> float:
        """Local greedy similarity: the best pairs, each row once (Cappelli et al. 2010, section 4.2)."""
        return local_greedy_similarity(one, other)

    def bytes(self, held: Codes) -> int:
        """Codes alone."""
        return held.nbytes

    def codes(self, held: Codes) -> Codes | None:
        """All there is."""
        return held


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """Codes, filled up, and minutiae that are sealed until they are compared."""

    codes: Codes
    prepared: PreparedFinger
    sealed_bytes: int


class CodesAndSealed(FingerTransform[Both]):
    """What the appliance does: codes for a search, sealed minutiae for the comparison itself."""

    def __init__(self, keys: KeyStream, score: Score) -> None:
        self._codes = CylinderCodes(keys)
        self._plain = PlainMinutiae(keys, score)

    @property
    def planes(self) -> Floats | None:
        """Those of the codes."""
        return self._codes.planes

    def protect(self, template: FingerTemplate) -> Both:
        """Return the codes of the minutiae as they are stored, and those."""
        prepared, _ = self._plain.protect(template)
        sealed = len(plain_codec.padded(plain_codec.encode(template))) + SEAL_BYTES
        return Both(self._codes.filled(self._codes.of(prepared), os.urandom), prepared, sealed)

    def compare(self, one: Both, other: Both) -> float:
        """Compare by minutiae, with the key."""
        return self._plain.compare((one.prepared, 0), (other.prepared, 0))

    def link(self, one: Both, other: Both) -> float:
        """Compare the codes: what is sealed looks like random bytes."""
        return local_greedy_similarity(one.codes, other.codes)

    def bytes(self, held: Both) -> int:
        """Codes, and what is sealed."""
        return held.codes.nbytes + held.sealed_bytes

    def codes(self, held: Both) -> Codes | None:
        """The codes, filled up."""
        return held.codes


def local_greedy_similarity(one: Codes, other: Codes) -> float:
    """Mean share of equal bits of the best pairs of codes, each used once; 0 where one print has none."""
    if not len(one) or not len(other):
        return 0.0
    bits = 64 * one.shape[1]
    equal = bits - set_bits(one.T[:, :, None] ^ other.T[:, None]).astype(np.int32)
    fewer = min(len(one), len(other))
    grown = (MOST_PAIRS - LEAST_PAIRS) / (1 + np.exp(-PAIRS_TAU * (fewer - PAIRS_MU)))
    wanted = round(LEAST_PAIRS + float(grown))
    found = 0.0
    for _ in range(min(wanted, fewer)):
        best = int(equal.argmax())
        row, column = divmod(best, equal.shape[1])
        found += float(equal[row, column])
        equal[row], equal[:, column] = -1, -1
    return float(found / (wanted * bits))


FINGER_SCHEMES = (
    FingerScheme("none", PlainMinutiae, keyed=False),
    FingerScheme("minutiae turned and shifted", MovedMinutiae),
    FingerScheme("128-bit codes alone", lambda keys, score: CodesAlone(keys, score, 128)),
    FingerScheme("256-bit codes alone", lambda keys, score: CodesAlone(keys, score, CODE_BITS)),
    FingerScheme("512-bit codes alone", lambda keys, score: CodesAlone(keys, score, 512)),
    FingerScheme("256-bit codes, minutiae sealed", CodesAndSealed),
)
SHIPPED = "256-bit codes, minutiae sealed"
DRAWN = ("none", SHIPPED)
