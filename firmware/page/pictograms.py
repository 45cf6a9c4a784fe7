"""The names of pictograms: drawn in static/pictograms.svg, one <symbol> for each."""

from __future__ import annotations

# What points along the line of reading is mirrored where people read from the right; a clock, a tick or the
# side to which a head is turned is not.
MIRRORED = frozenset(
    {"next", "back", "question", "list", "notice", "report", "delete", "hand over", "sign out"}
)


def symbol(name: str) -> str:
    """Return the id of a pictogram in the sprite: "too dry" is drawn as #too-dry."""
    return name.replace(" ", "-")


def flips(name: str) -> bool:
    """Return whether a pictogram has a direction of reading."""
    return name in MIRRORED
