"""The names of pictograms: drawn in static/pictograms.svg, one <symbol> for each."""

from __future__ import annotations

from inference.types import FingerPosition

# What points along the line of reading is mirrored where people read from the right; a clock, a tick or the
# side to which a head is turned is not.
MIRRORED = frozenset(
    {"next", "back", "question", "list", "notice", "report", "hand over", "sign out", "alternate"}
)

# What is drawn for a thing, and how its name begins in the languages of the page.
_RATIONS = (
    (
        "bag",
        (
            "rice",
            "flour",
            "wheat",
            "maize",
            "sugar",
            "salt",
            "riz",
            "farine",
            "arroz",
            "harina",
            "mchele",
            "unga",
        ),
    ),
    ("bag", ("рис", "борошно", "أرز", "طحين", "دقيق", "سكر")),
    (
        "pulses",
        (
            "bean",
            "lentil",
            "pulse",
            "pea",
            "haricot",
            "lentille",
            "frijol",
            "lenteja",
            "maharag",
            "квасол",
            "عدس",
        ),
    ),
    ("oil", ("oil", "huile", "aceite", "mafuta", "олія", "زيت")),
    ("soap", ("soap", "savon", "jab", "sabuni", "мило", "صابون", "hygiene")),
    ("blanket", ("blanket", "couverture", "manta", "blanketi", "ковдра", "بطاني", "mat", "mattress")),
    ("water", ("water", "eau", "agua", "maji", "вода", "ماء", "jerrycan")),
    ("medicine", ("medic", "médic", "dawa", "лік", "دواء")),
)


def symbol(name: str) -> str:
    """Return the id of a pictogram in the sprite: "too dry" is drawn as #too-dry."""
    return name.replace(" ", "-")


def flips(name: str) -> bool:
    """Return whether a pictogram has a direction of reading."""
    return name in MIRRORED


def of_finger(position: FingerPosition) -> str:
    """Return the hand with this finger marked, seen from its back as its owner sees it."""
    if position is FingerPosition.UNKNOWN:
        return "finger"
    hand, finger = position.name.lower().split("_")
    return f"finger {hand} {finger}"


def of_ration(item: str) -> str:
    """Return what is drawn for a ration: a box where the list's word is not known."""
    words = item.casefold().split()
    for pictogram, beginnings in _RATIONS:
        if any(word.startswith(beginnings) for word in words):
            return pictogram
    return "box"
