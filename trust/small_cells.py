"""Which groups of a table are too small to be shown; the same rule in every report, at both ends."""

from __future__ import annotations

from collections.abc import Mapping

SMALL_CELL = 10
"""A group with fewer is not shown: its rate says little of the device, and much of few people."""


def hidden(sizes: Mapping[str, int]) -> frozenset[str]:
    """Return the groups that are not shown; sizes: of each group, by its name.

    Where one alone is too small, the next smallest goes with it, or the total would give the first away.
    """
    small = {name for name, size in sizes.items() if size < SMALL_CELL}
    if len(small) == 1 and len(sizes) > 1:
        small.add(min(sizes.keys() - small, key=lambda name: sizes[name]))
    return frozenset(small)
