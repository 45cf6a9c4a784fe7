"""Cylinders as keyed codes: which side of planes that the gallery's key draws each of them lies on.

Near cylinders give near codes, so a search can rank references by codes alone; without the key a code tells
neither the cylinder nor anything that a code under another key could be compared with. After the idea of M.
Ferrara, D. Maltoni, R. Cappelli, "A two-factor protection scheme for MCC fingerprint templates", BIOSIG 2014,
with signs of keyed projections in place of permuted bits of a trained one: no training data, and no bits that
the key leaves in the clear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.bits import set_bits
from inference.finger.cylinders import BITS, SECTIONS, PreparedFinger
from inference.protection.key_stream import KeyStream

Floats: TypeAlias = NDArray[np.float32]
Codes: TypeAlias = NDArray[np.uint64]
"""Shape (rows, CODE_WORDS): one code for each cylinder, then rows of no meaning up to a usual number."""

CODE_BITS = 256
"""With 128 the right one of 361 was lost twice as often among the first 20 (AS608), with 512 hardly less."""
CODE_WORDS = CODE_BITS // 64
CODE_BYTES = CODE_BITS // 8
ROWS = (48, 80)
"""Codes are filled up to one of these numbers: how many minutiae a print has would tell it from others. With
32 and 64 besides, a template of 256x288 that was renewed linked by its size with a D_sys of 0.38."""

AVERAGED = 8
"""Of a probe's cylinders the likeness is the mean of so many of the best; 6 to 12 differ little."""
LEAST_KEPT = 60
CHUNK = 64
"""References at a time: what their codes differ in is 2 MB then, which stays in the cache."""
_SHARE_OF_SET_BITS = 8
"""One bit in eight is set, over all cylinders of the evaluation data: 0.124 (R503) and 0.133 (AS608)."""


class CylinderCodes:
    """The planes of one gallery, 1.3 MB; wipe them with the key. bits: of a code."""

    def __init__(self, keys: KeyStream, bits: int = CODE_BITS) -> None:
        drawn = np.frombuffer(keys.stream("cylinder planes", bits * BITS // 8), np.uint8)
        self._planes = (np.unpackbits(drawn).astype(np.float32) * 2 - 1).reshape(BITS, bits)

    @property
    def planes(self) -> Floats:
        """The normals of the planes, 1 and -1, shape (BITS, bits): what the key gives an attacker."""
        return self._planes

    def of(self, finger: PreparedFinger) -> Codes:
        """Return the codes of the usable cylinders, most confident first, shape (n, bits / 64)."""
        return _packed(centred(finger)[finger.usable] @ self._planes)

    def filled(self, codes: Codes, random_bytes: Callable[[int], bytes]) -> Codes:
        """Fill up with random rows, which resemble no cylinder: half of their bits agree, as of any two."""
        rows, words = next(rows for rows in ROWS if rows >= len(codes)), codes.shape[1]
        fill = np.frombuffer(random_bytes((rows - len(codes)) * words * 8), "<u8").reshape(-1, words)
        return np.concatenate([codes, fill.astype(np.uint64)])

    def wipe(self) -> None:
        """Overwrite the planes."""
        self._planes[...] = 0


def centred(finger: PreparedFinger) -> Floats:
    """Return all cylinders about their mean, shape (n, BITS): 7 where a bit is set, -1 where not, 0 outside.

    Small integers, whose sums are exact in float32: codes are the same on every machine.
    """
    set_ = np.unpackbits(finger.bits.view(np.uint8), axis=1)[:, :BITS].astype(np.float32)
    inside = np.repeat(finger.cells[len(finger) :], SECTIONS, axis=1)
    return np.asarray(_SHARE_OF_SET_BITS * set_ - inside, np.float32)


def likeness(probe: Codes, references: Sequence[Codes]) -> Floats:
    """Return how alike references are to a probe, which is as `CylinderCodes.of` gives it, not filled."""
    found = np.zeros(len(references), np.float32)
    present = [place for place, reference in enumerate(references) if len(reference)]
    for start in range(0, len(present), CHUNK):
        places = present[start : start + CHUNK]
        starts = np.cumsum([0, *(len(references[place]) for place in places[:-1])])
        words = np.ascontiguousarray(np.concatenate([references[place] for place in places]).T)
        found[places] = alike(probe, words, starts)
    return found


def alike(probe: Codes, words: Codes, starts: NDArray[np.intp]) -> Floats:
    """Local similarity of Cappelli et al. 2010: mean of the best of the probe's cylinders, in equal bits.

    words: the codes of the references one after another, shape (CODE_WORDS, n): long rows of words of one
    place, as broadcasting over the probe's few codes took ten times as long. starts: where each begins.
    """
    if not len(probe) or not words.size:
        return np.zeros(len(starts), np.float32)
    averaged = min(AVERAGED, len(probe))
    differing = set_bits(words[:, None, :] ^ probe.T[:, :, None])
    least = np.minimum.reduceat(differing, starts, axis=1)
    best = np.partition(least, averaged - 1, axis=0)[:averaged]
    return np.asarray(64 * probe.shape[1] - best.mean(axis=0), np.float32)


def _packed(sides: Floats) -> Codes:
    packed = np.packbits(sides > 0, axis=1)
    return packed.view("<u8").astype(np.uint64).reshape(len(sides), sides.shape[1] // 64)
