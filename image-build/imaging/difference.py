"""What an update costs: the blocks of the next slot that an appliance has in neither of its two."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from imaging.bundle import BLOCK_BYTES


def blocks(image: Path) -> set[bytes]:
    """Return the SHA-256 of the image's blocks without the empty one, as RAUC's index has them."""
    empty = bytes(BLOCK_BYTES)
    found: set[bytes] = set()
    with image.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            if block != empty:
                found.add(hashlib.sha256(block).digest())
    return found


def fetched_bytes(held: Iterable[Path], wanted: Iterable[Path]) -> int:
    """Return how many bytes an adaptive update fetches, before the bundle packs them and without its indexes.

    held: the images in the appliance's slots. wanted: those of the bundle. Both are compared image by image,
    as RAUC does: roots with roots, boot partitions with boot partitions.
    """
    return BLOCK_BYTES * sum(len(blocks(new) - blocks(old)) for old, new in zip(held, wanted, strict=True))
