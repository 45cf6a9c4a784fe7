"""Which groups of a table are too small to be shown; the same rule in every report, at both ends."""

from __future__ import annotations

from collections.abc import Mapping

SMALL_CELL = 10
"""A group with fewer is not shown: its rate says little of the device, and much of few people."""


def hidden(sizes: Mapping[str, int]) -> frozenset[str]:
    """Return the groups that are not shown; sizes: of each group, by its name.

    The next smallest go with them until what is hidden is no small cell itself: the total less what is shown
    gives its sum away, and of two groups of one each that says almost as much as showing them.
    """
    small = {name for name, size in sizes.items() if size < SMALL_CELL}
    shown = sorted(sizes.keys() - small, key=lambda name: (sizes[name], name))
    while small and shown and sum(sizes[name] for name in small) < SMALL_CELL:
        small.add(shown.pop(0))
    return frozenset(small)
