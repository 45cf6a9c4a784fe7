"""Counts set bits; numpy 1, which tflite-runtime needs, has no function for it."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.unsignedinteger[Any]]

if hasattr(np, "bitwise_count"):

    def set_bits(words: Words) -> NDArray[np.uint16]:
        """How many bits are set along the first axis."""
        return np.asarray(np.bitwise_count(words).sum(0, dtype=np.uint16))

else:
    _OF_BYTE = np.array([value.bit_count() for value in range(256)], np.uint8)

    def set_bits(words: Words) -> NDArray[np.uint16]:
        """How many bits are set along the first axis."""
        of_word = _OF_BYTE[words[..., None].view(np.uint8)].sum(-1, dtype=np.uint16)
        return np.asarray(of_word.sum(0, dtype=np.uint16))
